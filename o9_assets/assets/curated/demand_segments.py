"""Segments of series: ABC by value, XYZ by variation, and the demand class by ADI and CV²."""

from o9_assets.dataset import Column, Dataset

DEMAND_SEGMENTS = Dataset(
    "curated.demand_segments",
    "One row per item, location and channel with its segment, over the window that the settings name.",
    (
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Location; ALL where forecasts are by item", True),
        Column("channel_code", "string", "Channel; ALL where forecasts are without", True),
        Column("abc_class", "string", "A, B or C by cumulative share of value (cut-offs in the settings)", True),
        Column("xyz_class", "string", "X, Y or Z by coefficient of variation of weekly demand", True),
        Column("demand_class", "string", "smooth, erratic, intermittent, lumpy, or new (too few weeks)", True),
        Column("adi_weeks", "double", "Average interval between weeks with demand, weeks"),
        Column("cv2", "double", "Squared coefficient of variation of non-zero weekly demand"),
        Column("value_share", "double", "Share of total value, 0..1"),
        Column("week_count", "int64", "Known weeks in the window", True),
    ),
    key=("item_code", "location_code", "channel_code"),
)
