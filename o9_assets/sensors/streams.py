"""Asks for raw/demand_events when its stream holds records beyond the manifest's positions.

What a tick compares is the broker's word (the age of what waits, or its newest offset) with the manifest, so nothing
depends on the cursor, which only keeps a tick from asking again for what a run is already at.
"""

from datetime import timedelta

import dagster as dg

from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, LakeResource, StreamsResource

__all__ = ["build"]

BUDGET_SECONDS = 30.0
"""Dagster gives a tick up after a minute, and the last look may take some of it. Partitions that a tick did not come to
are looked at first by the next one."""
QUIET = timedelta(hours=12)
"""A partition that was quiet for so long is looked at, so that it is on record that nothing was missed."""


def build(settings: Settings, *, running: bool) -> list[dg.SensorDefinition]:
    """The sensor, where the settings declare a stream."""
    if "demand_events" not in settings.streams:
        return []
    stream = settings.streams["demand_events"]
    key = dg.AssetKey(["raw", "demand_events"])

    @dg.sensor(
        name="stream_lag",
        target=dg.AssetSelection.assets(key),
        description=f"Asks for raw/demand_events when {stream.kind} {stream.name} holds records that are not in yet.",
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
    )
    def stream_lag(
        context: dg.SensorEvaluationContext, streams: StreamsResource, lake: LakeResource, clock: ClockResource
    ) -> dg.SensorResult:
        import time

        from o9_assets.landing.requests import Memory, decide
        from o9_assets.landing.streaming import places

        memory = Memory.loads(context.cursor)
        with streams.open(stream) as reader:
            held = places(lake.open(), "demand_events", reader.name)
            positions = {name: place.position for name, place in held.items()}
            look = reader.lag(positions, seconds=BUDGET_SECONDS, begin_with=memory.begin_with)
            quiet = {
                name
                for name, place in held.items()
                if clock.now() - place.read_until > QUIET and not reader.ended(place.position)
            }
        lags = look.found
        for name, trouble in look.troubles.items():
            context.log.warning(f"{name} is looked at again at the next tick: {trouble}")
        waiting = sorted({name for name, lag in lags.items() if lag.waiting} | (quiet & set(lags)))
        # What is asked for changes with the positions, and with what waits.
        ids = [f"{name}@{held[name].position if name in held else 'start'}" for name in waiting]
        before = memory.asked.get("demand_events")
        request, asked = decide("demand_events", ids, before, time.time())
        if asked is None and (look.left or look.troubles):
            asked = before  # a part of the partitions says nothing about what was asked for the others
        cursor = Memory({} if asked is None else {"demand_events": asked}, begin_with=look.left).dumps()
        if request is None:
            return dg.SensorResult(skip_reason="nothing new in the stream, or a run is at it", cursor=cursor)
        behind = max((lag.behind for lag in lags.values() if lag.behind is not None), default=None)
        records = sum(lag.records or 0 for lag in lags.values())
        tags = {"o9_assets/stream": stream.name, "o9_assets/partitions_waiting": str(len(waiting))}
        if behind is not None:
            tags["o9_assets/seconds_behind"] = str(int(behind.total_seconds()))
        if records:
            tags["o9_assets/records_waiting"] = str(records)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=request.run_key, asset_selection=[key], tags=tags)], cursor=cursor
        )

    return [stream_lag]
