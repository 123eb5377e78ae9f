"""AWS Lambda: fetches a cycle's forecasts and members from o9 by its API into the landing zone.

Started by a schedule of EventBridge (the cycle is that of the event's time, in the company's time zone), or by hand
with `{"cycle": "2026-11-23"}`. The same content again changes nothing, so a repeated event is harmless. An error
reaches Lambda, which says so and tries again as its settings tell.

Environment: O9_PLANNING (settings file in the package), O9_LANDING_ZONE (s3://bucket/prefix), O9_BASE_URL, and the
secrets that the contract profile names, such as O9_API_KEY.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from o9_assets.exchange.fetching import fetch_forecasts, fetch_members
from o9_assets.failures import Permanent
from o9_assets.lambdas import environment
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings

__all__ = ["handler"]


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The cycle, and the objects that were put with their rows. Raises Permanent for an event without a time."""
    settings, zone = environment.settings(), environment.zone("O9_LANDING_ZONE")
    cycle = _cycle(settings, event)
    with environment.o9(settings) as client:
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
