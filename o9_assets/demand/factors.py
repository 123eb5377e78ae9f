"""Unit factors of every item that counts: what `unit_factors.sql` makes of masters, orders and conversions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from o9_assets.demand.queries import query
from o9_assets.demand.steps import table, view

if TYPE_CHECKING:
    import duckdb

__all__ = ["FACTOR", "compare_factors", "factors"]

FACTOR = "item_code, uom_code, valid_from_date, valid_to_date, factor, is_set_aside"


def factors(con: duckdb.DuckDBPyConnection, given: Mapping[str, str], items_named: str) -> None:
    """Leave the table `unit_factors` and the view `set_aside_items`.

    From the views `conversion_versions` and `items`, and the query `items_named` of the items that rows name, of which
    no master may know.
    """
    table(
        con,
        "planning_items",
        f"""
        SELECT
            n.item_code,
            COALESCE(i.base_uom_code, {given["base_uom"]}) AS base_uom_code,
            {given["sets_aside"]} AND NOT COALESCE(i.in_master, false) AS is_set_aside
        FROM ({items_named} UNION SELECT item_code FROM items) AS n
        LEFT JOIN items AS i USING (item_code)
        """,
    )
    table(
        con,
        "unit_factors",
        f"""
        SELECT f.*, i.is_set_aside FROM ({query("unit_factors", given)}) AS f
        JOIN planning_items AS i USING (item_code)
        """,
    )
    view(con, "set_aside_items", "SELECT item_code FROM planning_items WHERE is_set_aside")


def compare_factors(con: duckdb.DuckDBPyConnection) -> None:
    """Leave the table `changed_items`: items of `stored_factors` that are converted otherwise now, or are no longer.

    One that was not known is no such item.
    """
    table(
        con,
        "changed_items",
        f"""
        SELECT DISTINCT item_code
        FROM (
            (SELECT {FACTOR} FROM stored_factors EXCEPT SELECT {FACTOR} FROM unit_factors)
            UNION ALL
            (SELECT {FACTOR} FROM unit_factors EXCEPT SELECT {FACTOR} FROM stored_factors)
        )
        SEMI JOIN stored_factors USING (item_code)
        """,
    )
