"""Asks for a raw dataset when its feed has an object that the manifest does not list; the same for a folder and for S3.

One request for each feed and tick. A tick has 60 seconds in Dagster. The first one goes through all that lies there;
later ones go through a part of it and through the latest delivery days, so that a tick's time does not grow with the
landing zone. When the time budget is used up, the next tick begins with the feed that was not reached.

Where the bucket tells a queue of its new objects (O9_LANDING_QUEUE), its events take the place of the latest delivery
days. A message is deleted only when its object is in, or when the cursor that Dagster kept says that a run was asked
for since; what events miss, the sweep finds.
"""

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
        from o9_assets.landing.requests import Memory
        from o9_assets.landing.ticks import tick
        from o9_assets.resources import aws
        from o9_assets.resources.landing_zone import S3Zone

        with aws.told():
            opened = zone.open()
            found = tick(
                Memory.loads(context.cursor),
                feeds,
                zone=opened,
                lake=lake.open(),
                queue=zone.queue(),
                keys=opened if isinstance(opened, S3Zone) else None,
                transfers=settings.transfers.keys(),
                budget_seconds=BUDGET_SECONDS,
            )
        for line in found.told:
            context.log.info(line)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=request.run_key,
                    asset_selection=[dg.AssetKey(["raw", name])],
                    tags={"o9_assets/feed": name, "o9_assets/new_objects": str(request.objects)},
                )
                for name, request in sorted(found.requests.items())
            ],
            skip_reason=None if found.requests else "nothing new landed",
            cursor=found.memory.dumps(),
        )

    return landing
