"""The days and partial weeks that demand history is made for, with what is known of each."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from o9_assets.demand.delivery import Known
    from o9_assets.planning.calendar import Calendar

__all__ = ["calendar_tables"]


def calendar_tables(
    con: duckdb.DuckDBPyConnection,
    calendar: Calendar,
    first: date,
    last: date,
    *,
    orders: Known,
    shipments: Known,
    orders_before: Known | None = None,
    shipments_before: Known | None = None,
) -> None:
    """Leave the tables `days`, `buckets` and `known` from the partial week of `first` to that of `last`.

    A partial week is complete when everything that is expected to tell about one of its days is in; `was_complete`
    says the same of what was known before, where that is given, and `known` has the partial week of the last delivery
    now and then.
    """
    import pyarrow as pa

    weeks = calendar.buckets_table(first, last).select(
        ["bucket_start", "bucket_end", "days", "week_start", "month_start"]
    )
    starts, ends = weeks["bucket_start"].to_pylist(), weeks["bucket_end"].to_pylist()
    days = calendar.days_table(starts[0], ends[-1]).select(["date", "bucket_start"])
    in_bucket = list(zip(days["date"].to_pylist(), days["bucket_start"].to_pylist(), strict=True))
    for name, feed in {
        "is_complete": orders,
        "shipments_complete": shipments,
        "was_complete": orders_before or orders,
        "shipments_was_complete": shipments_before or shipments,
    }.items():
        unknown = {start for day, start in in_bucket if not feed.holds(day)}
        weeks = weeks.append_column(name, pa.array([start not in unknown for start in starts]))
    last_days = {"last_bucket": orders.last, "last_bucket_before": orders_before.last if orders_before else None}
    known = pa.table(
        {name: pa.array([calendar.bucket_start(day) if day else None], pa.date32()) for name, day in last_days.items()}
    )
    for name, rows in (("days", days), ("buckets", weeks), ("known", known)):
        con.register(f"{name}__arrow", rows)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM {name}__arrow").fetchall()
        con.unregister(f"{name}__arrow")
