"""Events of new revisions: EventBridge sends them to an SQS queue, and a sensor takes them from there.

An event only says that it is time to look: what there is to export is always asked of Data Exchange, so an event that
comes twice, late or not at all changes nothing. Source of the format: the user guide of AWS Data Exchange, `Revision
Published To Data Set` (the data set stands in `resources`, the revisions in `detail.RevisionIds`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["Received", "RevisionEvents", "published"]

PUBLISHED = "Revision Published To Data Set"


@dataclass(frozen=True, slots=True)
class Received:
    """Messages taken from the queue: `data_sets` that they name, `receipts` to remove them by, and how many were no
    event of a revision."""

    data_sets: frozenset[str]
    receipts: tuple[str, ...]
    strange: int


def published(body: str) -> tuple[str, tuple[str, ...]] | None:
    """Data set and revisions that an event tells of; None where the text is no such event."""
    try:
        event = json.loads(body)
        if event["source"] != "aws.dataexchange" or event["detail-type"] != PUBLISHED:
            return None
        revisions = event["detail"]["RevisionIds"]
        if not isinstance(revisions, list) or not all(isinstance(one, str) for one in revisions):
            return None
        return str(event["resources"][0]), tuple(revisions)
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return None


class RevisionEvents:
    """One queue."""

    def __init__(self, client: SQSClient, queue_url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._url, self._clock = client, queue_url, clock

    def receive(self, budget_seconds: float, most: int = 500) -> Received:
        """Take what is there, at most `most` messages, until the time is over. They stay in the queue, out of sight,
        until they are removed or come back by themselves."""
        until = self._clock() + budget_seconds
        data_sets: set[str] = set()
        receipts: list[str] = []
        strange = 0
        while len(receipts) < most and self._clock() < until:
            page = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
            messages = page.get("Messages", [])
            for message in messages:
                found = published(message.get("Body", ""))
                if found is None:
                    strange += 1
                else:
                    data_sets.add(found[0])
                receipts.append(message["ReceiptHandle"])
            if not messages:
                break
        return Received(frozenset(data_sets), tuple(receipts), strange)

    def remove(self, received: Received) -> None:
        """Remove the messages: what they told of is known."""
        for first in range(0, len(received.receipts), 10):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(received.receipts[first : first + 10])
            ]
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
