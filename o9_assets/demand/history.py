"""Demand history: made from every order line, or only the partial weeks that something touched.

The functions work on a DuckDB connection with these views or tables:

    lines                curated.order_lines
    items                curated.items
    accepted_shipments, accepted_inventory, accepted_promotions, conversion_versions
                         accepted rows of the feeds; typed and empty where the company lacks one
    places               location_code, customer_code: the customer that a ship-to location belongs to
    days                 date, bucket_start: every day that can matter
    buckets              bucket_start, bucket_end, days, week_start, month_start, is_complete, shipments_complete
                         (and for `refresh` was_complete, shipments_was_complete)
    known                last_bucket: the partial week of the last delivery (and for `refresh` last_bucket_before:
                         that of the last run); one row

and, for `refresh`, what the last run left and what changed since:

    stored_history       curated.demand_history
    stored_factors       curated.unit_factors of demand_history
    other_days           date: days whose orders changed, or that shall be made anew
    new_shipments, new_inventory, new_promotions
                         rows that came, or became void with their object, since the last run

Both give a query for each month to write, and leave `unit_factors` behind for the caller to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from o9_assets.demand.factors import factors
from o9_assets.demand.queries import query
from o9_assets.demand.steps import among, days_in, table, view
from o9_assets.demand.touched import touched_by_feeds
from o9_assets.failures import Permanent

if TYPE_CHECKING:
    import duckdb

__all__ = ["Refresh", "build", "refresh"]

CELL = (
    "month_start, bucket_start, week_start, item_code, location_code, channel_code, state, orders_quantity, "
    "returns_quantity, shipments_quantity, orders_value, order_line_count, is_complete, out_of_stock_days, "
    "promotion_days, days"
)
SERIES = "item_code, location_code, channel_code"
LARGEST = 10**14


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh makes anew: the months to rewrite, each with the query of its cells, and the partial weeks among
    them that are computed; the others are carried over as they were."""

    months: dict[date, str] = field(default_factory=dict)
    buckets: list[date] = field(default_factory=list)


def build(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> dict[date, str]:
    """Make the whole of demand history: a query for each month."""
    view(con, "counted_lines", "SELECT * FROM lines WHERE counts_as <> 'none'")
    view(con, "shipment_versions", "SELECT * FROM accepted_shipments")
    view(con, "stock_counts", "SELECT * FROM accepted_inventory")
    view(con, "days_to_build", "SELECT date, bucket_start FROM days")
    factors(con, given, "SELECT DISTINCT item_code FROM accepted_shipments")
    view(con, "shipments", query("shipments", given))
    _add_up(con, given)
    view(con, "moved", _moving())
    table(con, "series", query("series", given))
    _sides(con, given)
    every = dict(
        con.execute("SELECT month_start, list(bucket_start) FROM buckets GROUP BY ALL ORDER BY ALL").fetchall()
    )
    return {month: _cells(month, buckets, given) for month, buckets in every.items()}


def refresh(con: duckdb.DuckDBPyConnection, given: Mapping[str, str], *, items_changed: bool = True) -> Refresh:
    """Make the touched partial weeks anew; the result is what `build` would make of everything.

    Touched are those of `other_days` and of what new rows of the feeds tell about, those that are complete now and were
    not (or the other way round), those of items that the master now
    lists on other days (looked for where `items_changed`), and those by which a series became longer or shorter.
    """
    factors(con, given, "SELECT DISTINCT item_code FROM accepted_shipments")
    touched_by_feeds(con)
    touched = set(
        days_in(
            con,
            "SELECT DISTINCT bucket_start FROM days SEMI JOIN (FROM other_days UNION ALL FROM fed_days) USING (date)",
        )
    )
    delivered_otherwise = "is_complete <> was_complete OR shipments_complete <> shipments_was_complete"
    touched |= set(days_in(con, f"SELECT bucket_start FROM buckets WHERE {delivered_otherwise}"))
    if items_changed:
        touched |= set(days_in(con, _listed_otherwise()))
    _movements_of(con, given, touched)
    table(con, "bounds", _bounds(touched, _settled(con, touched)))
    view(
        con,
        "moved",
        f"""
        SELECT {SERIES}, kept_first AS first_bucket, kept_last AS last_bucket FROM bounds WHERE kept_first IS NOT NULL
        UNION ALL
        {_moving()}
        """,
    )
    table(con, "series", query("series", given))
    extended = touched | set(days_in(con, _gained_or_lost()))
    if extended != touched:
        _movements_of(con, given, extended)
    _sides(con, given)
    touched_in = dict(
        con.execute(
            "SELECT month_start, list(bucket_start) FROM buckets "
            f"WHERE {among('bucket_start', extended)} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    )
    months = {
        month: f"""
        SELECT {CELL} FROM stored_history WHERE month_start = DATE '{month}' AND NOT {among("bucket_start", buckets)}
        UNION ALL
        {_cells(month, buckets, given)}
        """
        for month, buckets in touched_in.items()
    }
    return Refresh(months, sorted(extended))


def _moving() -> str:
    """Where something moved: what a series' first and last partial week are told by."""
    return f"""
        SELECT {SERIES}, bucket_start AS first_bucket, bucket_start AS last_bucket
        FROM movements WHERE order_line_count > 0 OR shipments_quantity <> 0
    """


def _movements_of(con: duckdb.DuckDBPyConnection, given: Mapping[str, str], touched: set[date]) -> None:
    """`movements` of the touched partial weeks, read from their days only."""
    view(con, "days_to_build", f"SELECT date, bucket_start FROM days WHERE {among('bucket_start', touched)}")
    days = days_in(con, "SELECT date FROM days_to_build")
    view(con, "counted_lines", f"SELECT * FROM lines WHERE counts_as <> 'none' AND {among('demand_date', days)}")
    view(con, "stock_counts", f"SELECT * FROM accepted_inventory WHERE {among('snapshot_date', days)}")
    view(
        con,
        "shipment_versions",
        f"""
        SELECT a.* FROM accepted_shipments AS a
        SEMI JOIN (
            SELECT shipment_id, shipment_line FROM accepted_shipments WHERE {among("ship_date", days)}
        ) AS k USING (shipment_id, shipment_line)
        """,
    )
    view(con, "shipments", query("shipments", given))
    _add_up(con, given)


def _add_up(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> None:
    """Make `movements`. Raises Permanent where a cell's sum is larger than demand history holds, and names it."""
    import duckdb

    try:
        table(con, "movements", query("movements", given))
    except duckdb.ConversionException as error:
        wide = query("movements", given).replace("DECIMAL(18, 4)", "DECIMAL(38, 4)")
        sums = ("orders_quantity", "returns_quantity", "shipments_quantity", "orders_value")
        largest = f"greatest({', '.join(f'abs({one})' for one in sums)})"
        row = con.execute(
            f"SELECT item_code, location_code, bucket_start, {largest} FROM ({wide}) ORDER BY {largest} DESC LIMIT 1"
        ).fetchone()
        if row is None or row[-1] < LARGEST:
            raise
        item, location, bucket, found = row
        raise Permanent(
            f"What item {item} at {location} sold, sent back, was shipped or cost in the partial week of {bucket} adds "
            f"up to {found:,.0f}: demand history holds 14 digits.",
            remedy="Mend its lines at their source, or give the feed a rule such as `must: abs(quantity) <= 1000000` "
            "and read its object again (docs/landing.md).",
        ) from error


def _sides(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> None:
    """`out_of_stock` and `promotion_days` of the days to build."""
    table(con, "out_of_stock", query("out_of_stock", given))
    table(con, "promotion_days", query("promotion_days", given))


def _cells(month: date, buckets: list[date], given: Mapping[str, str]) -> str:
    """Cells of some partial weeks of a month, as one query."""
    those = f"WHERE {among('bucket_start', buckets)}"
    return f"""
        SELECT {CELL} FROM (
            WITH buckets_to_build AS (SELECT * FROM buckets {those}),
            movements AS (SELECT * FROM temp.movements {those}),
            out_of_stock AS (SELECT * FROM temp.out_of_stock {those}),
            promotion_days AS (SELECT * FROM temp.promotion_days {those})
            SELECT * FROM ({query("demand_history", given)})
        )
    """


def _settled(con: duckdb.DuckDBPyConnection, touched: set[date]) -> date | None:
    """The last partial week before all touched ones that every stored series reaches, and will reach; None of none.

    Every series reaches the last delivery, so it had begun by then if it has a cell there, by a movement that stays.
    """
    before = f"AND bucket_start < DATE '{min(touched)}'" if touched else ""
    [(settled,)] = con.execute(
        "SELECT max(bucket_start) FROM buckets CROSS JOIN known "
        f"WHERE bucket_start <= last_bucket AND bucket_start <= last_bucket_before {before}"
    ).fetchall()
    found: date | None = settled
    return found


def _bounds(touched: set[date], settled: date | None) -> str:
    """First and last partial week of every stored series: as stored, and of what moves outside the touched ones.

    Which week before the settled one was the first makes no difference, so none is read: it stands for them.
    """
    kept = f"(order_line_count > 0 OR shipments_quantity <> 0) AND NOT {among('bucket_start', touched)}"
    since = "true"
    if settled is not None:
        kept = f"({kept} OR bucket_start = DATE '{settled}')"
        since = f"bucket_start >= DATE '{settled}'"
    return f"""
        SELECT
            {SERIES},
            MIN(bucket_start) AS old_first,
            MAX(bucket_start) AS old_last,
            MIN(CASE WHEN {kept} THEN bucket_start END) AS kept_first,
            MAX(CASE WHEN {kept} THEN bucket_start END) AS kept_last
        FROM stored_history
        WHERE {since}
        GROUP BY {SERIES}
    """


def _listed_otherwise() -> str:
    """Partial weeks with a cell whose state says something else about the item's listing than the master does now."""
    return """
        SELECT DISTINCT h.bucket_start
        FROM (
            SELECT DISTINCT
                bucket_start, item_code, CASE WHEN state IN ('not_yet_listed', 'delisted') THEN state END AS listing
            FROM stored_history
            WHERE state NOT IN ('sold', 'missing')
        ) AS h
        JOIN buckets AS b USING (bucket_start)
        LEFT JOIN items AS i USING (item_code)
        WHERE h.listing IS DISTINCT FROM CASE
            WHEN b.bucket_end < i.listed_from_date THEN 'not_yet_listed'
            WHEN b.bucket_start >= i.delisted_from_date THEN 'delisted'
        END
    """


def _gained_or_lost() -> str:
    """Partial weeks that a series has now and had not, or the other way round."""
    return f"""
        SELECT DISTINCT b.bucket_start
        FROM (
            SELECT DISTINCT o.old_first, o.old_last, n.first_bucket, n.last_bucket
            FROM bounds AS o
            FULL JOIN series AS n USING ({SERIES})
            WHERE o.old_first IS DISTINCT FROM n.first_bucket OR o.old_last IS DISTINCT FROM n.last_bucket
        ) AS c
        JOIN buckets AS b ON COALESCE(b.bucket_start BETWEEN c.old_first AND c.old_last, false)
            <> COALESCE(b.bucket_start BETWEEN c.first_bucket AND c.last_bucket, false)
    """
