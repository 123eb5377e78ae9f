"""Checks of demand history: sums are those of the lines, the spine is whole, and the latest delivery is in."""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.inputs import known_of, session
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

__all__ = ["build"]


def build(settings: Settings, asset: dg.AssetsDefinition) -> list[Any]:
    """The checks of curated.demand_history."""

    @dg.asset_check(
        asset=asset,
        name="sums_are_those_of_the_lines",
        blocking=True,
        description="Orders, returns and line counts of every item are exactly those of its lines.",
    )
    def sums_are_those_of_the_lines(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
        from o9_assets.assets.curated.order_lines import ORDER_LINES
        from o9_assets.demand.account import differences_of_sums

        room = lake.open()
        with session(engine.open()) as con:
            room.view(con, "lines", ORDER_LINES)
            room.view(con, "history", DEMAND_HISTORY)
            wrong = differences_of_sums(con)
        return dg.AssetCheckResult(
            passed=not wrong,
            description=f"{len(wrong):,} items differ: " + "; ".join(f"{i}: {what}" for i, what in wrong[:5])
            if wrong
            else None,
        )

    @dg.asset_check(
        asset=asset,
        name="spine_is_complete",
        blocking=True,
        description="Every series has each partial week from its first to its last exactly once.",
    )
    def spine_is_complete(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.assets.curated.demand_history import DEMAND_HISTORY

        columns = ["item_code", "location_code", "channel_code", "bucket_start", "days"]
        with session(engine.open()) as con:
            lake.open().view(con, "history", DEMAND_HISTORY, columns=columns)
            # Days add up to the span only where no partial week lacks; none is twice where all starts differ.
            wrong = con.execute(
                """
                SELECT item_code, location_code, channel_code
                FROM history GROUP BY ALL
                HAVING sum(days) <> max(bucket_start + days) - min(bucket_start)
                OR count(*) <> count(DISTINCT bucket_start)
                ORDER BY ALL LIMIT 20
                """
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not wrong,
            description="gap or repetition in " + "; ".join(" · ".join(series) for series in wrong) if wrong else None,
        )

    @dg.asset_check(
        asset=asset,
        name="latest_delivery_is_in",
        description="The last order file that the delivery calendar expects by now is in.",
    )
    def latest_delivery_is_in(lake: LakeResource, engine: EngineResource, clock: ClockResource) -> dg.AssetCheckResult:
        from o9_assets.demand.delivery import overdue_days

        with session(engine.open()) as con:
            known = known_of(con, lake.open(), settings, "erp_orders")
        late = overdue_days(known, clock.now(), settings.timezone)
        return dg.AssetCheckResult(
            passed=not late,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(late)} days are due, the latest of them {late[-1]}" if late else None,
            metadata={
                "last day in": str(known.last or "none"),
                "missing days": ", ".join(map(str, sorted(known.missing)[-50:])) or "none",
            },
        )

    return [sums_are_those_of_the_lines, spine_is_complete, latest_delivery_is_in]
