"""The SQS queue into which the landing zone's bucket tells of new objects."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["LandingQueue", "Message"]

HIDDEN_SECONDS = 60
MOST_MESSAGES = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the queue; `sent_at` in seconds since 1970."""

    body: str
    receipt: str
    sent_at: float


class LandingQueue:
    """The queue at `url`. A message that is received and not deleted comes again after a minute."""

    def __init__(self, url: str, client: SQSClient) -> None:
        self._url = url
        self._client = client

    def receive(self, seconds: float) -> list[Message]:
        """What is in the queue, as far as it can be had within `seconds` and up to 2,000 messages."""
        until = time.monotonic() + seconds
        found: list[Message] = []
        while len(found) < MOST_MESSAGES and (not found or time.monotonic() < until):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=0 if found else 1,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                break
            found += [
                Message(m["Body"], m["ReceiptHandle"], int(m["Attributes"]["SentTimestamp"]) / 1000) for m in messages
            ]
        return found

    def delete(self, messages: Sequence[Message]) -> int:
        """Delete them; returns how many the queue did not, which come again."""
        left = 0
        for start in range(0, len(messages), 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt}
                for number, message in enumerate(messages[start : start + 10])
            ]
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
            left += len(answer.get("Failed", []))
        return left
