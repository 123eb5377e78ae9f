"""Every dataset of the platform in the order of the flow: the table of contents of this folder.

A raw dataset is there when the company's settings declare its feed or stream, and so is what is curated from data of
others (sell-out, drivers); everything else always is.
"""

from types import ModuleType
from typing import Any

from o9_assets.assets.curated import (
    demand_history,
    demand_segments,
    drivers,
    event_convergence,
    items,
    locations,
    order_lines,
    sell_out,
    sell_out_coverage,
)
from o9_assets.assets.forecast import backtest, predictions
from o9_assets.assets.lake import cycle_close, maintenance, quarantine
from o9_assets.assets.landing import transfers
from o9_assets.assets.o9 import demand_events as o9_demand_events
from o9_assets.assets.o9 import (
    demand_export,
    outbound_files,
    outbound_forecasts,
    outbound_members,
    outbound_plan,
    plan_snapshots,
    reconciliation,
)
from o9_assets.assets.raw import (
    data_exchange_drivers,
    data_exchange_products,
    data_exchange_sell_out,
    demand_events,
    erp_items,
    erp_locations,
    erp_orders,
    erp_shipments,
    inventory,
    item_transitions,
    o9_forecasts,
    o9_members,
    o9_plan,
    promotions,
    uom_conversions,
)
from o9_assets.assets.warehouse import accuracy as warehouse_accuracy
from o9_assets.assets.warehouse import demand as warehouse_demand
from o9_assets.assets.warehouse import forecast as warehouse_forecast
from o9_assets.assets.warehouse import items as warehouse_items
from o9_assets.assets.warehouse import locations as warehouse_locations
from o9_assets.assets.warehouse import weeks as warehouse_weeks
from o9_assets.planning.settings import Settings, check

__all__ = ["FEEDS", "STREAMS", "build"]

FEEDS: dict[str, ModuleType] = {
    "erp_orders": erp_orders,
    "erp_items": erp_items,
    "erp_locations": erp_locations,
    "erp_shipments": erp_shipments,
    "inventory": inventory,
    "uom_conversions": uom_conversions,
    "promotions": promotions,
    "item_transitions": item_transitions,
    "data_exchange_sell_out": data_exchange_sell_out,
    "data_exchange_drivers": data_exchange_drivers,
    "data_exchange_products": data_exchange_products,
    "o9_plan": o9_plan,
    "o9_forecasts": o9_forecasts,
    "o9_members": o9_members,
}

STREAMS: dict[str, ModuleType] = {"demand_events": demand_events}

DATASETS: tuple[ModuleType, ...] = (
    quarantine,
    items,
    locations,
    order_lines,
    event_convergence,
    demand_history,
    demand_segments,
    sell_out,
    sell_out_coverage,
    drivers,
    backtest,
    predictions,
    demand_export,
    o9_demand_events,
    outbound_plan,
    outbound_forecasts,
    outbound_members,
    outbound_files,
    plan_snapshots,
    reconciliation,
    warehouse_items,
    warehouse_locations,
    warehouse_weeks,
    warehouse_demand,
    warehouse_forecast,
    warehouse_accuracy,
    cycle_close,
    maintenance,
)


def build(settings: Settings, *, movers: bool = False) -> list[Any]:
    """The assets and asset checks of a company; `movers` says whether its transfers can be started.

    Raises SettingsError with every setting that contradicts another one, or the dataset that it is for.
    """
    check(settings, {name: getattr(module, name.upper()) for name, module in FEEDS.items()})
    modules = [module for name, module in FEEDS.items() if name in settings.feeds]
    modules += [module for name, module in STREAMS.items() if name in settings.streams]
    datasets = [thing for module in (*modules, *DATASETS) for thing in module.build(settings)]
    return [*transfers.build(settings, movers=movers), *datasets]
