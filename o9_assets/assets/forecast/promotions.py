"""Promotion days of the weeks to come, for methods that know what a promotion does."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from o9_assets.assets.raw.promotions import PROMOTIONS
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
    promotion are left out. Empty where the company declares no promotions."""
    import pandas as pd

    from o9_assets.landing.accepted import accepted_view

    if "promotions" not in settings.feeds:
        return pd.DataFrame(
            {
                "unique_id": pd.Series(dtype=str),
                "ds": pd.Series(dtype="datetime64[ns]"),
                "promotion_days": pd.Series(dtype=float),
            }
        )
    accepted_view(con, lake, PROMOTIONS, "promotions", "promotions")
    con.register("series_keys", series.keys)
    frame = con.execute(
        """
        WITH latest AS (
            SELECT * FROM promotions
            QUALIFY row_number() OVER (
                PARTITION BY promotion_id, item_code, location_code
                ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC
            ) = 1
        ),
        days AS (
            SELECT DISTINCT keys.unique_id, CAST(day AS DATE) AS day
            FROM latest
            JOIN series_keys AS keys ON keys.item_code = latest.item_code
                AND (latest.location_code = '*' OR keys.location_code IN (latest.location_code, 'ALL')),
                unnest(generate_series(greatest(start_date, $first), least(end_date, $last), INTERVAL 1 DAY)) AS t(day)
            WHERE op <> 'D' AND start_date <= $last AND end_date >= $first
        )
        SELECT unique_id, CAST($first + 7 * CAST((day - $first) // 7 AS INTEGER) AS TIMESTAMP) AS ds,
               CAST(count(*) AS DOUBLE) AS promotion_days
        FROM days GROUP BY ALL ORDER BY ALL
        """,
        {"first": first, "last": last},
    ).df()
    return frame.astype({"ds": "datetime64[ns]"})
