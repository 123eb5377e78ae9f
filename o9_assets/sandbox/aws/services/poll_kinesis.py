"""A stream that invokes a function: batches in order within a shard, parents before children.

A failed batch is tried again and holds its shard up, until it succeeds or the mapping's limits are reached; then it
goes to the failure destination, if there is one, and the shard goes on. Halving a batch counts as no attempt.
"""

from __future__ import annotations

import base64
import json
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.services.lambda_ import Lambda

__all__ = ["StreamPoller"]

Records = list[dict[str, Any]]


@dataclass
class _Batch:
    records: Records
    attempts: int = 0


@dataclass
class _Shard:
    """Where a shard is read: the next iterator, None at its end; what is to be tried comes first."""

    id: str
    parents: tuple[str, ...]
    iterator: str | None
    waiting: deque[_Batch] = field(default_factory=deque)

    @property
    def done(self) -> bool:
        return self.iterator is None and not self.waiting


class StreamPoller:
    """Reads all shards of a stream in turn."""

    def __init__(self, owner: Lambda, mapping: dict[str, Any]) -> None:
        self._owner, self._mapping = owner, mapping
        self._region = mapping["EventSourceArn"].split(":")[3]
        self._stream = mapping["EventSourceArn"].rpartition("/")[2]
        self._kinesis = owner.twin.client("kinesis", region_name=self._region)
        self._shards: dict[str, _Shard] = {}
        self._first = True
        self._discover()

    def poll(self) -> str | None:
        self._discover()
        results = [self._step(shard) for shard in list(self._shards.values()) if self._ready(shard)]
        told = [result for result in results if result is not None]
        return next((result for result in told if result != "OK"), told[0] if told else None)

    def _ready(self, shard: _Shard) -> bool:
        """Not before its parents, as far as they are read at all, are done."""
        return not shard.done and all(self._shards[p].done for p in shard.parents if p in self._shards)

    def _discover(self) -> None:
        found, page = [], self._kinesis.list_shards(StreamName=self._stream)
        found += page["Shards"]
        while token := page.get("NextToken"):
            page = self._kinesis.list_shards(NextToken=token)
            found += page["Shards"]
        for told in found:
            if told["ShardId"] in self._shards:
                continue
            names = ("ParentShardId", "AdjacentParentShardId")
            parents = tuple(told[name] for name in names if name in told)
            # The starting position is for the shards that are there at first; later ones are read from their start.
            kind = self._mapping["StartingPosition"] if self._first else "TRIM_HORIZON"
            at = {"Timestamp": self._mapping["StartingPositionTimestamp"]} if kind == "AT_TIMESTAMP" else {}
            iterator = self._iterator(told["ShardId"], kind, **at)
            self._shards[told["ShardId"]] = _Shard(told["ShardId"], parents, iterator)
        self._first = False

    def _iterator(self, shard: str, kind: str, **at: Any) -> str:
        answer = self._kinesis.get_shard_iterator(StreamName=self._stream, ShardId=shard, ShardIteratorType=kind, **at)
        return str(answer["ShardIterator"])

    def _step(self, shard: _Shard) -> str | None:
        """Read a batch unless one waits, and call the function with it."""
        if not shard.waiting and shard.iterator is not None:
            answer = self._kinesis.get_records(ShardIterator=shard.iterator, Limit=self._mapping["BatchSize"])
            shard.iterator = answer.get("NextShardIterator")
            if answer["Records"]:
                shard.waiting.append(_Batch(answer["Records"]))
        if not shard.waiting:
            return None
        batch = shard.waiting.popleft()
        batch.attempts += 1
        event = {"Records": [self._record(shard.id, record) for record in batch.records]}
        outcome = self._owner.invoke_now(self._mapping["FunctionArn"], event)
        left = batch.records if outcome.failed else self._reported(batch.records, outcome.payload)
        if not left:
            return "OK"
        if len(left) < len(batch.records):
            shard.waiting.appendleft(_Batch(left))  # what came before the first reported one is done
        elif self._mapping.get("BisectBatchOnFunctionError") and len(left) > 1:
            middle = len(left) // 2
            shard.waiting.extendleft([_Batch(left[middle:]), _Batch(left[:middle])])
        elif (exhausted := self._exhausted(batch)) is not None:
            self._give_up(shard, batch, exhausted)
        else:
            shard.waiting.appendleft(batch)
        return "PROBLEM: Function call failed"

    def _reported(self, records: Records, payload: str) -> Records:
        """What is left to do from the first record on that the function reports as failed."""
        if "ReportBatchItemFailures" not in self._mapping.get("FunctionResponseTypes", ()):
            return []
        reported = (json.loads(payload) or {}).get("batchItemFailures") or []
        failed = {item["itemIdentifier"] for item in reported}
        places = [n for n, record in enumerate(records) if record["SequenceNumber"] in failed]
        return records[places[0] :] if places else []

    def _exhausted(self, batch: _Batch) -> str | None:
        """Why a batch is not tried again; None where it is."""
        most, oldest = self._mapping["MaximumRetryAttempts"], self._mapping.get("MaximumRecordAgeInSeconds", -1)
        if most >= 0 and batch.attempts > most:
            return "RetryAttemptsExhausted"
        age = time.time() - batch.records[0]["ApproximateArrivalTimestamp"].timestamp()
        return "RecordAgeExceeded" if oldest >= 0 and age > oldest else None

    def _give_up(self, shard: _Shard, batch: _Batch, why: str) -> None:
        target = self._mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if not target:
            return
        first, last = batch.records[0], batch.records[-1]
        message = {
            "requestContext": {
                "functionArn": self._mapping["FunctionArn"],
                "condition": why,
                "approximateInvokeCount": batch.attempts,
            },
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "KinesisBatchInfo": {
                "shardId": shard.id,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": first["ApproximateArrivalTimestamp"].isoformat(),
                "approximateArrivalOfLastRecord": last["ApproximateArrivalTimestamp"].isoformat(),
                "batchSize": len(batch.records),
                "streamArn": self._mapping["EventSourceArn"],
            },
        }
        self._owner.twin.send(target, json.dumps(message))

    def _record(self, shard: str, record: dict[str, Any]) -> dict[str, Any]:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": record["SequenceNumber"],
                "data": base64.b64encode(record["Data"]).decode(),
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{self._owner.twin.account}:role/sandbox",
            "awsRegion": self._region,
            "eventSourceARN": self._mapping["EventSourceArn"],
        }
