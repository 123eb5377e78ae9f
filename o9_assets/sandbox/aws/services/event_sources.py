"""Lambda's event source mappings: a thread each polls a stream or a queue and calls the function with batches."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from o9_assets.sandbox.aws.fake import ServiceError
from o9_assets.sandbox.aws.services.poll_kinesis import StreamPoller
from o9_assets.sandbox.aws.services.poll_sqs import QueuePoller

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.services.lambda_ import Lambda

__all__ = ["EventSources"]

PAUSE_SECONDS = 0.05
SETTINGS = (
    "BatchSize",
    "StartingPosition",
    "StartingPositionTimestamp",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "FunctionResponseTypes",
)
NOT_EMULATED = ("FilterCriteria", "TumblingWindowInSeconds", "SelfManagedEventSource", "Topics", "Queues")


class Poller(Protocol):
    """What takes batches from a source."""

    def poll(self) -> str | None:
        """Take what is there and call the function; how it went, None where nothing was there."""
        ...


class EventSources:
    """Mappings by UUID. Their positions in a stream are gone with the process, as the streams are."""

    def __init__(self, owner: Lambda) -> None:
        self._owner = owner
        self._mappings: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def create(self, function: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        if unknown := [name for name in NOT_EMULATED if request.get(name)]:
            raise _bad(f"NotEmulated: {unknown[0]} of an event source mapping is not emulated by the sandbox")
        arn = request.get("EventSourceArn", "")
        service = (arn.split(":") + [""] * 3)[2]
        if service not in ("kinesis", "sqs"):
            raise _bad(f"NotEmulated: event source mappings of {arn!r} are not emulated by the sandbox")
        if service == "kinesis" and request.get("StartingPosition") is None:
            raise _bad("StartingPosition is required for streams.")
        identity = str(uuid.uuid4())
        mapping = {
            "UUID": identity,
            "EventSourceArn": arn,
            "FunctionArn": function["FunctionArn"],
            "BatchSize": 100 if service == "kinesis" else 10,
            "State": "Enabled" if request.get("Enabled", True) else "Disabled",
            "LastModified": datetime.now(UTC),
            "LastProcessingResult": "No records processed",
            **{k: request[k] for k in SETTINGS if k in request},
        }
        if service == "kinesis":
            mapping = {"MaximumRetryAttempts": -1, "BisectBatchOnFunctionError": False, **mapping}
        # An ARN names what must be there.
        poller = StreamPoller(self._owner, mapping) if service == "kinesis" else QueuePoller(self._owner, mapping)
        with self._lock:
            self._mappings[identity] = mapping
        self._owner.twin.background(f"event-source-{identity}", lambda: self._run(identity, poller))
        return _told(mapping) | {"State": "Creating"}

    def get(self, identity: str) -> dict[str, Any]:
        return _told(self._mapping(identity))

    def all(self, function: str | None, source: str | None) -> list[dict[str, Any]]:
        with self._lock:
            found = list(self._mappings.values())
        return [
            _told(m)
            for m in found
            if (function is None or m["FunctionArn"].endswith(f":function:{function}"))
            and (source is None or m["EventSourceArn"] == source)
        ]

    def update(self, request: dict[str, Any]) -> dict[str, Any]:
        mapping = self._mapping(request["UUID"])
        with self._lock:
            mapping |= {k: request[k] for k in SETTINGS if k in request}
            if "Enabled" in request:
                mapping["State"] = "Enabled" if request["Enabled"] else "Disabled"
        return _told(mapping) | {"State": "Updating"}

    def delete(self, identity: str) -> dict[str, Any]:
        mapping = self._mapping(identity)
        with self._lock:
            self._mappings.pop(identity, None)
        return _told(mapping) | {"State": "Deleting"}

    def _run(self, identity: str, poller: Poller) -> None:
        while not self._owner.twin.closing.is_set():
            with self._lock:
                mapping = self._mappings.get(identity)
            if mapping is None:
                return
            try:
                result = poller.poll() if mapping["State"] == "Enabled" else None
            except ServiceError as error:
                result = f"PROBLEM: {error}"
            except Exception as error:
                if self._owner.twin.closing.is_set():
                    return
                result = f"PROBLEM: {error}"
            if result is not None:
                mapping["LastProcessingResult"] = result
            if result != "OK":
                self._owner.twin.closing.wait(PAUSE_SECONDS)

    def _mapping(self, identity: str) -> dict[str, Any]:
        with self._lock:
            found = self._mappings.get(identity)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"No event source mapping {identity}", 404)
        return found


def _told(mapping: dict[str, Any]) -> dict[str, Any]:
    return {**mapping, "StateTransitionReason": "User action"}


def _bad(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
