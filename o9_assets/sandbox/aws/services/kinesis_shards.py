"""Streams in memory as Kinesis keeps them: shards with lineage, sequence numbers that only grow, a retention time."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["KEYS", "Shard", "Stream"]

KEYS = 2**128
"""Hash keys go from 0 to this, exclusive."""
_FIRST = 496 * 10**53  # sequence numbers have 56 digits


@dataclass
class Shard:
    """A shard. `texts` are the records as GetRecords answers them, in the order of their `numbers`; `arrived` are
    their times in seconds."""

    index: int
    first_key: int
    last_key: int
    start: int
    parents: tuple[str, ...] = ()
    end: int | None = None
    closed_at: float | None = None
    numbers: list[int] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"shardId-{self.index:012d}"

    def trim(self, before: float) -> None:
        """Forget records that arrived before."""
        gone = bisect_left(self.arrived, before)
        if gone:
            del self.numbers[:gone], self.arrived[:gone], self.texts[:gone]

    def after(self, number: int) -> int:
        """Place of the first record after a sequence number."""
        return bisect_right(self.numbers, number)

    def at_time(self, seconds: float) -> int:
        """The sequence number after which records from a time on come."""
        place = bisect_left(self.arrived, seconds)
        return self.numbers[place] - 1 if place < len(self.numbers) else self.last()

    def last(self) -> int:
        """The newest sequence number; the shard's first without records."""
        return self.numbers[-1] if self.numbers else self.start

    def told(self) -> dict[str, Any]:
        """As ListShards tells it."""
        numbers = {"StartingSequenceNumber": str(self.start)}
        if self.end is not None:
            numbers["EndingSequenceNumber"] = str(self.end)
        found: dict[str, Any] = {
            "ShardId": self.id,
            "HashKeyRange": {"StartingHashKey": str(self.first_key), "EndingHashKey": str(self.last_key)},
            "SequenceNumberRange": numbers,
        }
        for name, parent in zip(("ParentShardId", "AdjacentParentShardId"), self.parents, strict=False):
            found[name] = parent
        return found


@dataclass
class Stream:
    """A stream; its callers keep one another out."""

    name: str
    arn: str
    created: datetime
    mode: str
    retention_hours: int = 24
    shards: dict[str, Shard] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    encryption: dict[str, str] = field(default_factory=lambda: {"EncryptionType": "NONE"})
    horizon: float = 0.0
    """Records that arrived before are gone, whatever the retention."""
    _last_ms: int = 0
    _count: int = 0

    def number(self, shard: int) -> int:
        """A new sequence number, greater than all before."""
        self._last_ms = max(self._last_ms, time.time_ns() // 1_000_000)
        self._count += 1
        return _FIRST + self._last_ms * 10**38 + self._count * 10**10 + shard

    def add_shard(self, first: int, last: int, parents: tuple[Shard, ...] = ()) -> Shard:
        index = len(self.shards)
        shard = Shard(index, first, last, self.number(index), tuple(p.id for p in parents))
        self.shards[shard.id] = shard
        return shard

    def open_shards(self) -> list[Shard]:
        return sorted((s for s in self.shards.values() if s.end is None), key=lambda s: s.first_key)

    def close(self, shard: Shard) -> None:
        shard.end, shard.closed_at = self.number(shard.index), time.time()

    def listed(self) -> list[Shard]:
        """Shards that still matter: open ones, and closed ones within the retention."""
        oldest = self._oldest()
        return [s for s in self.shards.values() if s.closed_at is None or s.closed_at >= oldest]

    def trimmed(self, shard: Shard) -> Shard:
        """The shard without what is older than the retention."""
        shard.trim(self._oldest())
        return shard

    def _oldest(self) -> float:
        return max(self.horizon, time.time() - self.retention_hours * 3600)

    def put(self, data: bytes, partition_key: str, explicit: str | None) -> tuple[str, str]:
        """Take a record; returns its shard and sequence number."""
        key = int(explicit) if explicit else int.from_bytes(hashlib.md5(partition_key.encode()).digest())  # noqa: S324
        shard = next(s for s in self.open_shards() if s.first_key <= key <= s.last_key)
        number, now = self.number(shard.index), time.time()
        shard.numbers.append(number)
        shard.arrived.append(now)
        text = {
            "SequenceNumber": str(number),
            "ApproximateArrivalTimestamp": round(now, 3),
            "Data": base64.b64encode(data).decode(),
            "PartitionKey": partition_key,
        }
        shard.texts.append(json.dumps(text))
        return shard.id, str(number)

    def children(self, shard: Shard) -> list[Shard]:
        return [s for s in self.shards.values() if shard.id in s.parents]


def now() -> datetime:
    """Kinesis tells times in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
