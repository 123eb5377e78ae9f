"""o9's plan of a cycle: o9 computes it from what it holds and drops it as a file into the landing zone.

The file is taken in like any other source (raw/o9_plan); this asset only asks for it and sees that it came.
"""

from datetime import date
from typing import Any

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.failures import Permanent
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import LakeResource, O9Resource, ZoneResource

__all__ = ["OUTBOUND_PLAN", "build"]

OUTBOUND_PLAN = Dataset(
    "o9.outbound_plan",
    "One file for each cycle in the landing zone; one row of it is a cell of o9's plan.",
    (Column("object_name", "string", "The file below the landing zone's root", True),),
)


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle."""

    @dataset_asset(
        OUTBOUND_PLAN,
        kinds={"file"},
        deps=[["o9", "demand_export"]],
        partitions_def=cycle_partitions(settings),
        check_specs=[
            dg.AssetCheckSpec(
                "plan_is_new",
                asset=OUTBOUND_PLAN.asset_key,
                description="A file came since o9 was asked. Where the cycle was planned before, none comes if the "
                "plan is the same.",
            )
        ],
    )
    def outbound_plan(
        context: dg.AssetExecutionContext, lake: LakeResource, o9: O9Resource, zone: ZoneResource
    ) -> dg.MaterializeResult:
        from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
        from o9_assets.exchange.outbound import ask_for_plan

        if not lake.open().row_count(DEMAND_HISTORY):
            raise Permanent(
                "There is no demand history yet, so o9 has nothing to plan from.",
                remedy="Land order files and run the job `refresh`; then run this again.",
            )
        cycle = date.fromisoformat(context.partition_key)
        with o9.open(settings) as client:
            found = ask_for_plan(settings, cycle, client=client, zone=zone.open(), progress=context.log.info)
        return dg.MaterializeResult(
            metadata={
                "o9 run": found.run,
                "files": [entry.name for entry in found.files],
                "bytes": sum(entry.size_bytes for entry in found.files),
                "seconds until the file came": round(found.seconds, 1),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="plan_is_new",
                    passed=found.is_new,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=None
                    if found.is_new
                    else "The file of the cycle is the one that was there before: o9's plan is the same, or it has not "
                    "come yet. When it comes, the landing sensor has it taken in.",
                )
            ],
        )

    return [outbound_plan]
