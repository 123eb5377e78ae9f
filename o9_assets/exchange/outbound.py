"""o9's way back: ask it for a plan, and wait until its file is in the landing zone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from o9_assets.exchange.members import create_time
from o9_assets.failures import Passing, Permanent
from o9_assets.planning.settings import Settings
from o9_assets.resources.landing_zone import LandedObject, LandingZone
from o9_assets.resources.o9 import O9Client

__all__ = ["OutboundPlan", "ask_for_plan"]

PREFIX = "o9/outbound/"
LOOK_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class OutboundPlan:
    """o9's run, and the files of the cycle. `is_new`: one of them came since the run was started."""

    run: str
    files: tuple[LandedObject, ...]
    seconds: float
    is_new: bool


def ask_for_plan(
    settings: Settings,
    cycle: date,
    *,
    client: O9Client,
    zone: LandingZone,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[str], None] = lambda text: None,
) -> OutboundPlan:
    """Start the pipeline that plans `cycle`, and wait for its file. A plan that equals the one before is no new file,
    so where files of the cycle lay there before, nothing more is waited for; the answer says so.

    Raises Permanent where o9 says that the run failed, Passing where no file came in the profile's time.
    """
    # o9 plans into partial weeks that it knows.
    create_time(settings, client, cycle, cycle)
    began, patience = clock(), client.profile.plan_patience_seconds
    prefix = f"{PREFIX}{cycle.isoformat()}"
    before = {(found.object_id, found.modified_at) for found in zone.list(prefix)}
    run = client.start_pipeline(
        client.profile.plan_pipeline,
        {
            "Cycle": cycle.isoformat(),
            "MeasureGroup": settings.o9.measure_group,
            "Measure": settings.o9.measures.get("orders_quantity", next(iter(settings.o9.measures.values()))),
            "PlanMeasure": settings.o9.plan_measures[0],
            "Weeks": settings.forecast.horizon_weeks,
        },
    )
    progress(f"o9 runs {run}")
    while True:
        status = client.pipeline_status(run)
        if status == "Failed":
            raise Permanent(f"o9 says that {run} failed.", remedy="Look at the pipeline's log in o9.")
        if status != "Running":
            found = tuple(zone.list(prefix))
            if found:
                is_new = any((one.object_id, one.modified_at) not in before for one in found)
                return OutboundPlan(run, found, clock() - began, is_new)
        if clock() - began >= patience:
            raise Passing(
                f"o9 ran {run}; after {patience:.0f} s no file {prefix}* is in the landing zone.",
                remedy="Does o9 hold demand of the 13 weeks before the cycle? The file is asked for again.",
            )
        sleep(min(LOOK_EVERY_SECONDS, max(patience - (clock() - began), 0.05)))
