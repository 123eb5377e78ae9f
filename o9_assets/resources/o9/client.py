"""The o9 client: members, facts, queries and pipelines over HTTP, as a contract profile says.

It keeps connections, bounds how many requests are under way, retries what may pass with back-off and jitter (and obeys
Retry-After), reads page by page, and never shows a secret. It is used from ordinary code; httpx works underneath on an
event loop of its own, which is what lets the in-process o9 be called without a network.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import httpx

from o9_assets.resources.o9.answers import (
    Receipt,
    Row,
    cursor_of,
    member_name,
    number_of,
    page_of,
    receipt_of,
    table_of,
    text_of,
)
from o9_assets.resources.o9.batch import Batch
from o9_assets.resources.o9.calls import Answer, Caller
from o9_assets.resources.o9.errors import ContractBroken, O9Error, RejectedRows, Unconfirmed
from o9_assets.resources.o9.profile import Profile

__all__ = ["Batch", "Dropped", "O9Client", "Outcome", "Receipt", "RemoteFile"]

URL_ROOM = 4_000
"""Characters of names in one request's filter; longer URLs are cut or refused on the way."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file is where o9 loads it from. What o9 took of it is to be looked up; `receipt` names the file or the run."""

    receipt: str
    attempts: int


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of o9's outbound folder: its name below it, its size and when it was changed (seconds since 1970)."""

    name: str
    size_bytes: int
    modified_at: float


Outcome: TypeAlias = "Receipt | Dropped | O9Error"
"""What became of a batch."""


class O9Client:
    """Use as a context manager. `secret` gives a secret by its name when a request is made; it is kept nowhere."""

    def __init__(
        self,
        profile: Profile,
        base_url: str,
        secret: Callable[[str], str],
        *,
        model: str,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.profile = profile
        self.base_url = base_url
        self._model = model
        self.secret = secret
        self._transport = transport
        self.sleep, self.clock = sleep, clock

    def __repr__(self) -> str:
        return f"O9Client({self.profile.name!r}, {self.base_url!r})"

    def __enter__(self) -> O9Client:
        self._runner = asyncio.Runner()
        limits = httpx.Limits(max_connections=self.profile.concurrent_requests)
        self._http = httpx.AsyncClient(
            base_url=self.base_url, timeout=self.profile.timeout_seconds, transport=self._transport, limits=limits
        )
        self.caller = Caller(self._http, self.profile, self.secret, sleep=self.sleep, clock=self.clock)
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    # Members

    def members(self, dimension: str, names: Collection[str] | None = None) -> set[str]:
        """Names of a dimension's members; with `names`, those of them that o9 has."""
        path = self.path(self.profile.paths.members, dimension=dimension)
        if names is None:
            return {member_name(row) for page in self.member_pages(dimension) for row in page}
        found: set[str] = set()
        for some in by_length(sorted(names), URL_ROOM):
            pages = self._pages(path, [{"AttributeName": "Name", "Values": some}])
            found |= {member_name(row) for page in pages for row in page}
        return found & set(names)

    def member_pages(self, dimension: str) -> Iterator[list[Row]]:
        """Pages of a dimension's members, each a row with Name and attributes."""
        for page in self._pages(self.path(self.profile.paths.members, dimension=dimension), []):
            for row in page:
                member_name(row)
            yield page

    def create_members(self, dimension: str, members: Sequence[Row]) -> int:
        """Create members, given as rows with Name and attributes; returns how many o9 took."""
        path = self.path(self.profile.paths.members, dimension=dimension)
        size, taken = self.profile.batch_size, 0
        for start in range(0, len(members), size):
            answer = self._call("POST", path, body={"Data": list(members[start : start + size])})
            taken += number_of(answer.body, "Accepted")
        return taken

    # Facts

    def carry(self, measure_group: str, batches: Sequence[Batch]) -> list[Outcome]:
        """Send batches as the profile's carrier does: JSON rows by REST, or CSV files. One outcome for each."""
        if not batches:
            return []
        match self.profile.carrier:
            case "rest":
                return list(self.send_facts(measure_group, batches))
            case "data_lake":
                from o9_assets.resources.o9.data_lake import load

                return self._runner.run(load(self, measure_group, batches))
            case "sftp":
                from o9_assets.resources.o9.sftp import drop

                return self._runner.run(drop(self, measure_group, batches))

    def facts(
        self,
        measure_group: str,
        *,
        first: date | None = None,
        last: date | None = None,
        values: dict[str, Sequence[str]] | None = None,
    ) -> Iterator[list[Row]]:
        """Pages of facts, numbers as their text. `first` and `last` bound the days on which the buckets begin, both
        included; `values` bounds columns such as Item.[Item] to members."""
        filters: list[Row] = []
        if first is not None or last is not None:
            ranges = [{"op": op, "value": day.isoformat()} for op, day in ((">=", first), ("<=", last)) if day]
            attribute = self.profile.time_attribute
            filters.append({"AttributeName": attribute, "DateRanges": ranges, "DimensionName": "Time"})
        for column, members in (values or {}).items():
            dimension, _, attribute = column.removesuffix("]").partition(".[")
            filters.append({"AttributeName": attribute, "Values": list(members), "DimensionName": dimension})
        return self._pages(self.path(self.profile.paths.facts, measure_group=measure_group), filters)

    def send_facts(self, measure_group: str, batches: Sequence[Batch]) -> list[Receipt | O9Error]:
        """Send batches, a bounded number at a time. For each, in their order, o9's receipt or what went wrong.

        A batch is never sent twice: where its answer was lost there is Unconfirmed in its place, where o9 refuses it as
        a whole RejectedRows. After any other error no further request begins, and what was not sent gets that error.
        """
        path = self.path(self.profile.paths.facts, measure_group=measure_group)
        stop: list[O9Error] = []

        async def one(batch: Batch, gate: asyncio.Semaphore) -> Receipt | O9Error:
            async with gate:
                if stop:
                    return stop[0]
                content = b'{"BatchId":"%s","Data":%s}' % (batch.batch_id.encode(), batch.rows())
                try:
                    return receipt_of(await self.caller.call("POST", path, content=content, writes_facts=True), batch)
                except O9Error as error:
                    if not isinstance(error, RejectedRows | Unconfirmed):
                        stop.append(error)
                    return error

        async def send() -> list[Receipt | O9Error]:
            gate = asyncio.Semaphore(self.profile.concurrent_requests)
            return await asyncio.gather(*(one(batch, gate) for batch in batches))

        return self._runner.run(send())

    def query(self, text: str) -> list[Row]:
        """Rows of an IBPL query, under `Dimension.[Attribute]` and the bare names of measures; numbers as text."""
        return table_of(self._call("POST", self.path(self.profile.paths.query), body={"Query": text}).body)

    # Pipelines

    def start_pipeline(self, pipeline: str, parameters: Row) -> str:
        """Start an o9 pipeline; returns the run's number."""
        body = {"TenantId": self.profile.tenant, "PipelineId": pipeline, "Parameters": parameters}
        return text_of(self._call("POST", self.path(self.profile.paths.pipeline), body=body).body, "RunId")

    def pipeline_status(self, run: str) -> str | None:
        """Running, Succeeded or Failed; None where the profile has no path for it."""
        if self.profile.paths.pipeline_status is None:
            return None
        answer = self._call("GET", self.path(self.profile.paths.pipeline_status, run=run))
        return text_of(answer.body, "Status")

    # Files that o9 dropped

    def collect(self, into: Path, wanted: Callable[[RemoteFile], bool]) -> Iterator[tuple[RemoteFile, Path]]:
        """Files of o9's SFTP folder that are whole and `wanted`, one after the other, each copied into `into`.

        A copy is the caller's until it asks for the next. Raises Denied for a wrong host key or login, Unavailable
        when patience ends.
        """
        from o9_assets.resources.o9.sftp_outbound import Collector

        collector = Collector(self, into)
        try:
            for found in self._runner.run(collector.listing()):
                if wanted(found) and (copy := self._runner.run(collector.copy(found))) is not None:
                    yield found, copy
        finally:
            self._runner.run(collector.close())

    # How it does it

    def _call(self, method: str, path: str, **parts: Any) -> Answer:
        return self._runner.run(self.caller.call(method, path, **parts))

    def path(self, template: str, **names: str) -> str:
        """A path of the profile with its places filled in."""
        quoted = {name: _segment(value) for name, value in names.items()}
        return template.format(model=_segment(self._model), tenant=_segment(self.profile.tenant), **quoted)

    def _pages(self, path: str, filters: list[Row]) -> Iterator[list[Row]]:
        """Pages until one has no Cursor. A page that fails, repeats or comes empty with a Cursor ends the read."""
        query: dict[str, str] = {"size": str(self.profile.page_size)}
        if filters:
            query["filters"] = json.dumps(filters, separators=(",", ":"))
        cursors: set[str] = set()
        before: list[Row] | None = None
        for _ in range(self.profile.limits.pages):
            answer = self._call("GET", path, query=query).body
            page, cursor = page_of(answer, path), cursor_of(answer)
            if page and page == before:
                raise ContractBroken(f"{path}: the same page came twice in a row.", remedy="The read was stopped.")
            if cursor is not None and (cursor in cursors or not page):
                what = "came twice" if page else "came with an empty page"
                raise ContractBroken(f"{path}: the cursor {cursor!r} {what}.", remedy="The read was stopped.")
            yield page
            if cursor is None:
                return
            before = page
            cursors.add(cursor)
            query["cursor"] = cursor
        raise ContractBroken(
            f"{path}: no end after {self.profile.limits.pages:,} pages.",
            remedy="Raise the profile's limits.pages if so much is meant.",
        )


def _segment(text: str) -> str:
    """A name as one segment of a path."""
    from urllib.parse import quote

    return quote(text, safe="")


def by_length(names: Sequence[str], room: int) -> Iterator[list[str]]:
    """Names in lists that fit in a URL."""
    some: list[str] = []
    used = 0
    for name in names:
        length = len(json.dumps(name)) + 1
        if some and used + length > room:
            yield some
            some, used = [], 0
        some.append(name)
        used += length
    if some:
        yield some
