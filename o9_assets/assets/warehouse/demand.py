"""Demand facts by week: the sums of the partial weeks of curated demand history."""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.warehouse.items import ITEMS
from o9_assets.assets.warehouse.loading import AGREES, MEMBERS, checks
from o9_assets.assets.warehouse.locations import LOCATIONS
from o9_assets.assets.warehouse.weeks import WEEKS
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource, WarehouseResource

DEMAND = Dataset(
    "warehouse.demand",
    "One row per item, location, channel and week. A measure is the sum of what is known of the week, null where "
    "nothing is; `is_complete` says whether all of it is.",
    (
        Column("week_start", "date", "First day of the week", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Planning location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column(
            "state", "string", "missing where any part is; else sold, out_of_stock, true_zero, ... of its parts", True
        ),
        Column("orders_quantity", "decimal(18,4)", "Ordered, base units, without returns"),
        Column("returns_quantity", "decimal(18,4)", "Returned, base units, negative"),
        Column("shipments_quantity", "decimal(18,4)", "Shipped, base units; null without a shipment feed"),
        Column("orders_value", "decimal(18,4)", "Value of orders, company currency"),
        Column("order_line_count", "int64", "Order lines behind orders and returns", True),
        Column("is_complete", "boolean", "Every object that the delivery calendar expects is in", True),
        Column("out_of_stock_days", "int32", "Days without stock; null without an inventory feed"),
        Column("promotion_days", "int32", "Days on promotion; null without a promotion feed"),
        Column("days", "int32", "Days of the week that history has", True),
    ),
    key=("week_start", "item_code", "location_code", "channel_code"),
)
SOURCE = """
SELECT
    week_start, item_code, location_code, channel_code,
    -- The state that decides what a reader may conclude from the week's numbers.
    ['missing', 'sold', 'out_of_stock', 'true_zero', 'not_yet_listed', 'delisted'][
        min(list_position(['missing', 'sold', 'out_of_stock', 'true_zero', 'not_yet_listed', 'delisted'], state))
    ] AS state,
    sum(orders_quantity) AS orders_quantity,
    sum(returns_quantity) AS returns_quantity,
    sum(shipments_quantity) AS shipments_quantity,
    sum(orders_value) AS orders_value,
    sum(order_line_count) AS order_line_count,
    bool_and(is_complete) AS is_complete,
    sum(out_of_stock_days) AS out_of_stock_days,
    sum(promotion_days) AS promotion_days,
    sum(days) AS days
FROM demand_history
GROUP BY week_start, item_code, location_code, channel_code
"""
TOTALS = """
SELECT
    count(DISTINCT (week_start, item_code, location_code, channel_code)) AS cells,
    sum(orders_quantity) AS orders_quantity,
    sum(returns_quantity) AS returns_quantity,
    sum(shipments_quantity) AS shipments_quantity,
    sum(orders_value) AS orders_value,
    sum(order_line_count) AS order_line_count,
    sum(days) AS days
FROM {}
"""


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        DEMAND,
        kinds={"duckdb"},
        deps=[DEMAND_HISTORY.asset_key, ITEMS.asset_key, LOCATIONS.asset_key, WEEKS.asset_key],
        pool="warehouse",
        check_specs=checks(DEMAND, AGREES, MEMBERS),
    )
    def demand(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        from o9_assets.assets.warehouse.loading import fill, lacking

        file = warehouse.open()
        with engine.open().connect() as con, file.attached(con):
            lake.open().view(con, "demand_history", DEMAND_HISTORY)
            return fill(
                con,
                file,
                DEMAND,
                SOURCE,
                by="week_start",
                lake_totals=TOTALS.format("demand_history"),
                warehouse_totals=TOTALS.format("warehouse.demand"),
                lacking=lacking("warehouse.demand"),
            )

    return [demand]
