"""Whether what the stream tells and what the order feed tells come to the same, item by item and period by period."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.landing.accepted import accepted_view
from o9_assets.landing.event_datasets import DEMAND_EVENTS
from o9_assets.landing.typing_sql import quoted
from o9_assets.planning.settings import Settings
from o9_assets.resources.lake import Lake, at_least

if TYPE_CHECKING:
    import duckdb

__all__ = ["compare"]

SQL = Path(__file__).with_name("convergence.sql")


def compare(
    con: duckdb.DuckDBPyConnection, settings: Settings, lake: Lake, lines: Dataset, orders: Dataset, *, now: datetime
) -> duckdb.DuckDBPyRelation:
    """The comparison over the days that the settings look back on, as CONVERGENCE declares it.

    `lines` are standing order lines, `orders` the raw order feed, which knows the moment of an order.
    """
    stream = settings.streams["demand_events"]
    how = stream.convergence
    first = datetime.combine(now.date() - timedelta(days=how.days), time())
    accepted_view(con, lake, DEMAND_EVENTS, "demand_events", "all_events")
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM all_events WHERE op = 'D' OR event_at >= "
        f"{_moment(first - timedelta(days=2))}"
    ).fetchall()
    since = at_least("order_date", first.date())
    lake.view(con, "order_lines", lines, where=since)
    lake.view(con, "raw_orders", orders, columns=["object_id", "line", "ordered_at", "order_date"], where=since)
    con.execute(
        "CREATE OR REPLACE TEMP VIEW lines AS SELECT l.item_code, l.uom_code, l.quantity, l.order_date, r.ordered_at "
        "FROM order_lines AS l LEFT JOIN raw_orders AS r ON r.object_id = l.object_id AND r.line = l.line "
        "WHERE l.counts_as = 'orders'"
    ).fetchall()
    zone = quoted(settings.timezone)
    hours = f"date_trunc('hour', timezone({zone}, timezone('UTC', ordered_at)))"
    sql = SQL.read_text(encoding="utf-8").format(
        by=how.by,
        zone=zone,
        unit=quoted(settings.units.missing_uom or settings.units.base_uom),
        counts=how.counts or "true",
        period=hours if how.by == "hour" else "CAST(order_date AS TIMESTAMP)",
        first=_moment(first),
        now=_moment(now),
        after_hours=how.after_hours,
        tolerance=how.tolerance,
        tolerance_quantity=how.tolerance_quantity,
    )
    return con.sql(sql)


def _moment(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"
