"""Kinesis Data Streams: shards with their lineage, iterators that expire, records that are trimmed.

moto's resharding moves records into the new shards, its iterators never expire and its sequence numbers start at 1; a
reader proven against that proves nothing. What is in a stream is gone with the process.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from o9_assets.sandbox.aws.fake import Call, ServiceError
from o9_assets.sandbox.aws.services.kinesis_records import KinesisRecords, bad, token, untoken
from o9_assets.sandbox.aws.services.kinesis_shards import KEYS, Shard, Stream, now

__all__ = ["Kinesis"]


class Kinesis(KinesisRecords):
    """Streams and their shards."""

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
                raise bad(f"Retention cannot go from {stream.retention_hours} to {hours} hours by this call.")
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
        if given := request.get("NextToken"):
            name, after, kind = untoken(given)
            request = {"StreamName": name, "ShardFilter": json.loads(kind) or None, **_limit(request)}
        else:
            after = request.get("ExclusiveStartShardId")
        with self._lock:
            stream = self._stream(request, call)
            wanted = request.get("ShardFilter") or {}
            shards = _filtered(stream, wanted)
            page, more = _page(shards, after, request.get("MaxResults", 1000))
            plain = {k: v for k, v in wanted.items() if k != "Timestamp"}
            following = token(stream.name, page[-1].id, json.dumps(plain)) if more else None
            return {"Shards": [shard.told() for shard in page], "NextToken": following}

    def split_shard(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            shard = self._open(stream, request["ShardToSplit"])
            key = int(request["NewStartingHashKey"])
            if not shard.first_key < key <= shard.last_key:
                raise bad(f"NewStartingHashKey {key} is not within {shard.id}.")
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
            raise bad(f"{one.id} and {other.id} are not adjacent.")
        stream.close(one)
        stream.close(other)
        stream.add_shard(low.first_key, high.last_key, (one, other))

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
