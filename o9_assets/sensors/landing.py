"""Asks for a raw dataset when its feed has an object that the manifest does not list; the same for a folder and for S3.

One request for each feed and tick. A tick has 60 seconds in Dagster: listings are bounded by the feeds' prefixes, and
when the time budget is used up the next tick begins with the feed that was not reached.
"""

import time

import dagster as dg

from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import LakeResource, ZoneResource

__all__ = ["build"]

BUDGET_SECONDS = 40.0


def build(settings: Settings, *, running: bool) -> dg.SensorDefinition:
    feeds = settings.feeds
    targets = [dg.AssetKey(["raw", name]) for name in feeds]

    @dg.sensor(
        name="landing",
        target=dg.AssetSelection.assets(*targets),
        description="Asks for raw datasets whose feeds have new objects in the landing zone.",
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
    )
    def landing(context: dg.SensorEvaluationContext, zone: ZoneResource, lake: LakeResource) -> dg.SensorResult:
        from o9_assets.landing.ingest import new_objects
        from o9_assets.landing.requests import Memory, decide

        memory = Memory.loads(context.cursor)
        asked = {name: entry for name, entry in memory.asked.items() if name in feeds}
        names = sorted(feeds)
        start = names.index(memory.begin_with) if memory.begin_with in names else 0
        began, opened, room = time.monotonic(), zone.open(), lake.open()
        requests, begin_with = [], None
        for name in names[start:] + names[:start]:
            if time.monotonic() - began > BUDGET_SECONDS:
                begin_with = name
                break
            ids = [a.found.object_id for a in new_objects(name, feeds[name], zone=opened, lake=room)]
            request, entry = decide(name, ids, asked.pop(name, None), time.time())
            if entry is not None:
                asked[name] = entry
            if request is not None:
                context.log.info(f"{name}: {request.objects:,} new objects")
                requests.append(
                    dg.RunRequest(
                        run_key=request.run_key,
                        asset_selection=[dg.AssetKey(["raw", name])],
                        tags={"o9_assets/feed": name, "o9_assets/new_objects": str(request.objects)},
                    )
                )
        reason = None if requests else "nothing new landed"
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=Memory(asked, begin_with).dumps())

    return landing
