"""Kinesis: shards read by iterators from a sequence number, at the pace that a shard allows.

A position is the sequence number of the last record read; of a closed shard that was read to its end it has the
suffix `.end`. A split or merged shard is read to its end before its children. Records leave a stream when its
retention is over: whether that happened before they were read is looked at when a read begins.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from o9_assets.failures import Failed, Passing, Permanent
from o9_assets.resources.streams.packed import unpacked
from o9_assets.resources.streams.reader import Lag, Lags, Part, Partition, Record, StreamUnavailable, looked_at

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_kinesis import KinesisClient

__all__ = ["KinesisReader"]

PACE_SECONDS = 0.2
"""A shard serves five reads a second to all that read it."""
MOST_RECORDS = 10_000
PATIENCE_SECONDS = 60.0
END = ".end"


class KinesisReader:
    """Reads a stream by its name, with a client of resources/aws.py.

    `start_at` (UTC) is where a shard without a position begins; None is the oldest record.
    """

    def __init__(
        self,
        client: KinesisClient,
        stream: str,
        *,
        start_at: datetime | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None),
    ) -> None:
        self.name = f"kinesis/{stream}"
        self.at_once = 4
        self._client, self._stream, self._start_at = client, stream, start_at
        self._sleep, self._clock, self._now = sleep, clock, now
        self._next_read: dict[str, float] = {}
        self._iterators: dict[str, tuple[str | None, str]] = {}
        self._retention: timedelta | None = None
        self._patience = PATIENCE_SECONDS
        self._jitter = random.Random()  # noqa: S311 - jitter, not a secret

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    # Shards

    def partitions(self) -> list[Partition]:
        """The shards that Kinesis lists, parents first; a parent that is no longer listed has no records left."""
        shards: dict[str, tuple[str, ...]] = {}
        query: dict[str, Any] = {"StreamName": self._stream}
        while True:
            answer = self._call(self._client.list_shards, "Shards", **query)
            for shard in answer["Shards"]:
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                shards[shard["ShardId"]] = tuple(p for p in parents if p is not None)
            if not (following := answer.get("NextToken")):
                break
            query = {"NextToken": following}
        listed = {name: tuple(p for p in parents if p in shards) for name, parents in shards.items()}
        return [Partition(name, listed[name]) for name in _parents_first(listed)]

    def ended(self, position: str | None) -> bool:
        return position is not None and position.endswith(END)

    def gone(self, position: str | None) -> str:
        return (position or "").removesuffix(END) + END

    # Reading

    def read(
        self, partition: str, after: str | None, *, limit: int, seconds: float, read_until: datetime | None = None
    ) -> Part:
        if self.ended(after):
            return Part((), after, caught_up=True, ended=True)
        until = self._clock() + seconds
        records: list[Record] = []
        position, gap = after, None
        kept = self._iterators.pop(partition, None)
        if kept is not None and kept[0] == after:
            iterator = kept[1]
        else:
            iterator, gap = self._begin(partition, after, read_until)
        while True:
            asked = min(max(1, limit - len(records)), MOST_RECORDS)
            answer = self._records(partition, iterator, position, limit=asked)
            for record in answer["Records"]:
                position = record["SequenceNumber"]
                arrived = record["ApproximateArrivalTimestamp"].astimezone(UTC).replace(tzinfo=None)
                records += unpacked(position, record["PartitionKey"], arrived, record["Data"])
            following = answer.get("NextShardIterator")
            if not following:
                return Part(records, self.gone(position), caught_up=True, ended=True, gap=gap)
            iterator = following
            # A full page may have followers that arrived in its last millisecond.
            caught_up = not answer.get("MillisBehindLatest", 0) and len(answer["Records"]) < asked
            if caught_up or len(records) >= limit or self._clock() >= until:
                self._iterators[partition] = (position, iterator)
                return Part(records, position, caught_up=caught_up, gap=gap)

    def _begin(self, shard: str, after: str | None, read_until: datetime | None) -> tuple[str, str | None]:
        """An iterator after a position, and which records were gone before they were read."""
        horizon = None if read_until is None else self._now() - self._kept_for()
        safe = read_until is None or horizon is None or read_until >= horizon
        if safe or (after is not None and self._is_there(shard, after)):
            try:
                return self._iterator(shard, after), None
            except TrimmedError:
                safe = False
        gap = (
            f"{shard}: records that arrived after {read_until or 'the last read'} UTC may have left the stream before "
            "they were read"
        )
        return str(self._asked(shard, "TRIM_HORIZON")), gap

    def _is_there(self, shard: str, sequence: str) -> bool:
        """Whether a record is still in its shard; then none after it is gone."""
        try:
            iterator = self._asked(shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=sequence)
        except TrimmedError:
            return False
        found = self._records(shard, iterator, None, limit=1)["Records"]
        return bool(found) and found[0]["SequenceNumber"] == sequence

    def _iterator(self, shard: str, after: str | None) -> str:
        if after is not None:
            return self._asked(shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=after)
        if self._start_at is not None:
            return self._asked(shard, "AT_TIMESTAMP", Timestamp=self._start_at.replace(tzinfo=UTC))
        return self._asked(shard, "TRIM_HORIZON")

    def _asked(self, shard: str, kind: str, **more: Any) -> str:
        answer = self._call(
            self._client.get_shard_iterator,
            "ShardIterator",
            StreamName=self._stream,
            ShardId=shard,
            ShardIteratorType=kind,
            **more,
        )
        return str(answer["ShardIterator"])

    def _records(self, shard: str, iterator: str, after: str | None, *, limit: int) -> Any:
        """One page, when the shard may be read; an iterator that expired (five minutes) is renewed."""
        for _ in range(3):
            wait = self._next_read.get(shard, 0.0) - self._clock()
            if wait > 0:
                self._sleep(wait)
            self._next_read[shard] = self._clock() + PACE_SECONDS
            try:
                return self._call(self._client.get_records, "Records", ShardIterator=iterator, Limit=limit)
            except ExpiredError:
                iterator = self._iterator(shard, after)
        raise StreamUnavailable(f"Iterators of {shard} expire as soon as they are made.", remedy="Try later.")

    def _kept_for(self) -> timedelta:
        if self._retention is None:
            answer = self._call(
                self._client.describe_stream_summary, "StreamDescriptionSummary", StreamName=self._stream
            )
            self._retention = timedelta(hours=answer["StreamDescriptionSummary"]["RetentionPeriodHours"])
        return self._retention

    def lag(self, positions: Mapping[str, str], *, seconds: float, begin_with: str | None = None) -> Lags:
        before, self._patience = self._patience, min(self._patience, seconds / 4)
        try:
            return looked_at(
                [shard.name for shard in self.partitions()],
                lambda name: self._lag(name, positions.get(name)),
                seconds=seconds,
                begin_with=begin_with,
                clock=self._clock,
            )
        finally:
            self._patience = before

    def _lag(self, shard: str, position: str | None) -> Lag:
        if self.ended(position):
            return Lag(False)
        try:
            iterator = self._iterator(shard, position)
        except TrimmedError:
            return Lag(True)
        answer = self._records(shard, iterator, position, limit=1)
        behind = timedelta(milliseconds=answer.get("MillisBehindLatest", 0))
        # A closed shard is read once more for its end, so that its children can follow.
        closed = not answer.get("NextShardIterator")
        return Lag(bool(answer["Records"]) or bool(behind) or closed, None, behind)

    def _call(self, operation: Callable[..., Any], wanted: str, **query: Any) -> Any:
        """A call to Kinesis whose answer holds `wanted`; what is busy or away is tried again until patience ends."""
        from botocore.exceptions import ClientError
        from botocore.parsers import ResponseParserError

        give_up_at, attempt = self._clock() + self._patience, 0
        while True:
            try:
                answer = operation(**query)
                if wanted in answer:
                    return answer
                failed: Passing = StreamUnavailable(f"{self.name} gave half an answer.", remedy="Try later.")
            except ClientError as error:
                raise self._told(error) from error
            except ResponseParserError as error:
                failed = StreamUnavailable(f"{self.name} gave half an answer ({error}).", remedy="Try later.")
            except Passing as error:
                failed = error
            pause = min(0.1 * 2**attempt, 5.0) * self._jitter.uniform(0.5, 1.0)
            if self._clock() + pause > give_up_at:
                raise failed
            self._sleep(pause)
            attempt += 1

    def _told(self, error: ClientError) -> Failed:
        code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ExpiredIteratorException":
            return ExpiredError(f"{self.name}: {said}", remedy="A new iterator is made.")
        if code == "InvalidArgumentException":
            return TrimmedError(f"{self.name}: {said}", remedy="Was the stream made anew? It is read from its start.")
        if code == "ResourceNotFoundException":
            return Permanent(f"{self.name}: {said}", remedy="Look at the stream's name, region and account.")
        return Permanent(f"{self.name} answered {code}: {said}", remedy="See the message.")


class ExpiredError(Passing):
    """An iterator was not used for five minutes."""


class TrimmedError(Permanent):
    """Kinesis does not know a sequence number (any more)."""


def _parents_first(listed: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name not in done:
            done.add(name)
            for parent in listed[name]:
                yield from visit(parent)
            yield name

    for name in sorted(listed):
        yield from visit(name)
