"""o9's forecasts of a cycle by its API: statistical, adjustments, consensus, as facts or by an IBPL query.

What o9 answers is dropped as one file into the landing zone, where raw/o9_forecasts takes it in.
"""

from datetime import date
from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import O9Resource, ZoneResource

__all__ = ["OUTBOUND_FORECASTS", "build"]

OUTBOUND_FORECASTS = Dataset(
    "o9.outbound_forecasts",
    "One file for each cycle in the landing zone; one row of it is a cell and a measure's value.",
    (Column("object_name", "string", "The file below the landing zone's root", True),),
)


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle, where the settings declare the feed o9_forecasts."""
    if "o9_forecasts" not in settings.feeds:
        return []

    @dataset_asset(
        OUTBOUND_FORECASTS, kinds={"file"}, deps=[["o9", "outbound_plan"]], partitions_def=cycle_partitions(settings)
    )
    def outbound_forecasts(
        context: dg.AssetExecutionContext, o9: O9Resource, zone: ZoneResource
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.fetching import fetch_forecasts

        cycle = date.fromisoformat(context.partition_key)
        with o9.open(settings) as client:
            found = fetch_forecasts(settings, cycle, client=client, zone=zone.open())
        return dg.MaterializeResult(metadata={"file": found.name, "dagster/row_count": found.rows})

    return [outbound_forecasts]
