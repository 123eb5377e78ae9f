"""Events of the stream as o9 holds them: forwarded by REST as they come, each version of an event once.

An event is a cell of its own in o9 (settings, `o9.streaming`), so that one that comes again replaces itself. Requests
go out one after the other, which keeps the order of every key; docs/streams.md tells how a delivery goes.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.raw.demand_events import DEMAND_EVENTS
from o9_assets.exchange.event_datasets import DEAD_EVENTS, FORWARDED
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, O9Resource

__all__ = ["build"]


def build(settings: Settings) -> list[Any]:
    """The asset and its check; nothing where the settings forward no events."""
    if settings.o9.streaming is None:
        return []

    @dataset_asset(FORWARDED, kinds={"iceberg"}, deps=[["raw", "demand_events"]], pool="o9_events")
    def demand_events(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        engine: EngineResource,
        o9: O9Resource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.event_delivery import deliver_events

        room = lake.open()
        with o9.open(settings) as client:
            report = deliver_events(
                settings,
                DEMAND_EVENTS,
                lake=room,
                engine=engine.open(),
                client=client,
                now=clock.now,
                progress=context.log.info,
            )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": room.row_count(FORWARDED),
                "events sent (this run)": report.sent,
                "events taken back (this run)": report.taken_back,
                "events that o9 held already (this run)": report.unchanged,
                "dead events (this run)": report.dead,
                "requests (this run)": report.requests,
                "requests found in o9 already (this run)": report.found,
                "an interrupted delivery was ended": report.resumed,
            }
        )

    @dg.asset_check(
        asset=demand_events,
        name="no_event_is_dead",
        description="Events that were not forwarded for good, by reason, with the quantity that o9 lacks.",
    )
    def no_event_is_dead(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        room = lake.open()
        with engine.open().connect() as con:
            room.view(con, "dead", DEAD_EVENTS)
            room.view(con, "forwarded", FORWARDED, columns=["event_id", "arrived_at"])
            # A later version that o9 took brings the event back to life.
            rows = con.execute(
                "SELECT reason, count(*), coalesce(sum(quantity), 0) FROM dead WHERE NOT EXISTS ("
                "SELECT 1 FROM forwarded WHERE forwarded.event_id = dead.event_id "
                "AND forwarded.arrived_at > dead.arrived_at) GROUP BY 1 ORDER BY 2 DESC, 1"
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{why}: {n:,} events, {float(q):,.10g} units" for why, n, q in rows[:20])
            or "o9 took every event",
            metadata={"dead events": sum(row[1] for row in rows)},
        )

    return [demand_events, no_event_is_dead]
