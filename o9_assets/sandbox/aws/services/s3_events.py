"""S3's event notifications: what happened to an object, and who is told.

Queues, topics and functions get S3's own message; EventBridge gets an event of its own form. Deliveries follow the
order of the changes; a target that is not there is logged, as nobody waits for it.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from o9_assets.sandbox.aws import codec
from o9_assets.sandbox.aws.fake import Call, ServiceError
from o9_assets.sandbox.aws.routing import Request, model

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Event", "Notifications", "events_of"]

log = logging.getLogger(__name__)

CREATED = {
    "PutObject": "ObjectCreated:Put",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
}
KINDS = {
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}


@dataclass(frozen=True, slots=True)
class Event:
    """A change. `name` is as S3 names it, without `s3:`; `version` is empty in a bucket without versions."""

    name: str
    bucket: str
    key: str
    version: str
    etag: str
    size: int
    region: str
    principal: str
    at: datetime
    sequencer: str


def events_of(request: Request, call: Call, labels: dict[str, str], answer: codec.Answer) -> Iterator[Event]:
    """What a call that succeeded did to objects."""
    name, key = labels.get("Bucket", ""), labels.get("Key", "")
    if call.operation in CREATED:
        yield _event(CREATED[call.operation], name, key, call)
    elif call.operation == "DeleteObject":
        version = _header(answer, "x-amz-version-id")
        marker = _header(answer, "x-amz-delete-marker") == "true" and not request.arguments.get("versionId")
        yield _event(
            "ObjectRemoved:DeleteMarkerCreated" if marker else "ObjectRemoved:Delete", name, key, call, version
        )
    elif call.operation == "DeleteObjects":
        given = codec.parse(model("s3").operation_model("DeleteObjects"), request, labels, "rest-xml")
        versioned = _versioned(name, call)
        for entry in given["Delete"]["Objects"]:
            marker = versioned and "VersionId" not in entry
            kind = "ObjectRemoved:DeleteMarkerCreated" if marker else "ObjectRemoved:Delete"
            yield _event(kind, name, entry["Key"], call, entry.get("VersionId", ""))


def _header(answer: codec.Answer, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")


def _versioned(bucket: str, call: Call) -> bool:
    from moto.s3.models import s3_backends

    return s3_backends[call.account]["aws"].buckets[bucket].versioning_status is not None


def _event(name: str, bucket: str, key: str, call: Call, version: str = "") -> Event:
    from moto.s3.models import s3_backends

    etag, size = "", 0
    if name.startswith("ObjectCreated"):
        found = s3_backends[call.account]["aws"].buckets[bucket].keys[key]
        etag, size = found.etag.strip('"'), found.size
        version = (found.version_id or "") if _versioned(bucket, call) else ""
    sequencer = f"{time.time_ns():018X}"
    return Event(name, bucket, key, version, etag, size, call.region, call.principal, datetime.now(UTC), sequencer)


class Notifications:
    """Who asked to be told, bucket by bucket."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._known: dict[str, dict[str, Any]] = {}

    def configure(self, bucket: str, wanted: dict[str, Any], *, check: bool) -> None:
        """Raises ServiceError InvalidArgument where a target is not there."""
        for kind, arn in KINDS.items():
            for entry in wanted.get(kind, []):
                entry.setdefault("Id", uuid.uuid4().hex)
                if check:
                    self._check(bucket, kind, entry[arn])
        self._known[bucket] = wanted

    def configured(self, bucket: str) -> dict[str, Any]:
        return self._known.get(bucket, {})

    def _check(self, bucket: str, kind: str, arn: str) -> None:
        """A test event, as S3 sends it to a queue or topic when it is configured."""
        test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": _iso(datetime.now(UTC)), "Bucket": bucket}
        try:
            if kind == "LambdaFunctionConfigurations":
                self._twin.client("lambda").get_function(FunctionName=arn)
            else:
                self._twin.send(arn, json.dumps(test))
        except Exception as wrong:
            message = f"Unable to validate the following destination configurations: {arn}"
            raise ServiceError("InvalidArgument", message) from wrong

    def watches(self, bucket: str) -> bool:
        """Whether anybody asked for a bucket's events."""
        return bool(self._known.get(bucket))

    def deliver(self, event: Event) -> None:
        """Tell all who asked."""
        known = self._known.get(event.bucket, {})
        for kind, identity, arn in self._targets(known, event):
            message = {"Records": [_record(event, identity)]}
            try:
                if kind == "LambdaFunctionConfigurations":
                    self._twin.client("lambda").invoke(
                        FunctionName=arn, InvocationType="Event", Payload=json.dumps(message).encode()
                    )
                else:
                    self._twin.send(arn, json.dumps(message))
            except Exception:
                log.exception("%s of %s did not reach %s", event.name, event.key, arn)
        if "EventBridgeConfiguration" in known:
            self._twin.client("events", region_name=event.region).put_events(Entries=[_for_event_bridge(event)])

    @staticmethod
    def _targets(known: dict[str, Any], event: Event) -> Iterator[tuple[str, str, str]]:
        """Kind, identity and ARN of the targets that want an event."""
        for kind, arn in KINDS.items():
            for entry in known.get(kind, []):
                names = [name.removeprefix("s3:") for name in entry["Events"]]
                told = any(event.name == n or (n.endswith("*") and event.name.startswith(n[:-1])) for n in names)
                rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                if told and all(_matches(rule, event.key) for rule in rules):
                    yield kind, entry["Id"], entry[arn]


def _matches(rule: dict[str, str], key: str) -> bool:
    value = rule["Value"]
    return key.startswith(value) if rule["Name"].lower() == "prefix" else key.endswith(value)


def _record(event: Event, identity: str) -> dict[str, Any]:
    """S3's message, structure version 2.1."""
    found: dict[str, Any] = {"key": quote_plus(event.key, safe="/")}
    if event.name.startswith("ObjectCreated"):
        found |= {"size": event.size, "eTag": event.etag}
    if event.version:
        found["versionId"] = event.version
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": _iso(event.at),
        "eventName": event.name,
        "userIdentity": {"principalId": event.principal},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": uuid.uuid4().hex[:16].upper(), "x-amz-id-2": uuid.uuid4().hex},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": identity,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": {"principalId": "sandbox"},
                "arn": f"arn:aws:s3:::{event.bucket}",
            },
            "object": {**found, "sequencer": event.sequencer},
        },
    }


def _for_event_bridge(event: Event) -> dict[str, Any]:
    created = event.name.startswith("ObjectCreated")
    found: dict[str, Any] = {"key": event.key, "sequencer": event.sequencer}
    found |= {"size": event.size, "etag": event.etag} if created else {}
    found |= {"version-id": event.version} if event.version else {}
    reasons = {"Put": "PutObject", "Copy": "CopyObject"}
    what = event.name.partition(":")[2]
    detail = {
        "version": "0",
        "bucket": {"name": event.bucket},
        "object": found,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": event.principal,
        "reason": reasons.get(what, what) if created else "DeleteObject",
    }
    return {
        "Source": "aws.s3",
        "DetailType": "Object Created" if created else "Object Deleted",
        "Resources": [f"arn:aws:s3:::{event.bucket}"],
        "Detail": json.dumps(detail),
    }


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
