"""A delivery of demand history to o9: planned in one commit, sent in chunks, each cell in o9 once.

The order of the commits is what makes a crash harmless: the plan; for each group of chunks the cells that o9 refused,
then the ledger; at the end corrections, then the books. A run that finds a delivery under way ends it first: a chunk
that the ledger lacks is looked up in o9, and sent only where o9 does not hold it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.exchange import lease as leases
from o9_assets.exchange.datasets import CORRECTIONS, DEMAND_EXPORT, KEY, LEDGER, PLANNED, REJECTED
from o9_assets.exchange.lease import Busy, Lease
from o9_assets.exchange.members import create_members, lacking
from o9_assets.exchange.plan import Plan, pending, plan, target
from o9_assets.exchange.sending import Sender, Settled
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, all_of, equal, everything, isin
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["DeliveryReport", "deliver"]

RECEIPTS_TOGETHER = 16
PATIENCE_SECONDS = 30.0


@dataclass
class DeliveryReport:
    """What a run did. `found` requests were in o9 already; `reasons` counts refused cells."""

    delivery_id: str | None = None
    resumed: bool = False
    new: int = 0
    replaced: int = 0
    retracted: int = 0
    rejected: int = 0
    requests: int = 0
    found: int = 0
    members_created: int = 0
    months: set[date] = field(default_factory=set)
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass
class Delivery:
    """What a delivery works with."""

    settings: Settings
    lake: Lake
    engine: Engine
    client: O9Client
    now: datetime
    sleep: Callable[[float], None]
    progress: Callable[[str], None]
    report: DeliveryReport
    lease: Lease


def deliver(
    settings: Settings,
    history: Dataset,
    *,
    lake: Lake,
    engine: Engine,
    client: O9Client,
    now: datetime,
    retry_refused: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda text: None,
) -> DeliveryReport:
    """End a delivery that is under way, then send what changed in `history` since. A second call sends nothing.

    Raises Busy where another export does not end in time, CommitConflict where one was quicker, and o9's errors: what
    was confirmed until then is in the ledger, and the next call goes on from there.
    """
    delivery = Delivery(settings, lake, engine, client, now, sleep, progress, DeliveryReport(), Lease.new())
    interrupted = _wait(delivery)
    if interrupted is not None and interrupted.target == target(settings, client):
        progress(f"delivery {interrupted.delivery_id[:12]} was interrupted and is ended first")
        delivery.report.resumed = True
        _take_over(delivery, interrupted)
        with _releasing(delivery):
            _complete(delivery, interrupted, look_first=True)
    made = plan(
        settings,
        history,
        lake=lake,
        engine=engine,
        client=client,
        now=now,
        lease=delivery.lease,
        retry_refused=retry_refused,
    )
    if made is not None:
        with _releasing(delivery):
            _complete(delivery, made, look_first=False)
    return delivery.report


def _wait(delivery: Delivery) -> Plan | None:
    """The delivery that an earlier run left; one that a living export is at is waited for. Raises Busy."""
    waited = 0.0
    while (found := pending(delivery.lake)) is not None:
        holder = leases.held_by_another(delivery.lake)
        if holder is None:
            return found
        if waited >= PATIENCE_SECONDS:
            raise Busy(f"Another export is under way: {holder}.", remedy="It is waited for again.")
        delivery.sleep(1.0)
        waited += 1.0
    return None


def _take_over(delivery: Delivery, left: Plan) -> None:
    """Make an interrupted delivery ours; of two that try, the lake refuses one."""
    lake = delivery.lake
    with delivery.engine.connect() as con:
        base = lake.view(con, "planned", PLANNED)
        rows = con.sql("SELECT * FROM planned ORDER BY chunk_no, row_no")
        marks = {**left.marks(), "lease": delivery.lease.mark()}
        lake.overwrite(PLANNED, rows, everything(), marks=marks, based_on=base)


@contextmanager
def _releasing(delivery: Delivery) -> Iterator[None]:
    """Give the lease back when something goes wrong; a delivery that ends needs none."""
    try:
        yield
    except BaseException:
        delivery.lease.release(delivery.lake)
        raise


def _complete(delivery: Delivery, planned: Plan, *, look_first: bool) -> None:
    """Send what the ledger lacks, and enter the delivery into the books."""
    lake, report = delivery.lake, delivery.report
    report.delivery_id = planned.delivery_id
    ours = equal("delivery_id", planned.delivery_id)
    with delivery.engine.connect() as con:
        lake.view(con, "planned", PLANNED)
        lake.view(con, "ledger", LEDGER, where=ours)
        for change, cells in con.execute("SELECT change, count(*) FROM planned GROUP BY 1 ORDER BY 1").fetchall():
            delivery.progress(f"{cells:,} cells to send are {change}")
        report.members_created += create_members(con, delivery.settings, delivery.client)
        waiting = [
            row[0]
            for row in con.execute(
                "SELECT DISTINCT chunk_no FROM planned WHERE chunk_no NOT IN (SELECT chunk_no FROM ledger) ORDER BY 1"
            ).fetchall()
        ]
        sender = Sender(con, delivery.settings, delivery.client, delivery.sleep)
        sent, left = 0, iter(waiting)
        while group := list(islice(left, RECEIPTS_TOGETHER)):
            settled, stopped = sender.send(group, look_first=look_first)
            delivery.lease.check(lake)
            _keep_rejected(con, delivery, planned, settled)
            _keep_receipts(delivery, planned, settled)
            if stopped is not None:
                raise stopped
            sent += len(group)
            if len(waiting) > RECEIPTS_TOGETHER:
                delivery.progress(f"{sent:,} of {len(waiting):,} chunks settled")
        _enter(con, delivery, planned)


def _keep_receipts(delivery: Delivery, planned: Plan, settled: dict[int, Settled]) -> None:
    """Commit a group of outcomes; the lease is renewed with it."""
    rows = [
        {
            "delivery_id": planned.delivery_id,
            "chunk_no": chunk,
            **{name: getattr(request, name) for name in request.__slots__},
            "planned_at": planned.planned_at,
            "settled_at": delivery.now,
        }
        for chunk, found in sorted(settled.items())
        for request in found.requests
    ]
    if not rows:
        return
    delivery.report.requests += sum(row["outcome"] != "found" for row in rows)
    delivery.report.found += sum(row["outcome"] == "found" for row in rows)
    table = pa.Table.from_pylist(rows, schema=LEDGER.arrow_schema)
    delivery.lake.append(LEDGER, table, marks={"lease": delivery.lease.mark()})


def _keep_rejected(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan, settled: dict[int, Settled]
) -> None:
    """Keep the refused cells of a group with o9's reason and the members that it lacks.

    They replace what an interrupted run kept of the same chunks, so that a repetition changes nothing.
    """
    lake = delivery.lake
    found = [(chunk, place, reason) for chunk, one in settled.items() for place, reason in one.rejected]
    slice_ = all_of(equal("delivery_id", planned.delivery_id), isin("chunk_no", sorted(settled)))
    if not found:
        if delivery.report.resumed and lake.view(con, "kept", REJECTED, where=slice_) is not None:
            [(count,)] = con.execute("SELECT count(*) FROM kept").fetchall()
            if count:
                lake.overwrite(REJECTED, REJECTED.arrow_schema.empty_table(), slice_)
        return
    chunks, places, reasons = (list(column) for column in zip(*found, strict=True))
    con.register("refusals", pa.table({"chunk_no": chunks, "row_no": places, "reason": reasons}))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE refused_now AS SELECT planned.*, reason FROM planned "
        "INNER JOIN refusals USING (chunk_no, row_no)"
    ).fetchall()
    missing = lacking(con, delivery.settings, delivery.client, "refused_now")
    con.register("missing", _missing_table(missing))
    clauses = " || ".join(
        f"coalesce((SELECT [text] FROM missing WHERE code = '{code}' AND name = refused_now.{code}), [])"
        for code in ("item_code", "location_code", "channel_code", "bucket_label")
    )
    cell = ", ".join(c for c in REJECTED.column_names if c not in ("missing_members", "rejected_at", "resolved_at"))
    rows = con.sql(
        f"SELECT {cell}, "
        "CASE WHEN len(lacks) > 0 THEN '[' || array_to_string(lacks, ',') || ']' END AS missing_members, "
        f"TIMESTAMP '{delivery.now.isoformat()}' AS rejected_at, CAST(NULL AS TIMESTAMP) AS resolved_at "
        f"FROM (SELECT *, {clauses} AS lacks FROM refused_now)"
    ).to_arrow_table()
    lake.overwrite(REJECTED, rows, slice_)
    for reason in reasons:
        delivery.report.reasons[reason] = delivery.report.reasons.get(reason, 0) + 1


def _missing_table(missing: Sequence[tuple[str, str, str]]) -> pa.Table:
    columns: dict[str, list[str]] = {"code": [], "name": [], "text": []}
    for code, dimension, name in missing:
        columns["code"].append(code)
        columns["name"].append(name)
        columns["text"].append(json.dumps([dimension, name], ensure_ascii=False))
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _enter(con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan) -> None:
    """Keep the corrections, and bring the books up to date: the months that the delivery touches, in one commit."""
    lake, report = delivery.lake, delivery.report
    delivery.lease.check(lake)
    ours = equal("delivery_id", planned.delivery_id)
    lake.view(con, "refused_cells", REJECTED, where=ours)
    key = ", ".join(KEY)
    con.execute(f"CREATE TEMP VIEW taken AS SELECT * FROM planned ANTI JOIN refused_cells USING ({key})").fetchall()
    counts = dict(con.execute("SELECT change, count(*) FROM taken GROUP BY 1").fetchall())
    [(rejected,)] = con.execute("SELECT count(*) FROM planned SEMI JOIN refused_cells USING (" + key + ")").fetchall()
    months = [row[0] for row in con.execute("SELECT DISTINCT month_start FROM planned ORDER BY 1").fetchall()]
    buckets = [row[0] for row in con.execute("SELECT DISTINCT bucket_start FROM planned ORDER BY 1").fetchall()]
    report.months.update(months)
    report.new += counts.get("new", 0)
    report.replaced += counts.get("replaced", 0)
    report.retracted += counts.get("retracted", 0)
    report.rejected += rejected
    if counts.keys() - {"new"}:
        columns = ", ".join(CORRECTIONS.column_names[:-1])
        corrected = con.sql(
            f"SELECT {columns}, TIMESTAMP '{planned.planned_at.isoformat()}' AS corrected_at FROM taken "
            f"WHERE change <> 'new' ORDER BY {key}"
        )
        lake.overwrite(CORRECTIONS, corrected, ours)
    _resolve(con, delivery, planned)
    touched = everything() if planned.replaces_all else isin("month_start", months)
    base = lake.view(con, "books", DEMAND_EXPORT, where=isin("month_start", [] if planned.replaces_all else months))
    columns = ", ".join(DEMAND_EXPORT.column_names)
    # A cell that o9 refused stays in the books as it was: that is what o9 still holds.
    rows = con.sql(
        f"SELECT {columns} FROM books ANTI JOIN taken USING ({key}) "
        f"UNION ALL SELECT {columns} FROM taken WHERE change <> 'retracted' ORDER BY {key}"
    )
    marks: dict[str, str | None] = {
        "delivered": planned.delivery_id,
        "months": json.dumps(dict(planned.months), separators=(",", ":")),
        "target": planned.target,
        "last_buckets": json.dumps([bucket.isoformat() for bucket in buckets], separators=(",", ":")),
    }
    lake.overwrite(DEMAND_EXPORT, rows, touched, marks=marks, based_on=base)


def _resolve(con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan) -> None:
    """Cells that o9 refused earlier and that this delivery decided anew stand no longer."""
    lake = delivery.lake
    base = lake.view(con, "all_refused", REJECTED)
    if base is None:
        return
    earlier = f"resolved_at IS NULL AND delivery_id <> '{planned.delivery_id}'"
    decided = "true" if planned.replaces_all else f"({', '.join(KEY)}) IN (SELECT ({', '.join(KEY)}) FROM planned)"
    [(count,)] = con.execute(f"SELECT count(*) FROM all_refused WHERE {earlier} AND {decided}").fetchall()
    if not count:
        return
    stamp = f"TIMESTAMP '{delivery.now.isoformat()}'"
    rows = con.sql(
        f"SELECT * REPLACE (CASE WHEN {earlier} AND {decided} THEN {stamp} ELSE resolved_at END AS resolved_at) "
        "FROM all_refused"
    ).to_arrow_table()
    lake.overwrite(REJECTED, rows, everything(), based_on=base)
