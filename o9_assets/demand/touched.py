"""Days whose shipments, stock or promotions changed: what new rows say now, and what older versions of them said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from o9_assets.demand.factors import compare_factors
from o9_assets.demand.steps import any_row, table

if TYPE_CHECKING:
    import duckdb

__all__ = ["touched_by_feeds"]


def touched_by_feeds(con: duckdb.DuckDBPyConnection) -> None:
    """Leave the table `fed_days` (date).

    From `new_shipments`, `new_inventory` and `new_promotions`: rows that came, or became void with their object, since
    the last run; the accepted rows of each feed; `unit_factors` and, as the last run used them, `stored_factors`.
    """
    compare_factors(con)
    table(con, "fed_days", "SELECT DISTINCT snapshot_date AS date FROM new_inventory")
    if any_row(con, "new_shipments"):
        con.execute(
            """
            INSERT INTO fed_days
            SELECT ship_date FROM new_shipments
            UNION
            SELECT a.ship_date FROM accepted_shipments AS a
            SEMI JOIN (SELECT shipment_id, shipment_line FROM new_shipments) AS n USING (shipment_id, shipment_line)
            """
        )
    if any_row(con, "changed_items"):
        con.execute(
            """
            INSERT INTO fed_days
            SELECT DISTINCT ship_date FROM accepted_shipments SEMI JOIN changed_items USING (item_code)
            """
        )
    if any_row(con, "new_promotions"):
        con.execute(
            """
            INSERT INTO fed_days
            SELECT DISTINCT d.date
            FROM (
                SELECT start_date, end_date FROM new_promotions
                UNION
                SELECT a.start_date, a.end_date FROM accepted_promotions AS a
                SEMI JOIN (SELECT promotion_id, item_code, location_code FROM new_promotions) AS n
                USING (promotion_id, item_code, location_code)
            ) AS p
            JOIN days AS d ON d.date BETWEEN p.start_date AND p.end_date
            """
        )
