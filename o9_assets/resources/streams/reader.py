"""What a reader of a stream does, whatever stands behind it. Positions are kept by whoever reads, never by the broker.

A position is a text that only its reader understands: it names the last record that was read (or, for Kafka, the
offset that follows it). A reader holds nothing that matters: a new one goes on from any position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from o9_assets.failures import Passing

__all__ = ["Lag", "Lags", "Part", "Partition", "Reader", "Record", "StreamUnavailable", "looked_at"]


class StreamUnavailable(Passing):
    """The stream cannot be reached, or asks to slow down and went on asking."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A shard of Kinesis or a partition of a topic. It is read after its parents (of a reshard)."""

    name: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it came. `position` and `sub_position` name it within its partition (the second counts from 0 in a
    record that a producer packed); `arrived_at` (UTC, without a zone) is when the stream took it; `data` is None for a
    tombstone, and `broken` says why a packed record could not be taken apart."""

    position: str
    sub_position: int
    key: str | None
    arrived_at: datetime
    data: bytes | None
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What a read gave: records in order, and the position after them, which may lie beyond the last record.

    `caught_up`: there was nothing more at the time. `ended`: there never will be, for the partition was closed.
    `gap` says which records were gone before they were read.
    """

    records: Sequence[Record]
    position: str | None
    caught_up: bool
    ended: bool = False
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a position is behind: whether anything waits, records where the broker counts them, and their age."""

    waiting: bool
    records: int | None = None
    behind: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Lags:
    """How far partitions are behind. `left` is the partition at which the next look begins, None after all of them;
    `troubles` are those that could not be looked at, with the reason."""

    found: Mapping[str, Lag]
    left: str | None = None
    troubles: Mapping[str, Passing] = field(default_factory=dict)


class Reader(Protocol):
    """Reads a stream. Raises Passing where the stream is busy or away, Permanent where it is not there or denied."""

    name: str
    """Kind and name, such as kinesis/demand-events."""
    at_once: int
    """How many partitions can be read at the same time, by threads."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def partitions(self) -> list[Partition]:
        """The partitions that can be read, parents before their children."""
        ...

    def read(
        self, partition: str, after: str | None, *, limit: int, seconds: float, read_until: datetime | None = None
    ) -> Part:
        """Records after a position (None: from the start) until there are about `limit` of them, `seconds` are over,
        or there is nothing more at the time. A packed record is never parted between two reads.

        Everything that arrived until `read_until` (UTC) was read by the caller: it tells a gap from a quiet time.
        """
        ...

    def ended(self, position: str | None) -> bool:
        """Whether a position is the end of a partition that was closed."""
        ...

    def gone(self, position: str | None) -> str:
        """The position to keep for a partition that is no longer there."""
        ...

    def lag(self, positions: Mapping[str, str], *, seconds: float, begin_with: str | None = None) -> Lags:
        """How far each partition is behind its position; one without a position is read from the start.

        It ends after about `seconds`, and goes round: `begin_with` is the partition to look at first. Raises Passing
        where none could be looked at.
        """
        ...


def looked_at(
    names: Sequence[str],
    look: Callable[[str], Lag],
    *,
    seconds: float,
    begin_with: str | None,
    clock: Callable[[], float],
) -> Lags:
    """Look at one partition after the other, as `Reader.lag` says."""
    start = names.index(begin_with) if begin_with in names else 0
    until, found, troubles = clock() + seconds, dict[str, Lag](), dict[str, Passing]()
    left = None
    for name in [*names[start:], *names[:start]]:
        if clock() >= until:
            left = name
            break
        try:
            found[name] = look(name)
        except Passing as error:
            troubles[name] = error
    if troubles and not found:
        raise next(iter(troubles.values()))
    return Lags(found, left, troubles)
