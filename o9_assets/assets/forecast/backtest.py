"""Backtest: every method that was tried on a series, at every rolling origin, against what then happened."""

from o9_assets.dataset import Column, Dataset

BACKTEST = Dataset(
    "forecast.backtest",
    "One row per series, method, origin and week of the validation horizon, of the latest cycle.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("method", "string", "Method, such as seasonal_naive", True),
        Column("origin_week_start", "date", "First week not known to the method", True),
        Column("week_start", "date", "Week forecast", True),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the first", True),
        Column("forecast_quantity", "double", "Forecast, base units", True),
        Column("actual_quantity", "double", "Actual demand, base units; null where the week is not known"),
        Column("is_champion", "boolean", "True for the method chosen for the series", True),
        Column("is_reference", "boolean", "True for the series' reference method", True),
    ),
    key=("cycle", "item_code", "location_code", "channel_code", "method", "origin_week_start", "week_start"),
    partition_by=("cycle",),
)
