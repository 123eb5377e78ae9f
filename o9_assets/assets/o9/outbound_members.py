"""o9's masters by its API: the members of its dimensions with their attributes, as o9 has them at a cycle.

What o9 answers is dropped as one file into the landing zone, where raw/o9_members takes it in.
"""

from datetime import date
from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import O9Resource, ZoneResource

__all__ = ["OUTBOUND_MEMBERS", "build"]

OUTBOUND_MEMBERS = Dataset(
    "o9.outbound_members",
    "One file for each cycle in the landing zone; one row of it is a member.",
    (Column("object_name", "string", "The file below the landing zone's root", True),),
)


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle, where the settings declare the feed o9_members."""
    if "o9_members" not in settings.feeds:
        return []

    @dataset_asset(
        OUTBOUND_MEMBERS, kinds={"file"}, deps=[["o9", "demand_export"]], partitions_def=cycle_partitions(settings)
    )
    def outbound_members(context: dg.AssetExecutionContext, o9: O9Resource, zone: ZoneResource) -> dg.MaterializeResult:
        from o9_assets.exchange.fetching import fetch_members

        cycle = date.fromisoformat(context.partition_key)
        with o9.open(settings) as client:
            found = fetch_members(settings, cycle, client=client, zone=zone.open())
        return dg.MaterializeResult(metadata={"file": found.name, "dagster/row_count": found.rows})

    return [outbound_members]
