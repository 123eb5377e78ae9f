"""A flow of Amazon AppFlow as a mover: it pulls records from a SaaS application and writes them to S3.

Objects lie in `[bucketPrefix/]flow/`, below that in the folders that the flow asks for (schema version, execution,
date), and carry the execution's id in a folder or in their name; that is how an execution's objects are told from those
of others. The schema version rises when the flow's mapping or types change. Parquet holds strings unless the flow keeps
the source's types. Source: the API reference of AppFlow (PrefixConfig, S3OutputFormatConfig, ExecutionRecord).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from o9_assets.failures import Permanent
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import Layout, PartialTransfer, Progress, State, UnknownTransfer

if TYPE_CHECKING:
    from mypy_boto3_appflow import AppflowClient

__all__ = ["AppFlowMover"]

STATES = {
    "InProgress": State.RUNNING,
    "CancelStarted": State.RUNNING,
    "Successful": State.SUCCEEDED,
    "Error": State.FAILED,
    "Canceled": State.CANCELLED,
}
LISTED_WITHIN_SECONDS = 60.0
"""An execution that was just started may be missing from the records for so long."""
TYPES: Mapping[str, Layout] = {
    "CSV": Layout("csv", header=True),
    "JSON": Layout("jsonl"),
    "PARQUET": Layout("parquet"),
}


class AppFlowMover:
    """One flow with an S3 destination that is started on demand."""

    kind = "appflow"

    def __init__(
        self,
        client: AppflowClient,
        zone: ZoneBucket,
        flow: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        listed_within_seconds: float = LISTED_WITHIN_SECONDS,
    ) -> None:
        self._client, self._zone, self._clock = client, zone, clock
        self._listed_within_seconds = listed_within_seconds
        self._first_look: dict[str, float] = {}
        self.name = flow

    def former(self, flow: str, seconds_ago: float) -> AppFlowMover:
        """The mover of a flow that the transfer named when it was started, so long ago."""
        rest = LISTED_WITHIN_SECONDS - seconds_ago
        return AppFlowMover(self._client, self._zone, flow, clock=self._clock, listed_within_seconds=rest)

    def start(self, token: str) -> str:
        """Start the flow; AppFlow finds the same execution for the same token by itself, for eight hours.

        Raises Permanent for a flow that is not started on demand.
        """
        flow = self._flow()
        trigger = flow["triggerConfig"]["triggerType"]
        if trigger != "OnDemand":
            raise Permanent(
                f"The flow {self.name} starts by itself ({trigger}), so a run cannot tell which execution is its own.",
                remedy="Set its trigger to OnDemand; the platform's schedules start it.",
            )
        try:
            started = self._client.start_flow(flowName=self.name, clientToken=token)
        except self._client.exceptions.ConflictException as error:
            raise Permanent(
                f"AppFlow does not start the flow {self.name}: {_said(error)}",
                remedy="Wait for its execution to end, or stop it; mend the flow where it is not active.",
            ) from error
        return started["executionId"]

    def look(self, execution: str) -> Progress:
        """How the execution stands. Counters are AppFlow's own; `rows` are the records that it wrote, where none may
        be dropped on the way. An execution of which records could not be written has failed, whatever its status."""
        record = self._record(execution)
        if record is None:
            if self._clock() - self._first_look.setdefault(execution, self._clock()) < self._listed_within_seconds:
                return Progress(State.RUNNING, "not listed yet")
            raise UnknownTransfer(
                f"AppFlow does not know the execution {execution} of the flow {self.name}.",
                remedy="Start the transfer again: it pulls what is missing.",
            )
        result = record.get("executionResult", {})
        error = result.get("errorInfo", {})
        names = ("recordsProcessed", "bytesProcessed", "bytesWritten")
        counters = {name: int(result[name]) for name in names if name in result}
        failures = int(error.get("putFailuresCount", 0))
        counters["putFailuresCount"] = failures
        status, reason = record["executionStatus"], error.get("executionMessage", "")
        state = STATES[status]
        if state is State.SUCCEEDED and failures:
            said = f"{failures:,} records could not be written"
            return Progress(State.FAILED, status, counters, f"{said}: {reason}" if reason else said)
        if state is State.SUCCEEDED and not any(_drops(task) for task in self._flow()["tasks"]):
            counters["rows"] = counters.get("recordsProcessed", 0)
        return Progress(state, status, counters, reason)

    def stop(self) -> None:
        """Stop what the flow is at."""
        self._client.stop_flow(flowName=self.name)

    def landed(self, execution: str) -> tuple[str, ...]:
        """Objects of the execution. Raises PartialTransfer where it did not succeed as a whole, or where no object
        carries its id although it processed records."""
        seen = self.look(execution)
        if seen.state is not State.SUCCEEDED:
            raise PartialTransfer(
                f"The execution {execution} of the flow {self.name} is {seen.status}: what it wrote is no whole.",
                remedy="Start the transfer again.",
            )
        names = self.written(execution)
        if not names and seen.counters.get("recordsProcessed"):
            raise PartialTransfer(
                f"The flow {self.name} processed {seen.counters['recordsProcessed']:,} records, and no object carries "
                f"the id of its execution {execution}.",
                remedy="Give the flow's destination the path prefix EXECUTION_ID.",
            )
        return names

    def written(self, execution: str) -> tuple[str, ...]:
        """Objects that carry the execution's id, however it ended."""
        properties = self._destination()
        folder = f"{properties.get('bucketPrefix', '').strip('/')}/{self.name}/".lstrip("/")
        below = self._zone.name(properties["bucketName"], folder, writer=f"The flow {self.name}")
        return tuple(sorted(name for name in self._names(below) if self.wrote(execution, name.removeprefix(below))))

    def wrote(self, execution: str, name: str) -> bool:
        """Whether an object is one of an execution's, whatever the flow was called then."""
        return execution in name

    def layout(self) -> Layout | None:
        """By the flow's file type."""
        return TYPES[self._destination().get("s3OutputFormatConfig", {}).get("fileType", "JSON")]

    # AppFlow

    def _flow(self) -> Mapping[str, Any]:
        try:
            return self._client.describe_flow(flowName=self.name)
        except self._client.exceptions.ResourceNotFoundException as error:
            raise Permanent(
                f"There is no flow {self.name}: {_said(error)}", remedy="Create it, or mend `flow` in the settings."
            ) from error

    def _destination(self) -> Mapping[str, Any]:
        for destination in self._flow()["destinationFlowConfigList"]:
            if found := destination["destinationConnectorProperties"].get("S3"):
                properties: Mapping[str, Any] = found
                return properties
        raise Permanent(f"The flow {self.name} does not write to S3.", remedy="Give it an S3 destination.")

    def _record(self, execution: str) -> Mapping[str, Any] | None:
        more: dict[str, Any] = {}
        while True:
            try:
                page = self._client.describe_flow_execution_records(flowName=self.name, **more)
            except self._client.exceptions.ResourceNotFoundException as error:
                raise UnknownTransfer(
                    f"There is no flow {self.name} any more, nor its execution {execution}: {_said(error)}",
                    remedy="Start the transfer again: it pulls what is missing.",
                ) from error
            for record in page.get("flowExecutions", []):
                if record.get("executionId") == execution:
                    return record
            if not page.get("nextToken"):
                return None
            more = {"nextToken": page["nextToken"]}

    def _names(self, below: str) -> Iterator[str]:
        pages = self._zone.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._zone.bucket, Prefix=self._zone.prefix + below
        )
        for page in pages:
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield entry["Key"].removeprefix(self._zone.prefix)


def _drops(task: Mapping[str, Any]) -> bool:
    """Whether a task may leave records out; a filter that only chooses fields does not."""
    if task["taskType"] == "Filter":
        return any(operator != "PROJECTION" for operator in task.get("connectorOperator", {}).values())
    return bool(task["taskType"] == "Validate")


def _said(error: Any) -> str:
    return str(error.response["Error"]["Message"])
