"""The item dimension of the warehouse: what reports group and filter items by."""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.items import ITEMS as CURATED
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.warehouse.loading import AGREES, checks
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

ITEMS = Dataset(
    "warehouse.items",
    "One row per item.",
    (
        Column("item_code", "string", "Item", True),
        Column("item_name", "string", "Text"),
        Column("brand_name", "string", "Brand"),
        Column("category_name", "string", "Category"),
        Column("base_uom_code", "string", "Unit that quantities are in"),
        Column("list_price", "decimal(18,4)", "List price per base unit, company currency"),
        Column("listed_from_date", "date", "First day on which it can be ordered"),
        Column("delisted_from_date", "date", "First day on which it can no longer be ordered"),
        Column("successor_item_code", "string", "Item that replaces it in the end"),
        Column("succeeded_from_date", "date", "First day on which the direct successor is ordered"),
        Column("in_master", "boolean", "False where only orders name the item", True),
    ),
    key=("item_code",),
)
TOTALS = (
    "SELECT count(*) AS items, count(*) FILTER (in_master) AS items_in_master, sum(list_price) AS list_prices FROM {}"
)


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        ITEMS,
        kinds={"duckdb"},
        deps=[CURATED.asset_key],
        pool="warehouse",
        check_specs=checks(ITEMS, AGREES),
    )
    def items(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        from o9_assets.assets.warehouse.loading import fill

        file = warehouse.open()
        with engine.open().connect() as con, file.attached(con):
            lake.open().view(con, "curated_items", CURATED)
            return fill(
                con,
                file,
                ITEMS,
                "FROM curated_items",
                lake_totals=TOTALS.format("curated_items"),
                warehouse_totals=TOTALS.format("warehouse.items"),
            )

    return [items]
