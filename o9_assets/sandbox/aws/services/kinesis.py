"""Kinesis Data Streams: shards with their lineage, iterators that expire, records that are trimmed.

moto's resharding moves records into the new shards, its iterators never expire and its sequence numbers start at 1; a
reader proven against that proves nothing. What is in a stream is gone with the process.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from o9_assets.sandbox.aws.codec import Answer
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.services.kinesis_shards import KEYS, Shard, Stream, now

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Kinesis"]

MOST_RECORDS, MOST_BYTES = 10_000, 10 << 20


class Kinesis(Fake):
    """Streams by region and name. For tests: `iterator_seconds`, `trim`."""

    service = "kinesis"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.iterator_seconds = 300.0
        """How long an iterator may be used."""
        self._streams: dict[tuple[str, str], Stream] = {}
        self._lock = threading.RLock()

    def trim(self, name: str, before: datetime, *, region: str | None = None) -> None:
        """Let records that arrived before be gone, as if the retention had passed."""
        with self._lock:
            self._streams[region or self.twin.region, name].horizon = before.timestamp()

    # Streams

    def create_stream(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name, mode = request["StreamName"], request.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        count = 4 if mode == "ON_DEMAND" else request.get("ShardCount", 1)
        with self._lock:
            if (call.region, name) in self._streams:
                raise ServiceError("ResourceInUseException", f"Stream {name} under account {call.account} exists.")
            arn = f"arn:aws:kinesis:{call.region}:{call.account}:stream/{name}"
            stream = Stream(name, arn, now(), mode, tags=dict(request.get("Tags", {})))
            for first, last in _even(count):
                stream.add_shard(first, last)
            self._streams[call.region, name] = stream
        return {}

    def delete_stream(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            del self._streams[call.region, self._stream(request, call).name]
        return {}

    def list_streams(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        after = request.get("ExclusiveStartStreamName") or request.get("NextToken") or ""
        with self._lock:
            found = [s for (region, name), s in sorted(self._streams.items()) if region == call.region and name > after]
        limit = request.get("Limit", 100)
        page = found[:limit]
        more = len(found) > limit
        return {
            "StreamNames": [s.name for s in page],
            "HasMoreStreams": more,
            "NextToken": page[-1].name if more else None,
            "StreamSummaries": [
                {
                    "StreamName": s.name,
                    "StreamARN": s.arn,
                    "StreamStatus": "ACTIVE",
                    "StreamModeDetails": {"StreamMode": s.mode},
                    "StreamCreationTimestamp": s.created,
                }
                for s in page
            ],
        }

    def describe_stream(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            page, more = _page(stream.listed(), request.get("ExclusiveStartShardId"), request.get("Limit", 100))
            return {
                "StreamDescription": {
                    **self._described(stream),
                    "Shards": [shard.told() for shard in page],
                    "HasMoreShards": more,
                }
            }

    def describe_stream_summary(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            summary = {**self._described(stream), "OpenShardCount": len(stream.open_shards()), "ConsumerCount": 0}
        return {"StreamDescriptionSummary": summary}

    @staticmethod
    def _described(stream: Stream) -> dict[str, Any]:
        return {
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": stream.mode},
            "RetentionPeriodHours": stream.retention_hours,
            "StreamCreationTimestamp": stream.created,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            **stream.encryption,
        }

    def increase_stream_retention_period(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self._retention(request, call, longer=True)

    def decrease_stream_retention_period(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self._retention(request, call, longer=False)

    def _retention(self, request: dict[str, Any], call: Call, *, longer: bool) -> dict[str, Any]:
        hours = request["RetentionPeriodHours"]
        with self._lock:
            stream = self._stream(request, call)
            if not 24 <= hours <= 8760 or (hours < stream.retention_hours) == longer:
                raise _bad(f"Retention cannot go from {stream.retention_hours} to {hours} hours by this call.")
            stream.retention_hours = hours
        return {}

    def start_stream_encryption(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            stream.encryption = {"EncryptionType": request["EncryptionType"], "KeyId": request["KeyId"]}
        return {}

    # Shards

    def list_shards(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        after: str | None
        if token := request.get("NextToken"):
            name, after, kind = _untoken(token)
            request = {"StreamName": name, "ShardFilter": json.loads(kind) or None, **_limit(request)}
        else:
            after = request.get("ExclusiveStartShardId")
        with self._lock:
            stream = self._stream(request, call)
            wanted = request.get("ShardFilter") or {}
            shards = _filtered(stream, wanted)
            page, more = _page(shards, after, request.get("MaxResults", 1000))
            plain = {k: v for k, v in wanted.items() if k != "Timestamp"}
            token = _token(stream.name, page[-1].id, json.dumps(plain)) if more else None
            return {"Shards": [shard.told() for shard in page], "NextToken": token}

    def split_shard(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            shard = self._open(stream, request["ShardToSplit"])
            key = int(request["NewStartingHashKey"])
            if not shard.first_key < key <= shard.last_key:
                raise _bad(f"NewStartingHashKey {key} is not within {shard.id}.")
            self._split(stream, shard, key)
        return {}

    def merge_shards(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            self._merge(stream, *(self._open(stream, request[n]) for n in ("ShardToMerge", "AdjacentShardToMerge")))
        return {}

    def update_shard_count(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        """Splits the widest or merges the narrowest neighbours until there are as many open shards as asked for."""
        target = request["TargetShardCount"]
        with self._lock:
            stream = self._stream(request, call)
            before = len(stream.open_shards())
            if not before / 2 <= target <= before * 2:
                raise ServiceError("LimitExceededException", f"{before} shards can at most be doubled or halved.")
            while (now_open := stream.open_shards()) and len(now_open) < target:
                widest = max(now_open, key=lambda s: s.last_key - s.first_key)
                self._split(stream, widest, (widest.first_key + widest.last_key + 1) // 2)
            while len(now_open := stream.open_shards()) > target:
                pairs = pairwise(now_open)
                self._merge(stream, *min(pairs, key=lambda p: p[1].last_key - p[0].first_key))
        return {
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "CurrentShardCount": before,
            "TargetShardCount": target,
        }

    @staticmethod
    def _split(stream: Stream, shard: Shard, key: int) -> None:
        stream.close(shard)
        stream.add_shard(shard.first_key, key - 1, (shard,))
        stream.add_shard(key, shard.last_key, (shard,))

    @staticmethod
    def _merge(stream: Stream, one: Shard, other: Shard) -> None:
        low, high = sorted((one, other), key=lambda s: s.first_key)
        if low.last_key + 1 != high.first_key:
            raise _bad(f"{one.id} and {other.id} are not adjacent.")
        stream.close(one)
        stream.close(other)
        stream.add_shard(low.first_key, high.last_key, (one, other))

    # Records

    def put_record(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            shard, number = stream.put(request["Data"], request["PartitionKey"], request.get("ExplicitHashKey"))
        return {"ShardId": shard, "SequenceNumber": number, "EncryptionType": stream.encryption["EncryptionType"]}

    def put_records(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        records = request["Records"]
        if len(records) > 500:
            raise _bad("PutRecords takes at most 500 records.")
        with self._lock:
            stream = self._stream(request, call)
            taken = [stream.put(r["Data"], r["PartitionKey"], r.get("ExplicitHashKey")) for r in records]
        return {
            "FailedRecordCount": 0,
            "Records": [{"ShardId": shard, "SequenceNumber": number} for shard, number in taken],
            "EncryptionType": stream.encryption["EncryptionType"],
        }

    def get_shard_iterator(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            shard = stream.trimmed(self._shard(stream, request["ShardId"]))
            match request["ShardIteratorType"]:
                case "TRIM_HORIZON":
                    after = 0
                case "LATEST":
                    after = shard.last()
                case "AT_TIMESTAMP":
                    after = shard.at_time(request["Timestamp"].timestamp())
                case kind:
                    number = request.get("StartingSequenceNumber", "")
                    if not re.fullmatch(r"\d{1,128}", number):
                        raise _bad(f"StartingSequenceNumber {number!r} is no sequence number.")
                    if int(number) < shard.start or (shard.end is not None and int(number) > shard.end):
                        raise _bad(f"StartingSequenceNumber {number} did not come from {shard.id}.")
                    after = int(number) - (kind == "AT_SEQUENCE_NUMBER")
            return {"ShardIterator": self._iterator(stream, shard, after)}

    def get_records(self, request: dict[str, Any], call: Call) -> Answer:
        """Serialised when they were put: a reader gets tens of thousands of records a second."""
        name, shard_id, after, made = _untoken(request["ShardIterator"])
        if time.time() - float(made) > self.iterator_seconds:
            raise ServiceError("ExpiredIteratorException", f"Iterator expired. It was made at {made}; now is later.")
        with self._lock:
            stream = self._stream({"StreamName": name}, call)
            shard = stream.trimmed(self._shard(stream, shard_id))
            start = shard.after(int(after))
            stop = min(start + request.get("Limit", MOST_RECORDS), len(shard.texts))
            texts: list[str] = []
            size = 0
            for text in shard.texts[start:stop]:
                size += len(text) * 3 // 4
                if texts and size > MOST_BYTES:
                    break
                texts.append(text)
            stop = start + len(texts)
            rest: dict[str, Any] = {}
            finished = shard.end is not None and stop == len(shard.texts)
            if finished:
                rest["ChildShards"] = [
                    {"ShardId": c.id, "ParentShards": list(c.parents), "HashKeyRange": c.told()["HashKeyRange"]}
                    for c in stream.children(shard)
                ]
            else:
                last = shard.numbers[stop - 1] if texts else int(after)
                rest["NextShardIterator"] = self._iterator(stream, shard, last)
            behind = time.time() - shard.arrived[stop] if stop < len(shard.texts) else 0
            rest["MillisBehindLatest"] = int(behind * 1000)
        body = f'{{"Records":[{",".join(texts)}],{json.dumps(rest)[1:]}'
        return Answer(200, body.encode(), {"Content-Type": "application/x-amz-json-1.1"})

    # Tags

    def add_tags_to_stream(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            self._stream(request, call).tags.update(request["Tags"])
        return {}

    def remove_tags_from_stream(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            tags = self._stream(request, call).tags
            for key in request["TagKeys"]:
                tags.pop(key, None)
        return {}

    def list_tags_for_stream(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            tags = sorted(self._stream(request, call).tags.items())
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags], "HasMoreTags": False}

    # What is meant

    def _stream(self, request: dict[str, Any], call: Call) -> Stream:
        name = request.get("StreamName") or request.get("StreamARN", "").rpartition("/")[2]
        stream = self._streams.get((call.region, name))
        if stream is None:
            raise _none(f"Stream {name} under account {call.account} not found.")
        return stream

    @staticmethod
    def _shard(stream: Stream, shard_id: str) -> Shard:
        if shard_id not in stream.shards:
            raise _none(f"Shard {shard_id} in stream {stream.name} does not exist")
        return stream.shards[shard_id]

    def _open(self, stream: Stream, shard_id: str) -> Shard:
        shard = self._shard(stream, shard_id)
        if shard.end is not None:
            raise ServiceError("ResourceInUseException", f"{shard_id} has been split or merged already.")
        return shard

    @staticmethod
    def _iterator(stream: Stream, shard: Shard, after: int) -> str:
        return _token(stream.name, shard.id, str(after), f"{time.time():.3f}")


def _filtered(stream: Stream, wanted: dict[str, Any]) -> list[Shard]:
    shards = stream.listed()
    match wanted.get("Type"):
        case "AT_LATEST":
            return [s for s in shards if s.end is None]
        case "AFTER_SHARD_ID":
            return [s for s in shards if s.id > wanted["ShardId"]]
        case "AT_TIMESTAMP" | "FROM_TIMESTAMP" if "Timestamp" in wanted:
            moment = wanted["Timestamp"].timestamp()
            return [s for s in shards if s.closed_at is None or s.closed_at >= moment]
    return shards


def _page(shards: list[Shard], after: str | None, limit: int) -> tuple[list[Shard], bool]:
    rest = [s for s in shards if after is None or s.id > after]
    return rest[:limit], len(rest) > limit


def _even(count: int) -> list[tuple[int, int]]:
    bounds = [KEYS * n // count for n in range(count + 1)]
    return [(first, last - 1) for first, last in pairwise(bounds)]


def _limit(request: dict[str, Any]) -> dict[str, Any]:
    return {"MaxResults": request["MaxResults"]} if "MaxResults" in request else {}


def _token(*parts: str) -> str:
    return base64.b64encode(json.dumps(parts).encode()).decode()


def _untoken(token: str) -> list[str]:
    try:
        return [str(part) for part in json.loads(base64.b64decode(token, validate=True))]
    except (binascii.Error, ValueError, TypeError) as wrong:
        raise _bad("The iterator or token is malformed.") from wrong


def _bad(message: str) -> ServiceError:
    return ServiceError("InvalidArgumentException", message)


def _none(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)
