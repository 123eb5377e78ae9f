"""What o9 planned in each cycle, kept for ever: statistical forecast, adjustments, consensus, plan.

o9 holds one working view, which the next cycle overwrites; this table is what accuracy by lag is measured against. A
cycle is written once. Other content for it later is an error that tells the difference; the run config
`new_revision: true` adds it beside the first.
"""

from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.raw.o9_forecasts import O9_FORECASTS
from o9_assets.assets.raw.o9_plan import O9_PLAN
from o9_assets.exchange.snapshots import PLAN_SNAPSHOTS
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

__all__ = ["build"]


class SnapshotConfig(dg.Config):
    """What a person can ask for."""

    new_revision: bool = Field(default=False, description="Keep what o9 gives now beside what was kept of the cycle")


def build(settings: Settings) -> list[Any]:
    """The asset, by planning cycle, and its check; where the settings declare a feed of o9's plans."""
    sources = [dataset for dataset in (O9_PLAN, O9_FORECASTS) if dataset.asset_key[-1] in settings.feeds]
    if not sources:
        return []

    @dataset_asset(
        PLAN_SNAPSHOTS,
        kinds={"iceberg"},
        deps=[dataset.asset_key for dataset in sources],
        partitions_def=cycle_partitions(settings),
        check_specs=[
            dg.AssetCheckSpec(
                "cycle_is_kept",
                asset=PLAN_SNAPSHOTS.asset_key,
                description="The cycle has a snapshot, and every label of it is one of the calendar's.",
            )
        ],
    )
    def plan_snapshots(
        context: dg.AssetExecutionContext,
        config: SnapshotConfig,
        lake: LakeResource,
        engine: EngineResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.snapshots import keep_snapshot

        cycle = date.fromisoformat(context.partition_key)
        with engine.open().connect() as con:
            found = keep_snapshot(
                con,
                settings,
                sources,
                cycle,
                lake=lake.open(),
                now=clock.now(),
                new_revision=config.new_revision,
            )
        wrong = [f"no week is called {', '.join(found.unknown_labels[:10])}"] if found.unknown_labels else []
        wrong += [] if found.rows else [f"nothing of the cycle {cycle} has come back from o9"]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": lake.open().row_count(PLAN_SNAPSHOTS),
                "dagster/partition_row_count": found.rows,
                "revision": found.revision,
                "written by this run": found.written,
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=not wrong,
                    check_name="cycle_is_kept",
                    severity=dg.AssetCheckSeverity.WARN,
                    description="; ".join(wrong) or None,
                )
            ],
        )

    return [plan_snapshots]
