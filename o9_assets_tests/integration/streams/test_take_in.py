"""Events from Kinesis: every record in raw or in quarantine, once, whatever happens to shards and runs."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from o9_assets.failures import Permanent
from o9_assets.resources import aws
from o9_assets.resources.aws import Throttled
from o9_assets.resources.streams.kinesis import KinesisReader
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.streams import Streaming, event, packed

pytestmark = pytest.mark.aws

HALF = str(2**127)


def numbers(first: int, last: int) -> list[str]:
    return [f"E{n}" for n in range(first, last + 1)]


def test_events_come_with_their_place_in_the_stream(events: Streaming) -> None:
    events.create()
    [sequence] = events.put(event(1, item=" a1 ", at="2026-03-01T12:00:00.250+01:00", price="2.50"), key="S1")
    report = events.take_in()
    assert (report.landed_rows, report.accepted_rows, report.quarantined_rows, report.waiting) == (1, 1, 0, False)
    [row] = events.raw()
    assert row["event_at"] == datetime(2026, 3, 1, 11, 0, 0, 250_000)
    assert (row["event_id"], row["item_code"], row["location_code"]) == ("E1", "A1", "S1")
    assert (row["quantity"], row["unit_price"]) == (Decimal(1), Decimal("2.50"))
    assert (row["partition_name"], row["position"], row["sub_position"]) == ("shardId-000000000000", sequence, 0)
    assert (row["partition_key"], row["op"], row["line"]) == ("S1", "I", 1)
    assert row["object_name"] == f"kinesis/{events.name}/shardId-000000000000/start..{sequence}"
    assert row["changed_at"] == row["arrived_at"]


def test_a_second_run_takes_in_what_is_new_and_a_third_nothing(events: Streaming) -> None:
    events.create()
    events.put(event(1), event(2))
    events.take_in()
    events.put(event(3))
    assert events.take_in().landed_rows == 1
    assert events.take_in().ranges == 0
    assert events.ids() == numbers(1, 3)
    assert [row["landed_rows"] for row in events.manifest()] == [2, 1]
    assert events.account().balanced


def test_a_run_ends_by_its_bounds_and_says_that_more_is_waiting(events: Streaming) -> None:
    events.create()
    events.put(*(event(n) for n in range(1, 8)))
    assert events.take_in(max_records=3).waiting
    assert events.ids() == numbers(1, 3)
    assert not events.take_in().waiting
    assert events.ids() == numbers(1, 7)


def test_poison_goes_to_quarantine_with_its_place(events: Streaming) -> None:
    events.create()
    bad: list[dict[str, Any] | bytes] = [
        b"no json",
        b'["a", "list"]',
        b'{"id": "E\xff"}',
        event(4, qty="many"),
        event(5, item={"code": "a1"}),
        event(6, at="yesterday"),
        {k: v for k, v in event(7).items() if k != "item"},
        event(8, qty=5000),
        event(9, item="a\x00b"),
        b"",
    ]
    sequences = events.put(event(1), *bad, event(2, ship_to={"code": "S2"}))
    report = events.take_in()
    assert (report.landed_rows, report.accepted_rows, report.quarantined_rows) == (12, 2, 10)
    found = [(row["line"], row["reason"], row["column_name"]) for row in events.quarantine()]
    assert found == [
        (2, "not_json", None),
        (3, "not_json", None),
        (4, "not_json", None),
        (5, "not_a_number", "quantity"),
        (6, "not_a_text", "item_code"),
        (7, "not_a_time", "event_at"),
        (8, "missing_value", "item_code"),
        (9, "quantity_out_of_range", None),
        (10, "nul_byte", "item_code"),
        (11, "not_json", None),
    ]
    first = events.quarantine()[0]
    assert first["detail"].endswith(f"(at shardId-000000000000 {sequences[1]})")
    assert first["original_text"] == "no json"
    assert first["object_name"] == f"kinesis/{events.name}/shardId-000000000000/start..{sequences[-1]}"
    assert events.account().balanced
    assert report.reasons["not_json"] == 4


def test_late_out_of_order_and_repeated_events_are_rows_with_both_clocks(events: Streaming) -> None:
    events.create()
    now = datetime.now(UTC)
    early, late = (now - timedelta(minutes=5)).isoformat(), (now - timedelta(hours=3)).isoformat()
    events.put(event(2, at=early), event(1, at=late), event(2, at=early, qty=9))
    events.take_in()
    rows = events.raw("event_id", "quantity", "is_late")
    assert [tuple(row.values()) for row in rows] == [("E2", 2, False), ("E1", 1, True), ("E2", 9, False)]
    assert all(row["arrived_at"] > row["event_at"] for row in events.raw())


def test_records_that_a_producer_packed_are_taken_apart(events: Streaming) -> None:
    events.create()
    payloads = [json.dumps(event(n)).encode() for n in range(1, 4)]
    one, two = events.put(packed(*payloads[:2], b"poison", payloads[2], key="S9"), event(4))
    report = events.take_in(max_records=1)
    # A packed record is never parted: the run goes over its bound instead.
    assert (report.landed_rows, report.waiting) == (4, True)
    events.take_in()
    places = [(r["event_id"], r["position"], r["sub_position"], r["partition_key"]) for r in events.raw()]
    assert places == [("E1", one, 0, "S9"), ("E2", one, 1, "S9"), ("E3", one, 3, "S9"), ("E4", two, 0, "k")]
    assert events.quarantine()[0]["detail"].endswith(f"(at shardId-000000000000 {one}/2)")


def test_a_packed_record_that_is_damaged_is_one_poisoned_record(events: Streaming) -> None:
    events.create()
    whole = packed(json.dumps(event(1)).encode())
    events.put(whole[:-1] + bytes([whole[-1] ^ 1]), event(2))
    assert events.take_in().quarantined_rows == 1
    assert events.ids() == ["E2"]


def test_a_shard_that_is_split_and_merged_during_a_read_loses_and_repeats_nothing(events: Streaming) -> None:
    events.create()
    [root] = [shard.name for shard in events.reader().partitions()]
    events.put(*(event(n) for n in range(1, 6)))
    events.take_in(max_records=2)
    events.kinesis.split_shard(StreamName=events.name, ShardToSplit=root, NewStartingHashKey=HALF)
    events.put(event(6), event(7), ExplicitHashKey="0")
    events.put(event(8), ExplicitHashKey=HALF)
    assert events.take_in(max_records=2).landed_rows == 2
    # The parent is not at its end yet, so that no child was begun.
    assert events.ids() == numbers(1, 4)
    events.take_in()
    assert events.ids() == numbers(1, 8)
    left, right = [shard.name for shard in events.reader().partitions()][1:]
    events.kinesis.merge_shards(StreamName=events.name, ShardToMerge=left, AdjacentShardToMerge=right)
    events.put(event(9))
    events.take_in()
    assert Counter(events.ids()) == Counter(numbers(1, 9))
    assert events.take_in().ranges == 0
    assert events.account().balanced
    ends = {row["object_version"] for row in events.manifest() if row["object_version"].endswith(".end")}
    assert len(ends) == 3


@pytest.mark.faults
def test_an_iterator_that_expires_is_renewed_where_it_stood(events: Streaming, twin: Twin) -> None:
    events.create()
    events.put(event(1))
    with events.reader() as reader:
        assert isinstance(reader, KinesisReader)
        part = reader.read("shardId-000000000000", None, limit=10, seconds=1)
        events.put(event(2))
        twin.faults.add("error", "kinesis", "GetRecords", code="ExpiredIteratorException", first=1)
        following = reader.read("shardId-000000000000", part.position, limit=10, seconds=1)
    assert [json.loads(record.data or b"")["id"] for record in following.records] == ["E2"]


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["throttle", "error500", "reset", "truncate"])
def test_a_stream_that_is_busy_is_waited_for(events: Streaming, twin: Twin, kind: Any) -> None:
    events.create()
    events.put(event(1))
    twin.faults.add(kind, "kinesis", "GetRecords", first=2)
    assert events.take_in().accepted_rows == 1


@pytest.mark.faults
def test_a_stream_that_stays_busy_is_a_passing_error_and_one_that_is_not_there_a_permanent_one(
    events: Streaming, twin: Twin
) -> None:
    time = 0.0

    def sleep(seconds: float) -> None:
        nonlocal time
        time += seconds

    reader = KinesisReader(
        aws.client("kinesis", retries={"total_max_attempts": 1}), events.name, sleep=sleep, clock=lambda: time
    )
    with pytest.raises(Permanent, match=f"kinesis/{events.name}.*not found"):
        reader.partitions()
    events.create()
    twin.faults.add("throttle", "kinesis", "GetRecords")
    with pytest.raises(Throttled, match="ProvisionedThroughputExceeded"):
        reader.read("shardId-000000000000", None, limit=1, seconds=1)
    assert 55 < time < 62


@pytest.mark.faults
def test_records_that_left_the_stream_before_they_were_read_are_told(events: Streaming, twin: Twin) -> None:
    events.create()
    events.now = datetime.now(UTC).replace(tzinfo=None)
    events.put(event(1))
    events.take_in()
    events.put(event(2))
    twin.fakes["kinesis"].trim(events.name, datetime.now(UTC))  # type: ignore[attr-defined]
    events.put(event(3))
    events.now += timedelta(hours=30)
    [gap] = events.take_in().gaps
    assert gap.startswith("shardId-000000000000: records that arrived after ")
    assert events.ids() == ["E1", "E3"]
    assert [row["reason"] for row in events.manifest()] == [None, gap]
    assert events.take_in().gaps == []


def test_a_quiet_stream_whose_last_record_has_left_is_no_gap(events: Streaming, twin: Twin) -> None:
    events.create()
    events.now = datetime.now(UTC).replace(tzinfo=None)
    events.put(event(1))
    events.take_in()
    for _ in range(3):
        events.now += timedelta(hours=11)
        assert events.take_in().gaps == []
    twin.fakes["kinesis"].trim(events.name, datetime.now(UTC))  # type: ignore[attr-defined]
    events.put(event(2))
    assert events.take_in().gaps == []
    assert events.ids() == ["E1", "E2"]
    assert [row["landed_rows"] for row in events.manifest()] == [1, 0, 1]


def test_a_backlog_that_is_still_there_is_no_gap_however_old(events: Streaming) -> None:
    events.create()
    events.now = datetime.now(UTC).replace(tzinfo=None)
    events.put(event(1), event(2))
    events.take_in(max_records=1)
    events.now += timedelta(hours=30)
    assert events.take_in().gaps == []
    assert events.ids() == ["E1", "E2"]
