"""raw → lines: the latest version of every order line, found anew from raw rows, against curated.order_lines.

Both are in the unit of the order, so the comparison needs no factor and no rule of the settings.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.exchange.reconciliation.comparing import Step, add, compare
from o9_assets.landing.accepted import accepted_view
from o9_assets.resources.lake import Lake, isin

if TYPE_CHECKING:
    import duckdb

__all__ = ["compare_lines", "slice_of"]

STEPS = (Step("raw", "lines"),)
MEASURE = "ordered_quantity"


def slice_of(month: date) -> str:
    return f"lines {month:%Y-%m}"


def compare_lines(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    orders: Dataset,
    lines: Dataset,
    months: set[date] | None,
    levels: tuple[str, ...],
) -> set[str]:
    """Compare months of orders, or all of them; returns the slices."""
    accepted_view(con, lake, orders, "erp_orders", "accepted")
    lake.view(con, "lines", lines, where=None if months is None else isin("order_month", months))
    month = "CAST(date_trunc('month', order_date) AS DATE)"
    among = "true"
    if months is not None:
        listed = ", ".join(f"DATE '{m}'" for m in sorted(months))
        among = f"list_contains([{listed}], {month})"
        # Only lines with a version in these months; a line that moved away from one has its latest elsewhere.
        con.execute(
            "CREATE OR REPLACE TEMP VIEW versions AS SELECT * FROM accepted SEMI JOIN "
            f"(SELECT DISTINCT order_id, order_line FROM accepted WHERE {among}) USING (order_id, order_line)"
        ).fetchall()
    else:
        con.execute("CREATE OR REPLACE TEMP VIEW versions AS SELECT * FROM accepted").fetchall()
    # Versions in the order in which curated.order_lines takes them.
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE latest AS
        SELECT {month} AS period_start, coalesce(item_code, 'UNKNOWN') AS item_code, order_id, order_line, quantity,
            object_name, line
        FROM versions
        QUALIFY op <> 'D' AND {among} AND row_number() OVER (
            PARTITION BY order_id, order_line
            ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
        ) = 1
        """
    ).fetchall()
    row = (
        "'lines ' || strftime(period_start, '%Y-%m') AS slice, period_start, "
        "strftime(period_start, '%Y-%m') AS period_label, item_code, '' AS location_code, '' AS channel_code, "
        "concat(order_id, '/', order_line) AS detail, "
        "concat(object_name, CASE WHEN line IS NOT NULL THEN ', record ' || line END) AS origin, "
        f"quantity AS {MEASURE}"
    )
    add(con, "raw", f"SELECT {row} FROM latest", [MEASURE])
    add(con, "lines", f"SELECT {row} FROM (SELECT *, order_month AS period_start FROM lines)", [MEASURE])
    slices = {row[0] for row in con.execute("SELECT DISTINCT slice FROM stage_rows").fetchall()}
    # A month that holds nothing any more was compared as well: what was told of it no longer holds.
    slices |= {slice_of(month) for month in months or ()}
    compare(con, STEPS, [level for level in levels if level == "item"])
    return slices
