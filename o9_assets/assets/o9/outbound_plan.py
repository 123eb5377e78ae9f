"""o9's plan of a cycle: o9 computes it from what it holds and drops it as a file into the landing zone.

The file is taken in like any other source (raw/o9_plan); this asset only asks for it and sees that it came.
"""

from datetime import date
from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.failures import Passing
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import O9Resource, ZoneResource

__all__ = ["OUTBOUND_PLAN", "build"]

PATIENCE_SECONDS = 60.0

OUTBOUND_PLAN = Dataset(
    "o9.outbound_plan",
    "One file for each cycle in the landing zone; one row of it is a cell of o9's plan.",
    (Column("object_name", "string", "The file below the landing zone's root", True),),
)


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle."""

    @dataset_asset(
        OUTBOUND_PLAN, kinds={"file"}, deps=[["o9", "demand_export"]], partitions_def=cycle_partitions(settings)
    )
    def outbound_plan(context: dg.AssetExecutionContext, o9: O9Resource, zone: ZoneResource) -> dg.MaterializeResult:
        cycle = date.fromisoformat(context.partition_key)
        with o9.open(settings) as client:
            run = client.start_pipeline(
                client.profile.plan_pipeline,
                {
                    "Cycle": cycle.isoformat(),
                    "MeasureGroup": settings.o9.measure_group,
                    "Measure": settings.o9.measures["orders_quantity"],
                    "PlanMeasure": settings.o9.plan_measures[0],
                    "Weeks": settings.forecast.horizon_weeks,
                },
            )
        prefix = f"o9/outbound/{cycle.isoformat()}"
        found = [entry for entry in zone.open().list("o9/outbound/") if entry.name.startswith(prefix)]
        if not found:
            raise Passing(
                f"o9 ran {run}, and no file {prefix}* is in the landing zone yet.", remedy="It is looked for again."
            )
        return dg.MaterializeResult(
            metadata={
                "o9 run": run,
                "files": [entry.name for entry in found],
                "bytes": sum(entry.size_bytes for entry in found),
            }
        )

    return [outbound_plan]
