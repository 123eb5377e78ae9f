"""The o9 client: members, facts and pipelines over HTTP, as a contract profile says.

It keeps connections, bounds how many requests are under way, retries what may pass with back-off and jitter (and obeys
Retry-After), reads page by page, and never shows its key. It is used from ordinary code; httpx works underneath on an
event loop of its own, which is what lets the in-process o9 be called without a network.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx

from o9_assets.resources.o9.errors import ContractBroken, Denied, Throttled, Unavailable
from o9_assets.resources.o9.profile import Profile

__all__ = ["O9Client", "Receipt"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What o9 said of a batch: its own number for it, rows accepted, and rows refused with their place and reason."""

    receipt: str
    accepted: int
    rejected: tuple[tuple[int, str], ...]
    attempts: int


class O9Client:
    """Use as a context manager. `key` is called when a request is made, and its answer kept nowhere."""

    def __init__(
        self,
        profile: Profile,
        base_url: str,
        key: Callable[[], str],
        *,
        model: str,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.profile = profile
        self._model = model
        self._base_url = base_url
        self._key = key
        self._transport = transport
        self._sleep = sleep
        self._failures = 0
        self._jitter = random.Random()  # noqa: S311 - jitter, not a secret

    def __repr__(self) -> str:
        return f"O9Client({self.profile.name!r}, {self._base_url!r})"

    def __enter__(self) -> O9Client:
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(
            base_url=self._base_url, timeout=self.profile.timeout_seconds, transport=self._transport
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()

    # What it does

    def members(self, dimension: str) -> set[str]:
        """Names of a dimension's members."""
        path = self._path(self.profile.paths.members, dimension=dimension)
        return {str(row["Name"]) for page in self._pages(path, []) for row in page}

    def create_members(self, dimension: str, members: Sequence[Row]) -> int:
        """Create members, given as rows with Name and attributes; returns how many o9 took."""
        path = self._path(self.profile.paths.members, dimension=dimension)
        size, taken = self.profile.batch_size, 0
        for start in range(0, len(members), size):
            batch = list(members[start : start + size])
            answer, _ = self._runner.run(self._request("POST", path, body={"Data": batch}))
            taken += int(self._field(answer, "Accepted"))
        return taken

    def facts(self, measure_group: str, *, first: date | None = None, last: date | None = None) -> Iterator[list[Row]]:
        """Pages of facts; `first` and `last` bound the days on which the buckets begin."""
        filters: list[Row] = []
        if first is not None or last is not None:
            ranges = [{"op": op, "value": day.isoformat()} for op, day in ((">=", first), ("<=", last)) if day]
            filters = [{"AttributeName": "StartDate", "DateRanges": ranges, "DimensionName": "Time"}]
        return self._pages(self._path(self.profile.paths.facts, measure_group=measure_group), filters)

    def send_facts(self, measure_group: str, batches: Sequence[tuple[str, list[Row]]]) -> list[Receipt]:
        """Send batches of rows, each under its content's hash, a bounded number at a time; receipts in their order."""
        path = self._path(self.profile.paths.facts, measure_group=measure_group)

        async def send() -> list[Receipt]:
            gate = asyncio.Semaphore(self.profile.concurrent_requests)

            async def one(batch_id: str, rows: list[Row]) -> Receipt:
                async with gate:
                    answer, attempts = await self._request("POST", path, body={"BatchId": batch_id, "Data": rows})
                rejected = tuple((int(r["Row"]), str(r["Reason"])) for r in answer.get("Rejected", []))
                accepted = int(self._field(answer, "Accepted"))
                if accepted + len(rejected) != len(rows):
                    raise ContractBroken(
                        f"o9 was sent {len(rows)} rows and speaks of {accepted} accepted and {len(rejected)} rejected.",
                        remedy="Look at the profile; nothing is taken as delivered.",
                    )
                return Receipt(str(self._field(answer, "ReceiptId")), accepted, rejected, attempts)

            return await asyncio.gather(*(one(batch_id, rows) for batch_id, rows in batches))

        return self._runner.run(send())

    def start_pipeline(self, pipeline: str, parameters: Row) -> str:
        """Start an o9 pipeline; returns the run's number."""
        body = {"TenantId": self.profile.tenant, "PipelineId": pipeline, "Parameters": parameters}
        answer, _ = self._runner.run(self._request("POST", self._path(self.profile.paths.pipeline), body=body))
        return str(self._field(answer, "RunId"))

    # How it does it

    def _path(self, template: str, **names: str) -> str:
        return template.format(model=self._model, tenant=self.profile.tenant, **names)

    def _pages(self, path: str, filters: list[Row]) -> Iterator[list[Row]]:
        query: dict[str, str] = {"size": str(self.profile.page_size)}
        if filters:
            query["filters"] = json.dumps(filters, separators=(",", ":"))
        seen: set[str] = set()
        while True:
            answer, _ = self._runner.run(self._request("GET", path, query=query))
            data = self._field(answer, "Data")
            if not isinstance(data, dict) or len(data) != 1:
                raise ContractBroken(f"{path}: Data holds no single resource.", remedy="Look at the profile's paths.")
            yield next(iter(data.values()))
            cursor = answer.get("Cursor")
            if cursor is None:
                return
            if cursor in seen:
                raise ContractBroken(f"{path}: the cursor {cursor!r} came twice.", remedy="The read was stopped.")
            seen.add(cursor)
            query["cursor"] = str(cursor)

    @staticmethod
    def _field(answer: Row, name: str) -> Any:
        if name not in answer:
            raise ContractBroken(f"o9's answer lacks {name}; it has {sorted(answer)}.", remedy="Look at the profile.")
        return answer[name]

    async def _request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: Row | None = None
    ) -> tuple[Row, int]:
        """The answer's JSON object, and how many attempts it took."""
        retry, last = self.profile.retry, "no answer"
        throttled = False
        for attempt in range(1, retry.attempts + 1):
            if self._failures >= retry.open_after_failures:
                raise Unavailable(f"o9 failed {self._failures} times in a row ({last}).", remedy="It is left alone.")
            pause = min(retry.first_pause_seconds * 2 ** (attempt - 1), retry.longest_pause_seconds)
            pause *= self._jitter.uniform(0.5, 1.0)
            try:
                answer = await self._http.request(
                    method, path, params=query, json=body, headers={"Authorization": f"ApiKey {self._key()}"}
                )
            except httpx.TransportError as error:
                last = type(error).__name__
            else:
                if answer.status_code in (401, 403):
                    raise Denied(
                        f"o9 refused the key ({answer.status_code}) for {method} {path}.", remedy="Renew O9_API_KEY."
                    )
                if answer.status_code < 300:
                    self._failures = 0
                    return _object(answer, path), attempt
                last, throttled = str(answer.status_code), answer.status_code == 429
                if answer.status_code < 500 and not throttled:
                    raise ContractBroken(
                        f"o9 answered {answer.status_code} to {method} {path}: {answer.text[:300]}",
                        remedy="Look at the profile's paths and names.",
                    )
                wanted = answer.headers.get("Retry-After", "")
                if wanted.isdigit():
                    pause = min(float(wanted), retry.longest_pause_seconds)
            self._failures += 1
            if attempt < retry.attempts:
                await self._sleep(pause)
        kind = Throttled if throttled else Unavailable
        raise kind(
            f"o9 gave no good answer to {method} {path} in {retry.attempts} attempts ({last}).", remedy="Try later."
        )


def _object(answer: httpx.Response, path: str) -> Row:
    try:
        found = answer.json()
        if isinstance(found, str):  # some gateways encode a JSON body a second time
            found = json.loads(found)
    except ValueError as error:
        raise ContractBroken(
            f"{path} answered no JSON but {answer.text[:80]!r}.", remedy="Is the base URL o9's, or a login page's?"
        ) from error
    if not isinstance(found, dict):
        raise ContractBroken(f"{path} answered {type(found).__name__}, not an object.", remedy="Look at the profile.")
    return found
