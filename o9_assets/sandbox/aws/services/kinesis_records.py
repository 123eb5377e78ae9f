"""Records of a Kinesis stream: put, and read with iterators that expire."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from o9_assets.sandbox.aws.codec import Answer
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.services.kinesis_shards import Shard, Stream

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["KinesisRecords", "bad", "token", "untoken"]

MOST_RECORDS, MOST_BYTES = 10_000, 10 << 20


class KinesisRecords(Fake):
    """Streams by region and name, and what is in them. For tests: `iterator_seconds`, `trim`."""

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

    # Records

    def put_record(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            stream = self._stream(request, call)
            shard, number = stream.put(request["Data"], request["PartitionKey"], request.get("ExplicitHashKey"))
        return {"ShardId": shard, "SequenceNumber": number, "EncryptionType": stream.encryption["EncryptionType"]}

    def put_records(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        records = request["Records"]
        if len(records) > 500:
            raise bad("PutRecords takes at most 500 records.")
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
                        raise bad(f"StartingSequenceNumber {number!r} is no sequence number.")
                    if int(number) < shard.start or (shard.end is not None and int(number) > shard.end):
                        raise bad(f"StartingSequenceNumber {number} did not come from {shard.id}.")
                    after = int(number) - (kind == "AT_SEQUENCE_NUMBER")
            return {"ShardIterator": self._iterator(stream, shard, after)}

    def get_records(self, request: dict[str, Any], call: Call) -> Answer:
        """Serialised when they were put: a reader gets tens of thousands of records a second."""
        name, shard_id, after, made = untoken(request["ShardIterator"])
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
        return token(stream.name, shard.id, str(after), f"{time.time():.3f}")


def token(*parts: str) -> str:
    return base64.b64encode(json.dumps(parts).encode()).decode()


def untoken(given: str) -> list[str]:
    try:
        return [str(part) for part in json.loads(base64.b64decode(given, validate=True))]
    except (binascii.Error, ValueError, TypeError) as wrong:
        raise bad("The iterator or token is malformed.") from wrong


def bad(message: str) -> ServiceError:
    return ServiceError("InvalidArgumentException", message)


def _none(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)
