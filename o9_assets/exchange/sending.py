"""Sending the chunks of a delivery: what o9 confirmed is settled, what it did not is looked up first, and a request
that it refuses as a whole is halved until the rows at fault stand alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

import duckdb

from o9_assets.exchange.datasets import MEASURES
from o9_assets.exchange.rows import codes_of, csv_form, hold, json_form
from o9_assets.planning.settings import Settings
from o9_assets.resources.o9 import Batch, Dropped, O9Client, O9Error, Outcome, Receipt, RejectedRows, Unconfirmed
from o9_assets.resources.o9.client import URL_ROOM, by_length

__all__ = ["Request", "Sender", "Settled"]

LOOKS = 5
"""How often a chunk whose answer was lost is looked up and sent again, before the run gives up and is retried."""
FEW_ITEMS = 100
LOOK_EVERY_SECONDS = 2.0
FETCHED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose outcome is known: accepted, found or refused."""

    chunk_id: str
    row_count: int
    outcome: str
    receipt: str | None
    attempts: int
    rejected_count: int


@dataclass
class Settled:
    """A chunk whose rows are all either in o9 or refused by it. `rejected` holds a row's place and o9's reason."""

    requests: list[Request] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Settled) -> Settled:
        return Settled([*self.requests, *other.requests], [*self.rejected, *other.rejected])


class Sender:
    """Sends chunks of the view `planned` on a connection."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        settings: Settings,
        client: O9Client,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._con, self._o9, self._client, self._sleep = con, settings.o9, client, sleep
        profile = client.profile
        rest = profile.carrier == "rest"
        self._form = json_form(settings.o9) if rest else csv_form(settings.o9, profile.files.delimiter)
        self._readable = rest or profile.files.confirm == "read_back"
        self._refused = 0

    def send(self, chunks: Sequence[int], *, look_first: bool) -> tuple[dict[int, Settled], O9Error | None]:
        """Send chunks; with `look_first` only what o9 does not hold. Returns those settled, and what stopped others."""
        settled: dict[int, Settled] = {}
        places: dict[int, Sequence[int]] = {}
        batches = self._whole(chunks)
        for chunk, absent in self._absent(chunks).items() if look_first and self._readable else []:
            if len(absent) == batches[chunk].count:
                continue
            held = sorted(set(range(batches[chunk].count)) - set(absent))
            settled[chunk] = self._found(chunk, held)
            if absent:
                places[chunk], batches[chunk] = absent, self._part(chunk, absent)
            else:
                del batches[chunk]
        outcomes = self._client.carry(self._o9.measure_group, list(batches.values()))
        stopped: O9Error | None = None
        for (chunk, batch), outcome in zip(batches.items(), outcomes, strict=True):
            try:
                sent = self._settle(chunk, places.get(chunk, range(batch.count)), batch, outcome)
                settled[chunk] = settled[chunk].add(sent) if chunk in settled else sent
            except O9Error as error:
                settled.pop(chunk, None)
                # What went through is kept; the first thing that went wrong is told.
                stopped = stopped or error
        return settled, stopped

    def _settle(self, chunk: int, places: Sequence[int], batch: Batch, outcome: Outcome) -> Settled:
        match outcome:
            case Receipt():
                rejected = [(places[place], reason) for place, reason in outcome.rejected]
                request = Request(
                    batch.batch_id, batch.count, "accepted", outcome.receipt, outcome.attempts, len(rejected)
                )
                return Settled([request], rejected)
            case RejectedRows():
                one = len(places) == 1
                refused = Request(batch.batch_id, batch.count, "refused", None, 1, 1 if one else 0)
                if one:
                    self._refused += 1
                    if self._refused > self._client.profile.limits.refused_rows:
                        raise outcome
                    return Settled([refused], [(places[0], outcome.reason)])
                half = len(places) // 2
                both = Settled([refused])
                for part in (places[:half], places[half:]):
                    smaller = self._part(chunk, part)
                    both = both.add(self._settle(chunk, part, smaller, self._once(smaller)))
                return both
            case Unconfirmed():
                return self._after_a_look(chunk, places, outcome)
            case Dropped():
                return self._when_loaded(chunk, places, batch, outcome)
        raise outcome

    def _when_loaded(self, chunk: int, places: Sequence[int], batch: Batch, dropped: Dropped) -> Settled:
        """Settle a file's rows: what o9 does not hold in time it refused."""
        absent: list[int] = []
        if self._readable:
            files, waited = self._client.profile.files, 0.0
            # A pipeline's run has ended by now; a folder is looked into whenever o9 likes.
            patience = files.load_patience_seconds if self._client.profile.carrier == "sftp" else 0.0
            while (absent := self._absent([chunk], places)[chunk]) and waited < patience:
                self._sleep(LOOK_EVERY_SECONDS)
                waited += LOOK_EVERY_SECONDS
        rejected = [(place, f"o9 did not load it ({dropped.receipt})") for place in absent]
        request = Request(batch.batch_id, batch.count, "accepted", dropped.receipt, dropped.attempts, len(rejected))
        return Settled([request], rejected)

    def _after_a_look(self, chunk: int, places: Sequence[int], lost: Unconfirmed) -> Settled:
        """Settle rows whose answer was lost: those that o9 holds are found, the others are sent again."""
        retry = self._client.profile.retry
        done = Settled()
        for attempt in range(LOOKS):
            self._sleep(min(retry.first_pause_seconds * 2**attempt, retry.longest_pause_seconds))
            absent = self._absent([chunk], places)[chunk]
            held = [place for place in places if place not in set(absent)]
            if held:
                done = done.add(self._found(chunk, held))
            if not absent:
                return done
            batch = self._part(chunk, absent)
            outcome = self._once(batch)
            if not isinstance(outcome, Unconfirmed):
                return done.add(self._settle(chunk, absent, batch, outcome))
            places, lost = absent, outcome
        raise lost

    def _once(self, batch: Batch) -> Outcome:
        [outcome] = self._client.carry(self._o9.measure_group, [batch])
        return outcome

    def _found(self, chunk: int, places: Sequence[int]) -> Settled:
        """Rows that o9 holds though there is no receipt for them."""
        batch = self._part(chunk, places)
        return Settled([Request(batch.batch_id, batch.count, "found", None, 0, 0)])

    def _whole(self, chunks: Sequence[int]) -> dict[int, Batch]:
        """Chunks as they go out, in their order."""
        found = self._con.execute(
            f"SELECT chunk_no, {self._form.row_sql} FROM planned "
            "WHERE chunk_no BETWEEN $1 AND $2 AND list_contains($3, chunk_no) ORDER BY chunk_no, row_no",
            [min(chunks), max(chunks), list(chunks)],
        )
        return {chunk: self._batch(some) for chunk, some in groupby(_fetched(found), key=itemgetter(0))}

    def _part(self, chunk: int, places: Sequence[int]) -> Batch:
        """Some rows of a chunk as they go out."""
        found = self._con.execute(
            f"SELECT chunk_no, {self._form.row_sql} FROM planned "
            "WHERE chunk_no = $1 AND list_contains($2, row_no) ORDER BY row_no",
            [chunk, list(places)],
        )
        return self._batch(_fetched(found))

    def _batch(self, rows: Iterable[tuple[int, str]]) -> Batch:
        form = self._form
        if self._client.profile.carrier == "rest":
            texts = [text for _, text in rows]
            return Batch.of(form.body(texts), len(texts))
        # A file may be of any size: it is written as it is read, and nowhere held in memory.
        return Batch.spooled(form.start, (text for _, text in rows), form.between, form.end)

    def _absent(self, chunks: Sequence[int], places: Sequence[int] | None = None) -> dict[int, list[int]]:
        """For each chunk the places of rows that o9 does not hold as they are to be."""
        among = "" if places is None else "AND list_contains($places, row_no)"
        parameters: dict[str, object] = {"first": min(chunks), "last": max(chunks), "chunks": list(chunks)}
        if places is not None:
            parameters["places"] = list(places)
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE looked_for AS SELECT * FROM planned "
            f"WHERE chunk_no BETWEEN $first AND $last AND list_contains($chunks, chunk_no) {among}",
            parameters,
        ).fetchall()
        [(first, last, items)] = self._con.execute(
            "SELECT min(bucket_start), max(bucket_start), count(DISTINCT item_code) FROM looked_for"
        ).fetchall()
        hold(self._con, "held", self._held(first, last, items), self._o9)
        # A row of nulls is as it is to be when it is not there.
        same = " AND ".join(f"l.{m} IS NOT DISTINCT FROM h.{m}" for m in MEASURES)
        absent = self._con.execute(
            f"""
            SELECT l.chunk_no, list(l.row_no ORDER BY l.row_no) FILTER (WHERE NOT ({same}))
            FROM looked_for AS l
            LEFT JOIN held AS h USING ({", ".join(codes_of(self._o9).values())})
            GROUP BY 1
            """
        ).fetchall()
        return {chunk: list(missing or []) for chunk, missing in absent}

    def _held(self, first: date, last: date, items: int) -> Iterator[list[dict[str, Any]]]:
        """Pages of what o9 holds around the rows that are looked for: by event, by item where there are few, or by
        time alone."""
        group, columns = self._o9.measure_group, {str(name): column for name, column in self._o9.columns.items()}
        if "event" in columns:
            rows = self._con.execute("SELECT DISTINCT event_id FROM looked_for ORDER BY 1").fetchall()
            for some in by_length([row[0] for row in rows], URL_ROOM):
                yield from self._client.facts(group, first=first, last=last, values={columns["event"]: some})
            return
        values: dict[str, Sequence[str]] | None = None
        if items <= FEW_ITEMS:
            rows = self._con.execute("SELECT DISTINCT item_code FROM looked_for ORDER BY 1").fetchall()
            values = {columns["item"]: [row[0] for row in rows]}
        yield from self._client.facts(group, first=first, last=last, values=values)


def _fetched(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, str]]:
    """Rows of a result, fetched as they are needed."""
    while some := found.fetchmany(FETCHED_ROWS):
        yield from some
