"""A delivery of demand history to o9: planned in one commit, sent in requests, each cell in o9 once.

The order of the commits is what makes a crash harmless. First the planned cells, then the ledger (from then on the
delivery is under way), then receipts in groups, then the books. A run that finds a delivery under way ends it first: a
request without a receipt is looked up in o9, and sent only where o9 does not hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.exchange.datasets import DEMAND_EXPORT, LEDGER, PLANNED, REJECTED
from o9_assets.exchange.rows import MEASURES, chunk_id, member_rows, o9_row, series_of, time_member
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, equal, isin
from o9_assets.resources.o9 import O9Client, Receipt

__all__ = ["DeliveryReport", "deliver"]

DIFF = Path(__file__).with_name("diff.sql")
RECEIPTS_TOGETHER = 16


@dataclass
class DeliveryReport:
    """What a delivery did. Cells changed since the last one are sent; `found` requests were in o9 already."""

    delivery_id: str | None = None
    resumed: bool = False
    cells_sent: int = 0
    cells_retracted: int = 0
    cells_rejected: int = 0
    requests: int = 0
    found: int = 0
    members_created: int = 0
    months: set[date] = field(default_factory=set)
    reasons: dict[str, int] = field(default_factory=dict)


def deliver(
    settings: Settings,
    history: Dataset,
    *,
    lake: Lake,
    engine: Engine,
    client: O9Client,
    now: datetime,
    progress: Callable[[str], None] = lambda text: None,
) -> DeliveryReport:
    """End a delivery that is under way, then send what changed in `history` since. A second call sends nothing."""
    report = DeliveryReport()
    under_way = _under_way(lake)
    if under_way is not None:
        report.resumed = True
        progress(f"delivery {under_way[:12]} was interrupted and is ended first")
        _complete(
            settings, under_way, lake=lake, client=client, now=now, report=report, look_first=True, progress=progress
        )
    snapshot = str(lake.snapshot_id(history))
    mark = f"{snapshot}:{settings.hash}"
    if lake.marks(DEMAND_EXPORT).get("history") == mark:
        return report
    planned = _plan(settings, history, lake, engine, client.profile.batch_size, now)
    if planned is None:
        lake.append(DEMAND_EXPORT, DEMAND_EXPORT.arrow_schema.empty_table(), marks={"history": mark})
        return report
    _complete(settings, planned, lake=lake, client=client, now=now, report=report, look_first=False, progress=progress)
    lake.append(DEMAND_EXPORT, DEMAND_EXPORT.arrow_schema.empty_table(), marks={"history": mark})
    return report


def _under_way(lake: Lake) -> str | None:
    """The delivery that was planned and is not in the books yet."""
    planned = lake.marks(LEDGER).get("planned")
    return planned if planned and planned != lake.marks(DEMAND_EXPORT).get("delivered") else None


def _plan(
    settings: Settings, history: Dataset, lake: Lake, engine: Engine, batch_size: int, now: datetime
) -> str | None:
    """Plan the delivery of what changed; its id, or None where nothing did."""
    measures = {m: f"history.{m}" if m in settings.o9.measures else "CAST(NULL AS DECIMAL(18,4))" for m in MEASURES}
    with engine.connect() as con:
        lake.view(con, "demand_history", history)
        lake.view(con, "books", DEMAND_EXPORT)
        [(first, last)] = con.execute(
            "SELECT min(bucket_start), max(bucket_start) FROM "
            "(SELECT bucket_start FROM demand_history UNION ALL SELECT bucket_start FROM books)"
        ).fetchall()
        if first is None:
            return None
        con.register("buckets", Calendar(settings.calendar).buckets_table(first, last))
        cells = con.sql(DIFF.read_text(encoding="utf-8").format(**measures)).to_arrow_table()
    if not cells.num_rows:
        return None
    chunks = [cells.slice(start, batch_size) for start in range(0, cells.num_rows, batch_size)]
    ids = [chunk_id(o9_row(cell, settings.o9) for cell in chunk.to_pylist()) for chunk in chunks]
    # Equal changes at another time are another delivery: the moment is part of its id.
    delivery = chunk_id([{"chunks": ids, "planned_at": now.isoformat()}])
    numbers = pa.array([n // batch_size for n in range(cells.num_rows)], pa.int64())
    planned = cells.append_column("delivery_id", pa.array([delivery] * cells.num_rows)).append_column(
        "chunk_no", numbers
    )
    lake.overwrite(PLANNED, planned.select(PLANNED.column_names), isin("delivery_id", [delivery]))
    ledger = [
        {"delivery_id": delivery, "chunk_no": n, "chunk_id": ident, "row_count": chunk.num_rows, "planned_at": now}
        for n, (ident, chunk) in enumerate(zip(ids, chunks, strict=True))
    ]
    lake.overwrite(
        LEDGER,
        pa.Table.from_pylist(ledger, schema=LEDGER.arrow_schema),
        equal("delivery_id", delivery),
        marks={"planned": delivery},
    )
    return delivery


def _complete(
    settings: Settings,
    delivery: str,
    *,
    lake: Lake,
    client: O9Client,
    now: datetime,
    report: DeliveryReport,
    look_first: bool,
    progress: Callable[[str], None],
) -> None:
    """Send what has no receipt yet, keep the receipts, and enter the delivery into the books."""
    planned = lake.read(PLANNED, where=equal("delivery_id", delivery)).sort_by(
        [("chunk_no", "ascending"), *((name, "ascending") for name in PLANNED.key[1:])]
    )
    entries = lake.read(LEDGER, where=equal("delivery_id", delivery)).sort_by("chunk_no").to_pylist()
    cells: dict[int, list[dict[str, Any]]] = {}
    for cell in planned.to_pylist():
        cells.setdefault(cell["chunk_no"], []).append(cell)
    report.delivery_id = delivery
    report.members_created += _members(settings, planned, client)
    waiting = [entry for entry in entries if entry["receipt"] is None]
    if look_first and waiting:
        held = _held(settings, client, [cell for entry in waiting for cell in cells[entry["chunk_no"]]])
        for entry in waiting:
            rows = [o9_row(cell, settings.o9) for cell in cells[entry["chunk_no"]]]
            if all(_same(row, held.get(series_of(row, settings.o9)), settings) for row in rows):
                entry.update(receipt="found", sent_at=now, attempts=0, rejected_count=0)
                report.found += 1
        _keep(lake, delivery, entries)
        waiting = [entry for entry in waiting if entry["receipt"] is None]
    group = settings.o9.measure_group
    for start in range(0, len(waiting), RECEIPTS_TOGETHER):
        together = waiting[start : start + RECEIPTS_TOGETHER]
        batches = [(e["chunk_id"], [o9_row(cell, settings.o9) for cell in cells[e["chunk_no"]]]) for e in together]
        receipts = client.send_facts(group, batches)
        refused = []
        for entry, receipt in zip(together, receipts, strict=True):
            refused += _settle(entry, receipt, cells[entry["chunk_no"]], now, report)
        if refused:
            lake.append(REJECTED, pa.Table.from_pylist(refused, schema=REJECTED.arrow_schema))
        _keep(lake, delivery, entries)
        progress(f"{min(start + RECEIPTS_TOGETHER, len(waiting)):,} of {len(waiting):,} requests sent")
    report.requests += len(entries)
    _enter(delivery, planned, lake, report)


def _settle(
    entry: dict[str, Any], receipt: Receipt, cells: list[dict[str, Any]], now: datetime, report: DeliveryReport
) -> list[dict[str, Any]]:
    entry.update(receipt=receipt.receipt, sent_at=now, attempts=receipt.attempts, rejected_count=len(receipt.rejected))
    refused = []
    for place, reason in receipt.rejected:
        cell = {name: value for name, value in cells[place].items() if name != "chunk_no"}
        refused.append({**cell, "reason": reason, "rejected_at": now})
        report.reasons[reason] = report.reasons.get(reason, 0) + 1
    return refused


def _keep(lake: Lake, delivery: str, entries: list[dict[str, Any]]) -> None:
    """Commit the receipts so far."""
    table = pa.Table.from_pylist(entries, schema=LEDGER.arrow_schema)
    lake.overwrite(LEDGER, table, equal("delivery_id", delivery))


def _members(settings: Settings, planned: pa.Table, client: O9Client) -> int:
    """Create the members that o9 lacks; time reaches as far ahead as the forecast does. Returns how many."""
    if not client.profile.create_members:
        return 0
    columns, made = settings.o9.columns, 0
    wanted = {"item": "item_code", "location": "location_code", "channel": "channel_code"}
    for name, column in wanted.items():
        if name in columns:
            dimension = columns[name].split(".[")[0]
            names = set(planned[column].unique().to_pylist())
            missing = sorted(names - client.members(dimension))
            made += client.create_members(dimension, member_rows(missing)) if missing else 0
    starts = planned["bucket_start"].to_pylist()
    ahead = timedelta(weeks=settings.forecast.horizon_weeks + 6)
    buckets = Calendar(settings.calendar).buckets(min(starts), max(starts) + ahead)
    dimension = columns["time"].split(".[")[0]
    held = client.members(dimension)
    missing_time = [time_member(b.bucket_label, b.start, b.end) for b in buckets if b.bucket_label not in held]
    return made + (client.create_members(dimension, missing_time) if missing_time else 0)


def _held(
    settings: Settings, client: O9Client, cells: Iterable[dict[str, Any]]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """What o9 holds in the buckets of the cells, by series and label."""
    starts = [cell["bucket_start"] for cell in cells]
    pages = client.facts(settings.o9.measure_group, first=min(starts), last=max(starts))
    return {series_of(row, settings.o9): row for page in pages for row in page}


def _same(row: dict[str, Any], held: dict[str, Any] | None, settings: Settings) -> bool:
    """Whether o9 holds the row as it is to be; a row of nulls is held when it is not there."""
    return all(_decimal(row[name]) == _decimal((held or {}).get(name)) for name in settings.o9.measures.values())


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value)).quantize(Decimal("0.0001"))


def _enter(delivery: str, planned: pa.Table, lake: Lake, report: DeliveryReport) -> None:
    """Bring the books up to date with the delivery: rewrite the months that it touches, in one commit."""
    import duckdb

    months = sorted(set(planned["month_start"].to_pylist()))
    report.months.update(months)
    with duckdb.connect(":memory:") as con:
        base = lake.view(con, "books", DEMAND_EXPORT, where=isin("month_start", months))
        lake.view(con, "rejected", REJECTED, where=equal("delivery_id", delivery))
        con.register("planned", planned)
        key = ", ".join(DEMAND_EXPORT.key)
        con.execute(f"CREATE TEMP TABLE taken AS SELECT * FROM planned ANTI JOIN rejected USING ({key})").fetchall()
        empty = " AND ".join(f"{measure} IS NULL" for measure in MEASURES)
        rows = con.execute(
            f"SELECT count(*) FILTER (WHERE NOT ({empty})), count(*) FILTER (WHERE {empty}) FROM taken"
        ).fetchall()
        columns = ", ".join(DEMAND_EXPORT.column_names)
        books = con.sql(
            f"SELECT {columns} FROM books ANTI JOIN taken USING ({key}) "
            f"UNION ALL SELECT {columns} FROM taken WHERE NOT ({empty}) ORDER BY {key}"
        )
        lake.overwrite(DEMAND_EXPORT, books, isin("month_start", months), marks={"delivered": delivery}, based_on=base)
    report.cells_sent += rows[0][0]
    report.cells_retracted += rows[0][1]
    report.cells_rejected += planned.num_rows - rows[0][0] - rows[0][1]
    lake.overwrite(PLANNED, PLANNED.arrow_schema.empty_table(), equal("delivery_id", delivery))
