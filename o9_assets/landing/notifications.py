"""What S3 tells of new objects: event notifications as they come out of a queue.

Directly from the bucket ("Event message structure" in Amazon S3's documentation), through SNS, or through EventBridge.
Events come late, twice and out of order, and some never come: they only make the platform look sooner.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

__all__ = ["Created", "NoEvent", "created"]


class NoEvent(Exception):
    """A message that is none of S3's."""


@dataclass(frozen=True, slots=True)
class Created:
    """An object that came into a bucket: its key, and its ETag without quotes ('' where the event tells none)."""

    bucket: str
    key: str
    etag: str


def created(body: str) -> list[Created]:
    """The objects that a message tells of; none for S3's test event and for removals. Raises NoEvent."""
    try:
        told = json.loads(body)
        if isinstance(told, dict) and told.get("Type") == "Notification":  # the envelope of SNS
            told = json.loads(told["Message"])
        if not isinstance(told, dict):
            raise NoEvent(f"no object: {body[:200]}")
        if told.get("Event") == "s3:TestEvent":
            return []
        if told.get("source") == "aws.s3":
            return _from_eventbridge(told)
        return [_from_s3(record) for record in told["Records"] if record["eventName"].startswith("ObjectCreated:")]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise NoEvent(f"{error!r} in {body[:200]}") from error


def _from_s3(record: dict[str, Any]) -> Created:
    thing = record["s3"]["object"]
    # The key is coded as in a form: a space is a plus.
    return Created(record["s3"]["bucket"]["name"], unquote_plus(thing["key"]), thing.get("eTag", "").strip('"'))


def _from_eventbridge(event: dict[str, Any]) -> list[Created]:
    if event["detail-type"] != "Object Created":
        return []
    detail = event["detail"]
    return [Created(detail["bucket"]["name"], detail["object"]["key"], detail["object"].get("etag", "").strip('"'))]
