"""The series that pictures show: the one whose orders were worth most in the last year of demand history."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["KEY", "most_valuable"]

KEY = ("item_code", "location_code", "channel_code")


def most_valuable(
    con: "duckdb.DuckDBPyConnection", grain: Sequence[str] = ("item", "location", "channel"), *, among: str = ""
) -> tuple[str, str, str] | None:
    """Item, location and channel of that series, ALL for what `grain` leaves out; None where there is none.

    Reads the view `history` of curated.demand_history; `among` names a relation with the KEY columns, the only series
    to choose from. The last year, since an item that was delisted long ago says little today; quantity decides where
    prices lack.
    """
    keys = ", ".join(
        f"history.{column} AS {column}" if column.removesuffix("_code") in grain else f"'ALL' AS {column}"
        for column in KEY
    )
    rows = con.execute(
        f"""
        WITH sums AS (
            SELECT {keys}, sum(orders_value) AS value, sum(orders_quantity) AS quantity
            FROM history
            WHERE bucket_start > (SELECT max(bucket_start) FROM history WHERE state = 'sold') - INTERVAL 1 YEAR
            GROUP BY ALL
        )
        SELECT {", ".join(KEY)} FROM sums {f"SEMI JOIN {among} USING ({', '.join(KEY)})" if among else ""}
        ORDER BY coalesce(value, 0) DESC, coalesce(quantity, 0) DESC, {", ".join(KEY)} LIMIT 1
        """
    ).fetchall()
    return (str(rows[0][0]), str(rows[0][1]), str(rows[0][2])) if rows else None
