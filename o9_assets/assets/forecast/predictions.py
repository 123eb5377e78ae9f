"""Predictions: the champion's forecast with quantiles, by week."""

from o9_assets.dataset import Column, Dataset

PREDICTIONS = Dataset(
    "forecast.predictions",
    "One row per series and future week: mean and quantiles of the method that won its backtest.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("week_start", "date", "Week forecast", True),
        Column("lag_weeks", "int32", "Weeks ahead, 1 being the first", True),
        Column("method", "string", "Champion", True),
        Column("mean_quantity", "double", "Mean, base units", True),
        Column("p10_quantity", "double", "10 % quantile, base units", True),
        Column("p50_quantity", "double", "Median, base units", True),
        Column("p90_quantity", "double", "90 % quantile, base units", True),
    ),
    key=("cycle", "item_code", "location_code", "channel_code", "week_start"),
    partition_by=("cycle",),
)
