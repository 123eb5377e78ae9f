"""AWS Lambda: fetches a cycle's forecasts and members from o9 by its API into the landing zone.

Started by a schedule of EventBridge (the cycle is that of the event's time, in the company's time zone), or by hand
with `{"cycle": "2026-11-23"}`. The same content again changes nothing, so a repeated event is harmless. An error
reaches Lambda, which says so and tries again as its settings tell.

Environment: O9_PLANNING (settings file in the package), O9_LANDING_ZONE (s3://bucket/prefix), O9_BASE_URL, and the
secrets that the contract profile names, such as O9_API_KEY.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from o9_assets.exchange.fetching import fetch_forecasts, fetch_members
from o9_assets.failures import Permanent
from o9_assets.planning import settings as planning
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources import aws
from o9_assets.resources.landing_zone import S3Zone
from o9_assets.resources.o9 import O9Client, load_profile

__all__ = ["handler"]


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The cycle, and the objects that were put with their rows. Raises Permanent for an event without a time."""
    settings = planning.load(Path(_need("O9_PLANNING")))
    cycle = _cycle(settings, event)
    bucket, _, prefix = _need("O9_LANDING_ZONE").removeprefix("s3://").partition("/")
    buckets = aws.Buckets(os.environ.get("O9_BUCKET_OWNER"), os.environ.get("O9_KMS_KEY"))
    zone = S3Zone(bucket, prefix, aws.s3(buckets))
    with O9Client(load_profile(settings.o9.profile), _need("O9_BASE_URL"), _need, model=settings.o9.model) as client:
        found = [fetch(settings, cycle, client=client, zone=zone) for fetch in (fetch_forecasts, fetch_members)]
    return {"cycle": cycle.isoformat(), "objects": [{"name": one.name, "rows": one.rows} for one in found]}


def _cycle(settings: Settings, event: Mapping[str, Any]) -> date:
    try:
        if "cycle" in event:
            day = date.fromisoformat(str(event["cycle"]))
        else:
            day = datetime.fromisoformat(str(event["time"])).astimezone(ZoneInfo(settings.timezone)).date()
    except (KeyError, ValueError) as error:
        raise Permanent(
            f"The event names no cycle ({error}).", remedy="Send a scheduled event, or {'cycle': 'YYYY-MM-DD'}."
        ) from error
    return Calendar(settings.calendar).week_start(day)


def _need(name: str) -> str:
    """A variable of the environment, secrets among them, looked up when it is needed."""
    value = os.environ.get(name, "")
    if not value:
        raise Permanent(f"The environment variable {name} is not set.", remedy="Set it in the function's settings.")
    return value
