"""What the landing sensor asks for at a tick, and what it remembers until the next: pure, so that it is easy to test.

The sensor compares what lies in the landing zone with what the manifest lists, so nothing depends on the order of
names or times: an overwritten object, siblings of one second, an object deleted since, all come out right. The memory
only keeps a tick from asking again for what a run is already at, and from sweeping again what it just swept; it holds
a few small entries for each feed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["Asked", "Memory", "Request", "decide", "decide_event"]

FIRST_WAIT_SECONDS = 120
LONGEST_WAIT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Asked:
    """What was last asked for: a digest of the object ids, when (seconds since 1970), and how often."""

    digest: str
    at: float
    attempt: int


@dataclass(frozen=True)
class Memory:
    """The sensor's cursor: what was asked for by feed, the feed at which the next tick begins, and by feed the name
    after which its sweep goes on ('' after a whole one; no entry before the first has begun).

    What a part of a sweep or a queue's events asked for is kept apart, as `<feed>/late` and `<feed>/event`.
    """

    asked: Mapping[str, Asked] = field(default_factory=dict)
    begin_with: str | None = None
    swept: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def loads(cls, text: str | None) -> Memory:
        """The memory that a cursor holds; one that cannot be read is empty, which only asks once too often."""
        try:
            held = json.loads(text or "{}")
            asked = {
                name: Asked(str(entry["digest"]), float(entry["at"]), int(entry["attempt"]))
                for name, entry in held["asked"].items()
            }
            swept = {str(name): str(place) for name, place in held.get("swept", {}).items()}
            begin_with = held.get("begin_with")
            return cls(asked, None if begin_with is None else str(begin_with), swept)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def dumps(self) -> str:
        asked = {name: asdict(entry) for name, entry in sorted(self.asked.items())}
        return json.dumps({"asked": asked, "begin_with": self.begin_with, "swept": dict(sorted(self.swept.items()))})

    def of(self, feeds: Collection[str]) -> Memory:
        """Without what is remembered of feeds that are no longer there."""
        return Memory(
            {key: entry for key, entry in self.asked.items() if key.partition("/")[0] in feeds},
            self.begin_with if self.begin_with in feeds else None,
            {name: place for name, place in self.swept.items() if name in feeds},
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A run for a feed. The key changes with the objects' versions and with every new attempt."""

    feed: str
    run_key: str
    objects: int


def decide(
    feed: str, object_ids: Iterable[str], asked: Asked | None, now: float, *, patience: float = 0
) -> tuple[Request | None, Asked | None]:
    """Whether to ask for a run that takes in `object_ids`, and what to remember.

    New objects are asked for at once, or once `patience` seconds have gone by since the last time. The same ones are
    asked for again, in case their run failed, after two minutes, then four, up to an hour: a run that is only slow does
    no harm, for the manifest lets each object in once.
    """
    ids = sorted(object_ids)
    if not ids:
        return None, None
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
    # Both ways: a clock that was ahead for a while must not hold up what is asked for until that moment comes.
    ago = 0.0 if asked is None else abs(now - asked.at)
    attempt = 0
    if asked is not None and asked.digest == digest:
        wait = min(FIRST_WAIT_SECONDS * 2**asked.attempt, LONGEST_WAIT_SECONDS)
        if ago < wait:
            return None, asked
        attempt = asked.attempt + 1
    elif asked is not None and ago < patience:
        return None, asked
    return Request(feed, f"{feed}:{digest}:{attempt}:{int(now)}", len(ids)), Asked(digest, now, attempt)


def decide_event(
    feed: str, object_ids: Iterable[str], asked: Asked | None, now: float
) -> tuple[Request | None, Asked | None]:
    """Whether to ask for a run for objects that a queue tells of, and what to remember: when that was last done.

    An event that was sent before that is done with: the run that was asked for lists its object. Should that run fail,
    the sweep finds what is not in.
    """
    request, entry = decide(feed, object_ids, None, now)
    return request, entry or asked
