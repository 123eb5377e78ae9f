"""Deliveries of events: what came into raw/demand_events since the last one, to o9, each version of an event once.

The commits are those of a delivery of history: the plan before the first request, receipts in the ledger, what o9 took
last. A run that finds a delivery under way ends it first, and asks o9 about every request that has no receipt.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.exchange.datasets import LEDGER
from o9_assets.exchange.event_datasets import DEAD_EVENTS, FORWARDED, PLANNED_EVENTS
from o9_assets.exchange.events import as_cells, event_settings, event_view
from o9_assets.exchange.members import create_members
from o9_assets.exchange.plan import target
from o9_assets.exchange.sending import Sender, Settled
from o9_assets.landing.accepted import accepted_view
from o9_assets.landing.datasets import MANIFEST
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import CommitConflict, Lake, all_of, at_least, equal, everything, isin, nothing
from o9_assets.resources.o9 import O9Client, O9Error

if TYPE_CHECKING:
    import duckdb

__all__ = ["EventReport", "deliver_events"]

TOGETHER = 500_000
"""Events of one delivery, by and large; there is another one where more wait."""
MOVES = timedelta(days=31)
"""An event may move from so many days before its new day; what stood on an older one is not looked for."""
DEAD, KNOWN = -1, -2
"""In place of a chunk: events that cannot be sent, and versions that say nothing new."""
NEW_EVENTS = Path(__file__).with_name("new_events.sql")


@dataclass
class EventReport:
    """What a run did. `dead` events were not taken for good; `found` requests were in o9 already."""

    deliveries: int = 0
    sent: int = 0
    taken_back: int = 0
    unchanged: int = 0
    dead: int = 0
    requests: int = 0
    found: int = 0
    resumed: bool = False
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A planned delivery of events, as its marks say: events of ingests up to `seq`. `anew`: what was forwarded so far
    went to another place and is forgotten. `based_on` is the snapshot of what was forwarded until then."""

    delivery_id: str
    planned_at: datetime
    target: str
    seq: int
    anew: bool
    based_on: int | None

    def marks(self) -> dict[str, str | None]:
        return {
            "delivery": self.delivery_id,
            "planned_at": self.planned_at.isoformat(),
            "target": self.target,
            "seq": str(self.seq),
            "anew": "yes" if self.anew else None,
        }


def deliver_events(
    settings: Settings,
    events: Dataset,
    *,
    lake: Lake,
    engine: Engine,
    client: O9Client,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda text: None,
) -> EventReport:
    """Forward what is new in `events`, delivery by delivery, until nothing is. A second call sends nothing.

    Raises CommitConflict where another run delivers as well, and o9's errors: what was confirmed is in the ledger.
    """
    goal = target(event_settings(settings), client)
    work = _Work(settings, events, lake, client, now, sleep, progress, EventReport(), goal)
    with engine.connect() as con:
        if (left := work.pending()) is not None:
            work.report.resumed = True
            work.take_up(con, left)
            work.complete(con, left, look_first=True)
    while True:
        with engine.connect() as con:
            made = work.plan(con)
            if made is None:
                return work.report
            work.complete(con, made, look_first=False)


@dataclass
class _Work:
    """What deliveries of one run work with."""

    settings: Settings
    events: Dataset
    lake: Lake
    client: O9Client
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    progress: Callable[[str], None]
    report: EventReport
    goal: str

    def pending(self) -> Plan | None:
        """The delivery that was planned and is not settled."""
        held = self.lake.snapshot_id(FORWARDED)
        marks = self.lake.marks(PLANNED_EVENTS)
        if "delivery" not in marks or marks["target"] != self.goal:
            return None
        if self.lake.marks(FORWARDED).get("delivered") == marks["delivery"]:
            return None
        planned_at = datetime.fromisoformat(marks["planned_at"])
        return Plan(marks["delivery"], planned_at, marks["target"], int(marks["seq"]), "anew" in marks, held)

    def take_up(self, con: duckdb.DuckDBPyConnection, left: Plan) -> None:
        """Register the events of a delivery as `planned_events`. Raises CommitConflict where another run went on."""
        self.lake.view(con, "planned_events", PLANNED_EVENTS)
        # Asked again after the events: those of another plan must not be taken for the events of this one.
        if self.pending() != left:
            raise CommitConflict("Another run went on with it.", remedy="Run it again: it ends what is left.")

    def plan(self, con: duckdb.DuckDBPyConnection) -> Plan | None:
        """Plan what is new, in one commit; None where nothing is to be done."""
        while True:
            base, held = self.lake.snapshot_id(PLANNED_EVENTS), self.lake.snapshot_id(FORWARDED)
            if self.pending() is not None:
                raise CommitConflict(
                    "Another run has planned events meanwhile.", remedy="Run it again: it ends that one first."
                )
            marks = self.lake.marks(FORWARDED)
            same = marks.get("target") == self.goal
            after = int(marks["seq"]) if same else 0
            if (upto := self._upto(after)) is None:
                return None
            accepted_view(con, self.lake, self.events, "demand_events", "new_raw", after_seq=after, upto_seq=upto)
            self._compare(con, held if same else None)
            seen, rows, known = con.execute(
                "SELECT (SELECT count(*) FROM new_raw), count(*), count(*) FILTER (WHERE NOT is_sent) FROM planned_now"
            ).fetchall()[0]
            self.report.unchanged += max(0, seen - rows + known)
            now = self.now()
            seed = json.dumps([self.goal, after, upto, now.isoformat(), base])
            made = Plan(hashlib.sha256(seed.encode()).hexdigest(), now, self.goal, upto, not same, held)
            if rows:
                self._write(con, made, base)
                return made
            none = FORWARDED.arrow_schema.empty_table()
            seen_to: dict[str, str | None] = {"target": self.goal, "seq": str(upto)}
            slice_ = nothing() if same else everything()
            self.lake.overwrite(FORWARDED, none, slice_, marks=seen_to, based_on=held)

    def _compare(self, con: duckdb.DuckDBPyConnection, held: int | None) -> None:
        """Make the table `planned_now`: versions of events that o9 is to get, or that cannot be sent. `held` is the
        snapshot of what the same place was forwarded."""
        event_view(con, self.settings, "new_raw", "cells")
        [(oldest, tombstones)] = con.execute(
            "SELECT (SELECT min(event_date) FROM cells), count(*) FILTER (WHERE event_at IS NULL) FROM new_raw"
        ).fetchall()
        # An event goes on standing on its day unless a version moves it; a tombstone does not say which day that is.
        where = None if tombstones or oldest is None else at_least("event_date", oldest - MOVES)
        where = nothing() if held is None else where
        self.lake.view(con, "forwarded", FORWARDED, where=where, snapshot_id=held)
        con.execute(f"CREATE OR REPLACE TEMP TABLE planned_now AS {NEW_EVENTS.read_text(encoding='utf-8')}").fetchall()

    def _write(self, con: duckdb.DuckDBPyConnection, made: Plan, base: int | None) -> None:
        size = self.client.profile.batch_size
        columns = ", ".join(c for c in PLANNED_EVENTS.column_names if c not in ("delivery_id", "chunk_no", "row_no"))
        rows = con.sql(
            f"SELECT {columns}, '{made.delivery_id}' AS delivery_id, "
            f"CASE kind WHEN 0 THEN place // {size} ELSE kind END AS chunk_no, "
            f"CASE kind WHEN 0 THEN place % {size} ELSE place END AS row_no "
            "FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY arrived_at, line, event_id, part) - 1 "
            f"AS place FROM (SELECT *, CASE WHEN reason IS NOT NULL THEN {DEAD} WHEN NOT is_sent THEN {KNOWN} ELSE 0 "
            "END AS kind FROM planned_now)) ORDER BY chunk_no, row_no"
        )
        self.lake.overwrite(PLANNED_EVENTS, rows, everything(), marks=made.marks(), based_on=base)
        self.lake.view(con, "planned_events", PLANNED_EVENTS)

    def _upto(self, after: int) -> int | None:
        """The ingest up to which the next delivery goes; None where there is none."""
        listed = self.lake.read(
            MANIFEST, columns=["feed", "ingest_seq", "accepted_rows"], where=equal("feed", "demand_events")
        )
        rows: dict[int, int] = {}
        for seq, accepted in zip(listed["ingest_seq"].to_pylist(), listed["accepted_rows"].to_pylist(), strict=True):
            if seq > after:
                rows[seq] = rows.get(seq, 0) + accepted
        total, upto = 0, None
        for seq in sorted(rows):
            if upto is not None and total + rows[seq] > TOGETHER:
                break
            total, upto = total + rows[seq], seq
        return upto

    def complete(self, con: duckdb.DuckDBPyConnection, planned: Plan, *, look_first: bool) -> None:
        """Send what the ledger lacks, request after request so that every key keeps its order, and settle it."""
        self.lake.view(con, "ledger", LEDGER, where=equal("delivery_id", planned.delivery_id))
        con.execute(
            "CREATE OR REPLACE TEMP VIEW to_send AS SELECT * FROM planned_events WHERE chunk_no >= 0"
        ).fetchall()
        as_cells(con, "to_send")
        self._keep_unsent(con, planned)
        waiting = con.execute(
            "SELECT DISTINCT chunk_no FROM planned WHERE chunk_no NOT IN (SELECT chunk_no FROM ledger) ORDER BY 1"
        ).fetchall()
        if waiting:
            create_members(con, self.settings, self.client)
        sender = Sender(con, event_settings(self.settings), self.client, self.sleep)
        stopped: O9Error | None = None
        found: dict[int, Settled] = {}
        for (chunk,) in waiting:
            settled, stopped = sender.send([chunk], look_first=look_first)
            found |= settled
            if stopped is not None:
                break
        self._keep_refused(con, planned, found)
        self._keep_receipts(planned, found)
        if stopped is not None:
            raise stopped
        self._enter(con, planned)

    def _keep_unsent(self, con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
        reasons = con.execute(f"SELECT reason FROM planned_events WHERE chunk_no = {DEAD}").fetchall()
        if reasons:
            columns = ", ".join(c for c in DEAD_EVENTS.column_names if c != "refused_at")
            rows = con.sql(
                f"SELECT {columns}, {_stamp(self.now())} AS refused_at FROM planned_events WHERE chunk_no = {DEAD}"
            ).to_arrow_table()
            self._bury(planned, [DEAD], rows)

    def _keep_refused(self, con: duckdb.DuckDBPyConnection, planned: Plan, found: dict[int, Settled]) -> None:
        rejected = [(chunk, place, reason) for chunk, one in found.items() for place, reason in one.rejected]
        if not rejected:
            if self.report.resumed and found:  # what an interrupted run was refused may be taken by now
                self._bury(planned, sorted(found), DEAD_EVENTS.arrow_schema.empty_table())
            return
        chunks, places, reasons = (list(column) for column in zip(*rejected, strict=True))
        con.register("refusals", pa.table({"chunk_no": chunks, "row_no": places, "reason": reasons}))
        columns = ", ".join(c for c in DEAD_EVENTS.column_names if c not in ("reason", "refused_at"))
        rows = con.sql(
            f"SELECT {columns}, refusals.reason, {_stamp(self.now())} AS refused_at FROM planned_events "
            "JOIN refusals USING (chunk_no, row_no)"
        ).to_arrow_table()
        con.unregister("refusals")
        self._bury(planned, sorted(found), rows)

    def _bury(self, planned: Plan, chunks: list[int], rows: pa.Table) -> None:
        """Keep dead events; a repetition after a crash replaces them."""
        where = all_of(equal("delivery_id", planned.delivery_id), isin("chunk_no", chunks))
        self.lake.overwrite(DEAD_EVENTS, rows, where)
        self.report.dead += rows.num_rows
        for reason in rows["reason"].to_pylist():
            self.report.reasons[reason] = self.report.reasons.get(reason, 0) + 1

    def _keep_receipts(self, planned: Plan, found: dict[int, Settled]) -> None:
        rows = [
            {
                "delivery_id": planned.delivery_id,
                "chunk_no": chunk,
                **{name: getattr(request, name) for name in request.__slots__},
                "planned_at": planned.planned_at,
                "settled_at": self.now(),
            }
            for chunk, one in sorted(found.items())
            for request in one.requests
        ]
        if rows:
            self.report.requests += sum(row["outcome"] != "found" for row in rows)
            self.report.found += sum(row["outcome"] == "found" for row in rows)
            self.lake.append(LEDGER, pa.Table.from_pylist(rows, schema=LEDGER.arrow_schema))

    def _enter(self, con: duckdb.DuckDBPyConnection, planned: Plan) -> None:
        """What o9 took, and that the delivery is settled, in one commit."""
        self.lake.view(con, "dead", DEAD_EVENTS, where=equal("delivery_id", planned.delivery_id))
        columns = ", ".join(c for c in FORWARDED.column_names if c != "accepted_at")
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE taken AS SELECT {columns}, {_stamp(self.now())} AS accepted_at "
            # Of an event that moved, one of its two cells may be refused.
            "FROM to_send ANTI JOIN dead USING (event_id, bucket_start, item_code, location_code, channel_code) "
            # The row that takes the old cell back is a version of it only where the new cell was refused.
            "QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY quantity IS NULL) = 1 "
            # A version that said nothing new is remembered: one that comes late must not win over it.
            f"UNION ALL SELECT {columns}, {_stamp(self.now())} FROM planned_events WHERE chunk_no = {KNOWN}"
        ).fetchall()
        sent, gone = con.execute(
            "SELECT count(*) FILTER (WHERE quantity IS NOT NULL), count(*) FILTER (WHERE quantity IS NULL) FROM taken "
            f"WHERE event_id NOT IN (SELECT event_id FROM planned_events WHERE chunk_no = {KNOWN})"
        ).fetchall()[0]
        self.lake.overwrite(
            FORWARDED,
            con.sql("SELECT * FROM taken ORDER BY event_id"),
            everything() if planned.anew else equal("delivery_id", planned.delivery_id),
            marks=self._settled(planned),
            based_on=planned.based_on,
        )
        self.report.deliveries += 1
        self.report.sent += sent
        self.report.taken_back += gone
        self.progress(f"{sent + gone:,} events forwarded")

    @staticmethod
    def _settled(planned: Plan) -> dict[str, str | None]:
        return {"delivered": planned.delivery_id, "target": planned.target, "seq": str(planned.seq)}


def _stamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"
