"""Looking for objects that are not in, at a cost that grows with what is new, not with what is there.

Two looks at a feed. The sweep goes through all its names, a part at each tick, and so finds whatever is late or was
overwritten; where a feed has few objects, each tick sweeps them all. The tail lists what is named after the latest
delivery days, where new objects mostly are, so that nobody waits for the sweep to come round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta

from o9_assets.landing.known import Known
from o9_assets.landing.transfers import Hold, releases
from o9_assets.planning.feeds import Feed
from o9_assets.resources.landing_zone import LandedObject, LandingZone

__all__ = ["Look", "look"]

TAIL_DAYS = 7
LOOK_AT_CLOCK = 500


@dataclass(frozen=True, slots=True)
class Look:
    """Ids of objects that are not known: of the tail, and of the part that was swept.

    `swept_to` is the name after which the next sweep goes on; '' where this one reached the end.
    """

    tail: Set[str]
    swept: Set[str]
    swept_to: str
    whole: bool


def look(
    feed: Feed,
    zone: LandingZone,
    known: Known,
    *,
    today: date,
    sweep_after: str,
    sweep_seconds: float,
    tail: bool = True,
    holds: Sequence[Hold] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Sweep from `sweep_after` on for `sweep_seconds`; where that was not all, list the tail if `tail` says so.
    Objects that a transfer holds back are not looked at."""
    until, swept_to = clock() + sweep_seconds, ""
    swept = set()
    for number, found in enumerate(zone.list(feed.prefix, start_after=sweep_after or None), start=1):
        if (new := _new(feed, found, known, holds)) is not None:
            swept.add(new.object_id)
        if number % LOOK_AT_CLOCK == 0 and clock() >= until:
            swept_to = found.name
            break
    whole = not sweep_after and not swept_to
    latest: set[str] = set()
    if tail and not whole and known.latest_day is not None:
        # A name that stands for a day far ahead must not hide those of today.
        start = feed.rising_from(min(known.latest_day, today) - timedelta(days=TAIL_DAYS))
        if start is not None:
            latest = {
                new.object_id
                for found in zone.list(feed.prefix, start_after=start)
                if (new := _new(feed, found, known, holds)) is not None
            }
    return Look(latest, swept, swept_to, whole)


def _new(feed: Feed, found: LandedObject, known: Known, holds: Sequence[Hold]) -> LandedObject | None:
    new = known.new(found)
    if new is None or feed.match(found.name) is None or not releases(found, holds):
        return None
    return new
