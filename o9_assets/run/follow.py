"""`python -m o9_assets follow`: reads the stream and forwards its events to o9 in one process that goes on.

It does what the assets raw/demand_events and o9/demand_events do, in turn and without a run's start between them. What
they share is the lake: a run of either asset meanwhile is safe, for one of the two then finds its work done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from o9_assets.exchange.event_delivery import deliver_events
from o9_assets.failures import Passing, Permanent
from o9_assets.landing.event_datasets import DEMAND_EVENTS, PAYLOAD
from o9_assets.landing.streaming import take_in
from o9_assets.planning.settings import Settings, bind_stream
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake
from o9_assets.resources.o9 import O9Client
from o9_assets.resources.streams import Reader

__all__ = ["Followed", "follow", "run_follow"]

LOOK_EVERY_SECONDS = 0.5
LONGEST_TURN_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass
class Followed:
    """What was done: records in, those set aside, events that o9 took, and turns that something passing cut short."""

    records: int = 0
    quarantined: int = 0
    forwarded: int = 0
    turns: int = 0
    interrupted: int = 0


def follow(
    settings: Settings,
    *,
    reader: Reader,
    lake: Lake,
    engine: Engine,
    client: O9Client | None,
    now: Callable[[], datetime],
    seconds: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda text: None,
) -> Followed:
    """Go on for `seconds` (None: until interrupted). Without a client events are taken in and not forwarded.

    What passes (a busy stream, o9 away, another run's commit) is waited for, longer each time up to a minute. Raises
    Permanent for what does not.
    """
    done, until, pause = Followed(), None if seconds is None else time.monotonic() + seconds, 0.0
    stream = bind_stream(settings, "demand_events", PAYLOAD)
    while until is None or time.monotonic() < until:
        began = time.monotonic()
        try:
            report = take_in(
                "demand_events",
                stream,
                PAYLOAD,
                DEMAND_EVENTS,
                timezone=settings.timezone,
                reader=reader,
                lake=lake,
                engine=engine,
                now=now,
                max_seconds=LONGEST_TURN_SECONDS,
            )
            done.records += report.landed_rows
            done.quarantined += report.quarantined_rows
            if client is not None:
                sent = deliver_events(
                    settings, DEMAND_EVENTS, lake=lake, engine=engine, client=client, now=now, sleep=sleep
                )
                done.forwarded += sent.sent + sent.taken_back
            pause = 0.0
        except Passing as error:
            done.interrupted += 1
            pause = min(LONGEST_PAUSE_SECONDS, max(1.0, 2 * pause))
            progress(f"{error} It is tried again in {pause:.0f} s.")
            sleep(pause)
        done.turns += 1
        if (left := LOOK_EVERY_SECONDS - (time.monotonic() - began)) > 0:
            sleep(left)
    return done


def run_follow(seconds: float | None) -> str:
    """Follow the stream of the environment's deployment; returns what was done, as a sentence."""
    from o9_assets.deployment import from_environment

    deployment = from_environment()
    settings, resources = deployment.settings, deployment.resources
    if "demand_events" not in settings.streams:
        raise Permanent("There is no stream to follow.", remedy="Declare it in the settings under streams.")
    lake, engine, clock = resources["lake"].open(), resources["engine"].open(), resources["clock"]

    def run(client: O9Client | None) -> Followed:
        with resources["streams"].open(settings.streams["demand_events"]) as reader:
            return follow(
                settings,
                reader=reader,
                lake=lake,
                engine=engine,
                client=client,
                now=clock.now,
                seconds=seconds,
                progress=lambda text: print(text, flush=True),  # noqa: T201
            )

    if settings.o9.streaming is None:
        done = run(None)
    else:
        with resources["o9"].open(settings) as client:
            done = run(client)
    return f"{done.records:,} records in, {done.quarantined:,} set aside, {done.forwarded:,} events forwarded to o9."
