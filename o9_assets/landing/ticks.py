"""A tick of the landing sensor: what is looked at, and what comes of it. What Dagster sees is in sensors/landing.py."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from o9_assets.landing.known import Known, known
from o9_assets.landing.looking import look
from o9_assets.landing.notifications import NoEvent, created
from o9_assets.landing.requests import FIRST_WAIT_SECONDS, Asked, Memory, Request, decide, decide_event
from o9_assets.landing.transfers import Hold, held_back
from o9_assets.planning.feeds import Feed
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_queue import LandingQueue, Message
from o9_assets.resources.landing_zone import LandedObject, LandingZone

__all__ = ["Outcome", "tick"]

SWEEP_SECONDS = 0.8
QUEUE_SECONDS = 0.8


@dataclass
class Outcome:
    """Requests by feed, the memory for the next tick, and what the log should tell."""

    requests: dict[str, Request] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    told: list[str] = field(default_factory=list)


class Keyed(Protocol):
    """A zone whose objects have keys in a bucket."""

    def told(self, bucket: str, key: str, etag: str) -> LandedObject | None: ...


def tick(
    memory: Memory,
    feeds: Mapping[str, Feed],
    *,
    zone: LandingZone,
    lake: Lake,
    queue: LandingQueue | None = None,
    keys: Keyed | None = None,
    transfers: Collection[str] = (),
    budget_seconds: float,
) -> Outcome:
    """Look at every feed within the budget. `memory` is what the last tick left, and was kept since; `transfers` are
    those that the settings declare: what another one holds back, nobody will release unasked."""
    began = time.monotonic()
    memory = memory.of(feeds)
    state = _State(dict(memory.asked), dict(memory.swept))
    listed, holds = known(lake), held_back(lake)
    state.told += [
        f"what came below {hold.lands} since {hold.begin:%Y-%m-%d %H:%M} UTC is held back by the transfer "
        f"{hold.transfer}, which did not succeed and which the settings no longer name: name it again and run it"
        for hold in holds
        if hold.transfer not in transfers
    ]
    if queue is not None and keys is not None:
        state.take_events(queue, keys, feeds, listed)
    names = sorted(feeds)
    start = names.index(memory.begin_with) if memory.begin_with in names else 0
    begin_with = None
    began_sweep = time.monotonic()
    for name in names[start:] + names[:start]:
        now = time.monotonic()
        if now - began > budget_seconds:
            begin_with = name
            break
        # The first sweep of a feed is a whole one, if it can be.
        first = name not in memory.swept
        left = budget_seconds - (now - began) if first else SWEEP_SECONDS - (now - began_sweep)
        if left <= 0 and begin_with is None:
            begin_with = name  # the next tick's time for sweeping goes to it first
        state.look(name, feeds[name], zone, listed.get(name, Known()), left, holds, tail=queue is None)
    return Outcome(state.requests, Memory(state.asked, begin_with, state.swept), state.told)


@dataclass
class _State:
    asked: dict[str, Asked]
    swept: dict[str, str]
    requests: dict[str, Request] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def _keep(self, key: str, decided: tuple[Request | None, Asked | None]) -> None:
        request, entry = decided
        self.asked.pop(key, None)
        if entry is not None:
            self.asked[key] = entry
        if request is not None and request.feed not in self.requests:
            self.requests[request.feed] = request
            self.told.append(f"{request.feed}: {request.objects:,} new objects")

    def look(
        self,
        name: str,
        feed: Feed,
        zone: LandingZone,
        listed: Known,
        seconds: float,
        holds: Sequence[Hold],
        *,
        tail: bool,
    ) -> None:
        found = look(
            feed,
            zone,
            listed,
            today=datetime.now(UTC).date(),
            sweep_after=self.swept.get(name, ""),
            sweep_seconds=seconds,
            tail=tail,
            holds=holds,
        )
        self.swept[name] = found.swept_to
        now, late = time.time(), f"{name}/late"
        self._keep(name, decide(name, found.swept if found.whole else found.tail, self.asked.get(name), now))
        if found.whole:
            self.asked.pop(late, None)
        elif fresh := found.swept - found.tail:
            # Each part of a sweep shows others of what one run takes in, so parts ask no more often than runs fail.
            last = self.asked.get(name)
            if last is None or abs(now - last.at) >= FIRST_WAIT_SECONDS:
                self._keep(late, decide(name, fresh, self.asked.get(late), now, patience=FIRST_WAIT_SECONDS))

    def take_events(
        self, queue: LandingQueue, keys: Keyed, feeds: Mapping[str, Feed], listed: Mapping[str, Known]
    ) -> None:
        done: list[Message] = []
        new: dict[str, set[str]] = {}
        for message in queue.receive(QUEUE_SECONDS):
            try:
                waiting = self._waiting(message, keys, feeds, listed)
            except NoEvent as wrong:
                self.told.append(f"a message of the landing queue is no event of S3 and stays there: {wrong}")
                continue
            for name, object_id in waiting:
                new.setdefault(name, set()).add(object_id)
            if not waiting:
                done.append(message)
        for name, object_ids in new.items():
            key = f"{name}/event"
            self._keep(key, decide_event(name, object_ids, self.asked.get(key), time.time()))
        if left := queue.delete(done):
            self.told.append(f"{left:,} messages of the landing queue could not be deleted and come again")

    def _waiting(
        self, message: Message, keys: Keyed, feeds: Mapping[str, Feed], listed: Mapping[str, Known]
    ) -> Sequence[tuple[str, str]]:
        """Feeds and objects that the message tells of, that are not in, and that no run was asked for since."""
        waiting, now = [], time.time()
        for told in created(message.body):
            found = keys.told(told.bucket, told.key, told.etag)
            if found is None:
                continue
            for feed_name, feed in feeds.items():
                asked = self.asked.get(f"{feed_name}/event")
                if (
                    feed.match(found.name) is not None
                    and (new := listed.get(feed_name, Known()).new(found)) is not None
                    and (asked is None or not message.sent_at < asked.at <= now)
                ):
                    waiting.append((feed_name, new.object_id))
        return waiting
