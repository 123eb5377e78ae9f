"""Events from Kafka: offsets of ours, holes that are normal, tombstones. The broker is librdkafka's mock cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from o9_assets.failures import Permanent
from o9_assets.resources.streams import Reader, open_reader
from o9_assets_tests.aws import unique
from o9_assets_tests.streams import EVENTS, Streaming, event


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """host:port of a broker."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "log_level": 0})
    [broker] = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    owner.flush(1)


class Topic(Streaming):
    """A stream that is a topic."""

    brokers: str

    def reader(self) -> Reader:
        return open_reader(self.stream)

    def produce(self, *transactions: list[tuple[str | None, bytes | None]], partition: int = 0) -> None:
        """Records of committed transactions: each ends with a mark of its own, which takes an offset."""
        for records in transactions:
            producer = Producer({"bootstrap.servers": self.brokers, "transactional.id": unique("t"), "log_level": 0})
            producer.init_transactions(10)
            producer.begin_transaction()
            for key, value in records:
                producer.produce(self.name, value, key=key, partition=partition)
            producer.commit_transaction(10)


@pytest.fixture
def topic(cluster: str, tmp_path: Path) -> Topic:
    text = EVENTS.replace("kind: kinesis", f'kind: kafka\n    brokers: "{cluster}"\n    auth: none')
    made = Topic(tmp_path, text=text, name=unique("topic"))
    made.brokers = cluster
    Producer({"bootstrap.servers": cluster, "log_level": 0}).list_topics(made.name, timeout=10)
    return made


def line(number: int) -> bytes:
    return json.dumps(event(number)).encode()


def test_records_of_all_partitions_come_once_in_order(topic: Topic) -> None:
    topic.produce([("a", line(1)), ("a", line(2))])
    topic.produce([("b", line(3))], partition=2)
    assert topic.take_in().accepted_rows == 3
    topic.produce([("a", line(4))])
    assert topic.take_in().accepted_rows == 1
    assert topic.take_in().ranges == 0
    rows = [(r["partition_name"], r["position"], r["event_id"], r["partition_key"]) for r in topic.raw()]
    # The transaction's mark took offset 2.
    assert rows == [("0", "0", "E1", "a"), ("0", "1", "E2", "a"), ("0", "3", "E4", "a"), ("2", "0", "E3", "b")]
    assert topic.account().balanced


def test_holes_as_compaction_leaves_them_are_neither_waited_for_nor_told(topic: Topic) -> None:
    topic.produce([("a", line(1))], [("a", line(2))], [("a", line(3))])
    report = topic.take_in(max_records=2)
    assert (report.landed_rows, report.waiting, report.gaps) == (2, True, [])
    topic.take_in()
    assert [r["position"] for r in topic.raw()] == ["0", "2", "4"]
    with topic.reader() as reader:
        # What follows the last record is a mark, which is no record.
        assert not any(lag.waiting for lag in reader.lag({"0": "6"}, seconds=30).found.values() if lag.records)
    assert topic.manifest()[-1]["object_version"] == "6"


def test_a_tombstone_takes_its_event_back(topic: Topic) -> None:
    topic.produce([("E1", line(1)), ("E1", None), (None, None)])
    report = topic.take_in()
    assert (report.accepted_rows, report.quarantined_rows) == (2, 1)
    assert [(r["event_id"], r["op"], r["item_code"], r["line"]) for r in topic.raw()] == [
        ("E1", "I", "A1", 1),
        ("E1", "D", None, 2),
    ]
    assert [(r["line"], r["reason"]) for r in topic.quarantine()] == [(3, "no_payload")]
    assert topic.account().balanced


def test_tombstones_are_set_aside_where_the_settings_say_so(topic: Topic) -> None:
    topic.settings = Topic(topic.home, text=topic.text + "    tombstones: set_aside\n", name=topic.name).settings
    topic.produce([("E1", None)])
    report = topic.take_in()
    assert (report.accepted_rows, report.reasons["no_payload"]) == (0, 1)


@pytest.mark.faults
def test_a_topic_that_was_made_anew_is_read_from_its_start_and_told(topic: Topic) -> None:
    topic.produce([("a", line(1))])
    with topic.reader() as reader:
        part = reader.read("0", "500", limit=10, seconds=5)
    assert [json.loads(r.data or b"")["id"] for r in part.records] == ["E1"]
    assert (
        part.gap
        == "partition 0: offsets from 500 after 2, for the topic was made anew, were gone before they were read"
    )


@pytest.mark.faults
def test_a_partition_that_is_not_there_is_a_permanent_error(topic: Topic) -> None:
    with topic.reader() as reader, pytest.raises(Permanent, match="Look at the topic's name"):
        reader.read("99", "0", limit=1, seconds=5)
