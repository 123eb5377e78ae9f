"""Streams behave as a reader meets them on AWS: lineage, expired iterators, trimmed records, order within a shard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.aws.services.kinesis import Kinesis
from o9_assets_tests.aws import unique

pytestmark = pytest.mark.aws

HALF = str(2**127)


@pytest.fixture
def kinesis(twin: Twin) -> Any:
    return boto3.client("kinesis")


@pytest.fixture
def stream(kinesis: Any) -> Iterator[str]:
    name = unique("events")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    kinesis.delete_stream(StreamName=name)


def put(kinesis: Any, stream: str, *texts: str) -> list[dict[str, str]]:
    """Put records, each with itself as its key; where each went."""
    records = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
    answer = kinesis.put_records(StreamName=stream, Records=records)
    assert answer["FailedRecordCount"] == 0
    return list(answer["Records"])


def start(kinesis: Any, stream: str, shard: str, kind: str = "TRIM_HORIZON", **at: Any) -> str:
    answer = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=kind, **at)
    return str(answer["ShardIterator"])


def read(kinesis: Any, stream: str, shard: str) -> tuple[list[str], list[str]]:
    """All that a shard holds, and its children once it is at its end."""
    found, iterator = [], start(kinesis, stream, shard)
    while True:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=2)
        found += [record["Data"].decode() for record in answer["Records"]]
        if "NextShardIterator" not in answer:
            return found, [child["ShardId"] for child in answer["ChildShards"]]
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return found, []
        iterator = answer["NextShardIterator"]


def test_records_come_in_the_order_in_which_they_were_put(kinesis: Any, stream: str) -> None:
    where = put(kinesis, stream, "a", "b", "c", "ü\n")
    numbers = [int(place["SequenceNumber"]) for place in where]
    assert numbers == sorted(set(numbers))
    assert {len(place["SequenceNumber"]) for place in where} == {56}
    iterator = start(kinesis, stream, "shardId-000000000000")
    before = datetime.now(UTC) - timedelta(minutes=1)
    answer = kinesis.get_records(ShardIterator=iterator)
    assert [(r["Data"].decode(), r["PartitionKey"], int(r["SequenceNumber"])) for r in answer["Records"]] == list(
        zip(["a", "b", "c", "ü\n"], ["a", "b", "c", "ü\n"], numbers, strict=True)
    )
    assert all(before < r["ApproximateArrivalTimestamp"] < before + timedelta(minutes=2) for r in answer["Records"])
    assert answer["MillisBehindLatest"] == 0


def test_an_iterator_starts_at_after_or_by_time(kinesis: Any, stream: str) -> None:
    where = put(kinesis, stream, "a", "b", "c")
    at = {"StartingSequenceNumber": where[1]["SequenceNumber"]}

    def first(kind: str, **at: Any) -> list[str]:
        iterator = start(kinesis, stream, "shardId-000000000000", kind, **at)
        return [r["Data"].decode() for r in kinesis.get_records(ShardIterator=iterator)["Records"]]

    assert first("AT_SEQUENCE_NUMBER", **at) == ["b", "c"]
    assert first("AFTER_SEQUENCE_NUMBER", **at) == ["c"]
    assert first("LATEST") == []
    assert first("AT_TIMESTAMP", Timestamp=datetime.now(UTC) - timedelta(hours=1)) == ["a", "b", "c"]
    assert first("AT_TIMESTAMP", Timestamp=datetime.now(UTC) + timedelta(hours=1)) == []
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="did not come from"):
        first("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber="1")


def test_a_split_leaves_the_parent_its_records_and_names_the_children(kinesis: Any, stream: str) -> None:
    put(kinesis, stream, "a", "b", "c")
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=HALF)
    after = put(kinesis, stream, *(str(n) for n in range(20)))
    assert {place["ShardId"] for place in after} == {"shardId-000000000001", "shardId-000000000002"}
    found, children = read(kinesis, stream, "shardId-000000000000")
    assert (found, children) == (["a", "b", "c"], ["shardId-000000000001", "shardId-000000000002"])
    both = [read(kinesis, stream, child)[0] for child in children]
    assert sorted(both[0] + both[1], key=int) == [str(n) for n in range(20)]
    parent, one, two = kinesis.list_shards(StreamName=stream)["Shards"]
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
    assert one["ParentShardId"] == two["ParentShardId"] == "shardId-000000000000"
    assert int(two["HashKeyRange"]["StartingHashKey"]) == int(one["HashKeyRange"]["EndingHashKey"]) + 1 == 2**127
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=HALF)


def test_a_merge_names_both_parents(kinesis: Any, stream: str) -> None:
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    open_ones = [
        s["ShardId"] for s in kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    ]
    assert open_ones == ["shardId-000000000001", "shardId-000000000002"]
    kinesis.merge_shards(StreamName=stream, ShardToMerge=open_ones[0], AdjacentShardToMerge=open_ones[1])
    merged = kinesis.list_shards(StreamName=stream)["Shards"][-1]
    assert (merged["ParentShardId"], merged["AdjacentParentShardId"]) == tuple(open_ones)
    assert merged["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}


def test_shards_come_in_pages(kinesis: Any, stream: str) -> None:
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    first = kinesis.list_shards(StreamName=stream, MaxResults=2)
    rest = kinesis.list_shards(NextToken=first["NextToken"])
    assert [s["ShardId"][-1] for s in first["Shards"] + rest["Shards"]] == ["0", "1", "2"]
    assert "NextToken" not in rest


@pytest.mark.faults
def test_an_iterator_expires(twin: Twin, kinesis: Any, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(kinesis, stream, "a")
    iterator = start(kinesis, stream, "shardId-000000000000")
    fake = twin.fakes["kinesis"]
    assert isinstance(fake, Kinesis)
    monkeypatch.setattr(fake, "iterator_seconds", -1)
    with pytest.raises(kinesis.exceptions.ExpiredIteratorException):
        kinesis.get_records(ShardIterator=iterator)


@pytest.mark.faults
def test_records_older_than_the_retention_are_gone_without_a_word(twin: Twin, kinesis: Any, stream: str) -> None:
    old = put(kinesis, stream, "a", "b")
    fake = twin.fakes["kinesis"]
    assert isinstance(fake, Kinesis)
    fake.trim(stream, datetime.now(UTC))
    put(kinesis, stream, "c")
    assert read(kinesis, stream, "shardId-000000000000")[0] == ["c"]
    at = {"StartingSequenceNumber": old[0]["SequenceNumber"]}
    iterator = start(kinesis, stream, "shardId-000000000000", "AFTER_SEQUENCE_NUMBER", **at)
    assert [r["Data"] for r in kinesis.get_records(ShardIterator=iterator)["Records"]] == [b"c"]


def test_a_stream_that_is_not_there(kinesis: Any) -> None:
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.list_shards(StreamName="nothing")
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="malformed"):
        kinesis.get_records(ShardIterator="nonsense")
