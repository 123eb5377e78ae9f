"""Whether numbers agree end to end: source → raw → lines → history → sent → held in o9, and held → returned.

Every stage is summed and hashed by measure, period and level; two neighbours that differ are told row by row, with a
cause where one is known: a member that o9 lacks, a correction that waits, a partial week that is not complete. A run
compares what something touched since the last one, and everything as often as the settings say or a person asks.
docs/reconciliation.md explains stages, classes and cost.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.inputs import FEEDS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.o9 import reconciliation_report as told
from o9_assets.assets.raw.o9_forecasts import O9_FORECASTS
from o9_assets.assets.raw.o9_members import O9_MEMBERS
from o9_assets.assets.raw.o9_plan import O9_PLAN
from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, O9Resource

if TYPE_CHECKING:
    from o9_assets.exchange.reconciliation.run import Inputs

__all__ = ["BREAKS", "RECONCILIATION", "build"]

RETURNED = {"o9_plan": O9_PLAN, "o9_forecasts": O9_FORECASTS, "o9_members": O9_MEMBERS}


class ReconciliationConfig(dg.Config):
    """What a person can ask for."""

    full: bool = Field(default=False, description="Compare every period, and read all of o9 back")


def inputs(settings: Settings) -> "Inputs":
    """The datasets of the stages, for the feeds that the company has."""
    from o9_assets.exchange.reconciliation.run import Inputs

    known = {name: dataset for name, dataset in {**FEEDS, **RETURNED}.items() if name in settings.feeds}
    return Inputs(known, ORDER_LINES, DEMAND_HISTORY)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""
    severity = dg.AssetCheckSeverity(settings.reconciliation.severity.upper())
    returned = [dataset.asset_key for name, dataset in RETURNED.items() if name in settings.feeds]

    @dataset_asset(RECONCILIATION, kinds={"iceberg"}, deps=[["o9", "demand_export"], *returned], pool="o9_delivery")
    def reconciliation(
        context: dg.AssetExecutionContext,
        config: ReconciliationConfig,
        lake: LakeResource,
        engine: EngineResource,
        o9: O9Resource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.reconciliation.run import reconcile

        room, opened = lake.open(), engine.open()
        with o9.open(settings) as client:
            found = reconcile(
                settings,
                inputs(settings),
                lake=room,
                engine=opened,
                client=client,
                now=clock.now(),
                full=config.full,
                progress=context.log.info,
            )
        for note in found.notes:
            context.log.warning(note)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": room.row_count(RECONCILIATION),
                "slices compared (this run)": found.slices,
                "everything was compared": found.full,
                **({"not compared": "; ".join(found.notes)} if found.notes else {}),
                **told.metadata(room, opened),
            }
        )

    @dg.asset_check(
        asset=reconciliation,
        name="numbers_agree",
        blocking=True,
        description="No stage differs from the one before it by more than a cause explains or the settings tolerate.",
    )
    def numbers_agree(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        return told.agreement(lake.open(), engine.open(), severity)

    @dg.asset_check(
        asset=reconciliation,
        name="members_are_in_o9",
        description="Members that o9's masters lack, each with the volume that planning does not see because of it.",
    )
    def members_are_in_o9(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        return told.members(lake.open(), engine.open())

    return [reconciliation, numbers_agree, members_are_in_o9]
