"""The location dimension of the warehouse, with its history: a report by region joins the current rows, or those that
held in the week."""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.locations import LOCATIONS as CURATED
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.warehouse.loading import AGREES, checks
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

LOCATIONS = Dataset(
    "warehouse.locations",
    "One row per location and period of unchanged attributes; `is_current` marks the one that holds now.",
    CURATED.columns,
    key=CURATED.key,
)
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
                "FROM curated_locations",
                lake_totals=TOTALS.format("curated_locations"),
                warehouse_totals=TOTALS.format("warehouse.locations"),
            )

    return [locations]
