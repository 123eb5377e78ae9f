"""Kafka: partitions assigned with offsets of ours. No consumer group, nothing is committed to the broker.

A position is the offset that follows the last record read. Offsets of a compacted topic have holes, which is normal;
that the log begins after a position is not: those records are gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from o9_assets.failures import Failed, Permanent
from o9_assets.resources.streams.reader import Lag, Lags, Part, Partition, Record, StreamUnavailable, looked_at

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError

__all__ = ["KafkaReader"]

TIMEOUT_SECONDS = 20.0
TOGETHER = 10_000


class KafkaReader:
    """Reads a topic. `security` are librdkafka's options of the connection; `start_at` (UTC) bounds the first read."""

    def __init__(
        self,
        brokers: str,
        topic: str,
        security: Mapping[str, Any],
        *,
        start_at: datetime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"kafka/{topic}"
        self.at_once = 1
        self._topic, self._start_at, self._clock = topic, start_at, clock
        self._options = {
            **security,
            "bootstrap.servers": brokers,
            "group.id": "o9_assets",  # librdkafka wants one; no group is joined and nothing is stored under it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 100,  # a partition's end is told after so long
            "log_level": 3,
        }
        self._consumer: Consumer | None = None
        self._assigned: tuple[str, str | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _open(self) -> Consumer:
        if self._consumer is None:
            from confluent_kafka import Consumer, KafkaException

            try:
                self._consumer = Consumer(self._options)
            except KafkaException as error:
                raise self._told(error.args[0]) from error
        return self._consumer

    def partitions(self) -> list[Partition]:
        from confluent_kafka import KafkaException

        try:
            found = self._open().list_topics(self._topic, timeout=TIMEOUT_SECONDS).topics[self._topic]
        except KafkaException as error:
            raise self._told(error.args[0]) from error
        if found.error is not None:
            raise self._told(found.error)
        return [Partition(str(number)) for number in sorted(found.partitions)]

    def ended(self, position: str | None) -> bool:
        return False

    def gone(self, position: str | None) -> str:
        return position or "0"

    def read(
        self, partition: str, after: str | None, *, limit: int, seconds: float, read_until: datetime | None = None
    ) -> Part:
        from confluent_kafka import KafkaError, KafkaException, TopicPartition

        consumer, until = self._open(), self._clock() + seconds
        gap = None
        position = int(after) if after is not None else None
        try:
            if self._assigned != (partition, after) or position is None:
                low, high = self._edges(partition)
                if position is None:
                    position = self._first(partition, low, high)
                elif position < low or position > high:
                    what = f"up to {low}" if position < low else f"after {high}, for the topic was made anew,"
                    gap = f"partition {partition}: offsets from {position} {what} were gone before they were read"
                    position = low
                consumer.assign([TopicPartition(self._topic, int(partition), position)])
            records: list[Record] = []
            caught_up = False
            while not caught_up and len(records) < limit and self._clock() < until:
                left = max(0.05, until - self._clock())
                for message in consumer.consume(min(TOGETHER, limit - len(records)), timeout=min(left, 0.5)):
                    problem = message.error()
                    if problem is None:
                        records.append(_record(message))
                        position = int(message.offset() or 0) + 1
                    elif problem.code() == KafkaError._PARTITION_EOF:
                        # Beyond the last record may lie marks of transactions, which are no records.
                        caught_up, position = True, max(position, int(message.offset() or 0))
                    else:
                        raise self._told(problem)
        except KafkaException as error:
            self._assigned = None
            raise self._told(error.args[0]) from error
        except Failed:
            self._assigned = None
            raise
        self._assigned = (partition, str(position))
        return Part(records, str(position), caught_up=caught_up, gap=gap)

    def _first(self, partition: str, low: int, high: int) -> int:
        if self._start_at is None:
            return low
        from confluent_kafka import TopicPartition

        moment = int(self._start_at.replace(tzinfo=UTC).timestamp() * 1000)
        asked = [TopicPartition(self._topic, int(partition), moment)]
        [found] = self._open().offsets_for_times(asked, timeout=TIMEOUT_SECONDS)
        return found.offset if found.offset >= 0 else high

    def _edges(self, partition: str) -> tuple[int, int]:
        """The oldest offset and the one that comes next."""
        from confluent_kafka import TopicPartition

        place = TopicPartition(self._topic, int(partition))
        found = self._open().get_watermark_offsets(place, timeout=TIMEOUT_SECONDS, cached=False)
        if found is None:
            raise StreamUnavailable(f"{self.name} did not say where it stands.", remedy="It is read again later.")
        return int(found[0]), int(found[1])

    def lag(self, positions: Mapping[str, str], *, seconds: float, begin_with: str | None = None) -> Lags:
        return looked_at(
            [partition.name for partition in self.partitions()],
            lambda name: self._lag(name, positions.get(name)),
            seconds=seconds,
            begin_with=begin_with,
            clock=time.monotonic,
        )

    def _lag(self, partition: str, given: str | None) -> Lag:
        from confluent_kafka import KafkaException

        try:
            low, high = self._edges(partition)
            position = int(given) if given is not None else self._first(partition, low, high)
        except KafkaException as error:
            raise self._told(error.args[0]) from error
        return Lag(position != high, abs(high - max(position, low)))

    def _told(self, error: KafkaError) -> Failed:
        from confluent_kafka import KafkaError

        denied = (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            KafkaError.SASL_AUTHENTICATION_FAILED,
            KafkaError._AUTHENTICATION,
        )
        if error.code() in denied:
            return Permanent(f"{self.name}: {error.str()}", remedy="Give the role kafka-cluster:ReadData on the topic.")
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            return Permanent(f"{self.name}: {error.str()}", remedy="Look at the topic's name and the cluster.")
        return StreamUnavailable(f"{self.name}: {error.str()}", remedy="It is read again later.")


def _record(message: Any) -> Record:
    kind, moment = message.timestamp()
    key = message.key()
    # Without a timestamp (before Kafka 0.10) the record arrived when it was read.
    arrived = datetime.fromtimestamp(moment / 1000, UTC) if kind else datetime.now(UTC)
    return Record(
        str(message.offset()),
        0,
        None if key is None else key.decode("utf-8", "backslashreplace"),
        arrived.replace(tzinfo=None),
        message.value(),
    )
