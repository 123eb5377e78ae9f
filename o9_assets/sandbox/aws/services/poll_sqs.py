"""A queue that invokes a function: what succeeded is deleted, what failed comes again when it is visible again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.services.lambda_ import Lambda

__all__ = ["QueuePoller"]


class QueuePoller:
    """Takes up to BatchSize messages at a time (10 at most; AWS waits for more)."""

    def __init__(self, owner: Lambda, mapping: dict[str, Any]) -> None:
        self._owner, self._mapping = owner, mapping
        *_, self._region, _account, name = mapping["EventSourceArn"].split(":")
        self._sqs = owner.twin.client("sqs", region_name=self._region)
        self._url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def poll(self) -> str | None:
        messages = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(10, self._mapping["BatchSize"]),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return None
        event = {"Records": [self._record(message) for message in messages]}
        outcome = self._owner.invoke_now(self._mapping["FunctionArn"], event)
        if outcome.failed:
            return "PROBLEM: Function call failed"
        failed = self._failed(outcome.payload) & {m["MessageId"] for m in messages}
        for message in messages:
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return "PROBLEM: Function reported failures" if failed else "OK"

    def _failed(self, payload: str) -> set[str]:
        """Messages that the function reports as failed, where the mapping lets it."""
        if "ReportBatchItemFailures" not in self._mapping.get("FunctionResponseTypes", ()):
            return set()
        answer = json.loads(payload)
        reported = (answer or {}).get("batchItemFailures") or []
        return {item["itemIdentifier"] for item in reported}

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        attributes = {
            name: {
                "dataType": value["DataType"],
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": attributes,
            "md5OfBody": hashlib.md5(message["Body"].encode()).hexdigest(),  # noqa: S324 - as SQS does
            "eventSource": "aws:sqs",
            "eventSourceARN": self._mapping["EventSourceArn"],
            "awsRegion": self._region,
        }
