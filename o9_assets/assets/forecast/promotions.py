"""Promotion days of the weeks to come, for methods that know what a promotion does."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from o9_assets.forecasting.series import Series
    from o9_assets.resources.lake import Lake

__all__ = ["promotions_ahead"]


def promotions_ahead(
    con: duckdb.DuckDBPyConnection, settings: Settings, lake: Lake, series: Series, first: date, last: date
) -> pd.DataFrame:
    """unique_id, ds (week's first day) and promotion_days from `first` (a week's first day) to `last`; weeks without a
    promotion are left out. Empty where the company declares no promotions.

    They are counted as demand history counts them and brought to the forecast grain as weekly.sql brings them, over the
    views `demand_history` and `successors`: what a method learned must mean the same ahead.
    """
    import pandas as pd

    from o9_assets.assets.curated.inputs import feed_view
    from o9_assets.demand.parameters import parameters
    from o9_assets.demand.queries import query
    from o9_assets.resources.lake import equal

    if "promotions" not in settings.feeds:
        return pd.DataFrame(
            {
                "unique_id": pd.Series(dtype=str),
                "ds": pd.Series(dtype="datetime64[ns]"),
                "promotion_days": pd.Series(dtype=float),
            }
        )
    feed_view(con, lake, settings, "promotions", "accepted_promotions")
    lake.view(con, "places", LOCATIONS, where=equal("is_current", True))
    con.register("series_keys", series.keys)
    frame = con.execute(
        f"""
        WITH sold AS (SELECT DISTINCT item_code, location_code FROM demand_history),
        series AS (  -- a successor is sold where its predecessor was
            FROM sold UNION SELECT successor_item_code, location_code FROM sold JOIN successors USING (item_code)
        ),
        days_to_build AS (
            SELECT CAST(day AS DATE) AS date, $first + 7 * CAST((date - $first) // 7 AS INTEGER) AS bucket_start
            FROM generate_series($first, $last, INTERVAL 1 DAY) AS days(day)
        )
        SELECT
            keys.unique_id, CAST(bucket_start AS TIMESTAMP) AS ds, CAST(max(promotion_days) AS DOUBLE) AS promotion_days
        FROM ({query("promotion_days", parameters(settings))}) AS promoted
        LEFT JOIN successors USING (item_code)
        JOIN series_keys AS keys ON keys.item_code = coalesce(successor_item_code, promoted.item_code)
            AND keys.location_code IN (promoted.location_code, 'ALL')
        GROUP BY ALL ORDER BY ALL
        """,
        {"first": first, "last": last},
    ).df()
    return frame.astype({"ds": "datetime64[ns]"})
