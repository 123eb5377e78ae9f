"""The location dimension of the warehouse, with its history: a report by region joins the current rows, or those that
held in the week. Periods are days in the company's time zone, without gap from 1900 to 9999, so that no join loses a
row: the first period reaches back to before the master knew the location."""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.locations import LOCATIONS as CURATED
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.warehouse.loading import AGREES, checks
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

LOCATIONS = Dataset(
    "warehouse.locations",
    "One row per location and period of unchanged attributes; `is_current` marks the one that holds now.",
    (
        Column("location_code", "string", "Location", True),
        Column("period_number", "int32", "1 for the location's first period", True),
        Column("valid_from_date", "date", "First day of the period", True),
        Column("valid_to_date", "date", "First day after it", True),
        Column("is_current", "boolean", "True for the period that holds now", True),
        Column("location_name", "string", "Text"),
        Column("customer_code", "string", "Customer or account"),
        Column("region_name", "string", "Sales region"),
        Column("country_code", "string", "Country"),
        Column("channel_code", "string", "Sales channel"),
        Column("in_master", "boolean", "False where only orders name the location", True),
    ),
    key=("location_code", "period_number"),
)
SOURCE = """
SELECT
    location_code,
    row_number() OVER periods AS period_number,
    -- The attributes of a day are those of its end: a day with two changes has the later ones.
    CASE WHEN row_number() OVER periods = 1 THEN DATE '1900-01-01'
        ELSE CAST(timezone('{zone}', timezone('UTC', valid_from_at)) AS DATE) END AS valid_from_date,
    coalesce(CAST(timezone('{zone}', timezone('UTC', lead(valid_from_at) OVER periods)) AS DATE), DATE '9999-12-31')
        AS valid_to_date,
    is_current, location_name, customer_code, region_name, country_code, channel_code, in_master
FROM curated_locations
WINDOW periods AS (PARTITION BY location_code ORDER BY valid_from_at)
"""
TOTALS = (
    "SELECT count(*) AS periods, count(DISTINCT location_code) AS locations, "
    "count(*) FILTER (is_current) AS current_periods FROM {}"
)


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        LOCATIONS,
        kinds={"duckdb"},
        deps=[CURATED.asset_key],
        pool="warehouse",
        check_specs=checks(LOCATIONS, AGREES),
    )
    def locations(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        from o9_assets.assets.warehouse.loading import fill

        file = warehouse.open()
        with engine.open().connect() as con, file.attached(con):
            lake.open().view(con, "curated_locations", CURATED)
            return fill(
                con,
                file,
                LOCATIONS,
                SOURCE.format(zone=settings.timezone),
                lake_totals=TOTALS.format("curated_locations"),
                warehouse_totals=TOTALS.format("warehouse.locations"),
            )

    return [locations]
