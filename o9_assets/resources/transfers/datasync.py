"""A task of AWS DataSync as a mover: it copies a file share, an object store or another bucket to S3.

It mirrors the source tree, so that nothing it wrote is whole before the execution has ended and was verified. Its task
report, where the task writes one to S3, names every file that it transferred; without one, what was written between the
execution's start and its end is listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from o9_assets.failures import Passing, Permanent
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import Layout, PartialTransfer, Progress, State, UnknownTransfer

if TYPE_CHECKING:
    from mypy_boto3_datasync import DataSyncClient

__all__ = ["DataSyncMover"]

TOKEN = "o9-transfer"  # noqa: S105 - name of a tag
COUNTERS = (
    *("EstimatedFilesToTransfer", "FilesTransferred", "FilesVerified", "FilesSkipped", "FilesDeleted"),
    *("BytesTransferred", "BytesWritten"),
)


class DataSyncMover:
    """One task with an S3 destination. `once` is a client that tries a call once: DataSync takes no token with which a
    start that is tried again would be known, so it is looked for first."""

    kind = "datasync"

    def __init__(self, client: DataSyncClient, once: DataSyncClient, zone: ZoneBucket, task: str) -> None:
        self._client, self._once, self._zone = client, once, zone
        self.name = task

    def start(self, token: str) -> str:
        """Start an execution that carries the token as a tag, or find the one that does.

        The task carries the token, too, from before the start: only where it does, executions are searched.
        """
        if self._tags(self.name).get(TOKEN) == token:
            if (known := self._started_with(token)) is not None:
                return known
        else:
            self._client.tag_resource(ResourceArn=self.name, Tags=[{"Key": TOKEN, "Value": token}])
        try:
            started = self._once.start_task_execution(TaskArn=self.name, Tags=[{"Key": TOKEN, "Value": token}])
        except Passing:
            # It may have been started, and only the answer was lost.
            if (known := self._started_with(token)) is not None:
                return known
            raise
        return started["TaskExecutionArn"]

    def _started_with(self, token: str) -> str | None:
        return next((arn for arn in self._executions() if self._tags(arn).get(TOKEN) == token), None)

    def look(self, execution: str) -> Progress:
        """How the execution stands; counters are DataSync's own."""
        found = self._describe(execution)
        counters = {name: int(found[name]) for name in COUNTERS if found.get(name) is not None}
        failed = found.get("FilesFailed")
        if failed:
            counters["FilesFailed"] = sum(int(n) for n in failed.values())
        status = found["Status"]
        result = found.get("Result", {})
        reason = ": ".join(t for t in (result.get("ErrorCode", ""), result.get("ErrorDetail", "")) if t)
        if status == "SUCCESS":
            # Basic mode counts folders among the files.
            if found.get("TaskMode") == "ENHANCED":
                counters["files"] = counters.get("FilesTransferred", 0)
            counters["bytes"] = counters.get("BytesWritten", 0)
            if counters.get("FilesFailed"):
                return Progress(State.FAILED, status, counters, f"{counters['FilesFailed']} files failed")
            return Progress(State.SUCCEEDED, status, counters)
        if status == "ERROR":
            stopped = "cancel" in reason.lower() or "stopped" in reason.lower()
            return Progress(State.CANCELLED if stopped else State.FAILED, status, counters, reason)
        return Progress(State.RUNNING, status, counters, reason)

    def landed(self, execution: str) -> tuple[str, ...]:
        """Files that the execution transferred. Raises PartialTransfer where one of them was not."""
        progress = self.look(execution)
        if progress.state is not State.SUCCEEDED:
            raise PartialTransfer(
                f"The DataSync execution {execution} is {progress.status}: what it wrote is no whole.",
                remedy="Start the transfer again.",
            )
        found = self._describe(execution)
        bucket, folder = self._destination()
        below = self._zone.name(bucket, folder, writer=f"The DataSync task {self.name}")
        report = found.get("TaskReportConfig", {}).get("Destination", {}).get("S3")
        if report and found.get("ReportResult", {}).get("Status") == "SUCCESS":
            names = [below + entry["RelativePath"].lstrip("/") for entry in self._transferred(execution, report)]
            return tuple(sorted(names))
        begin = found["StartTime"]
        names = list(self._zone.written(below, begin, found.get("EndTime")))
        if report:
            # The report itself lies where the task writes it, which may be below the destination.
            names = [name for name in names if "/Detailed-Reports/" not in f"/{name}"]
        return tuple(names)

    def layout(self) -> Layout | None:
        """None: DataSync counts files and bytes, not records."""
        return None

    # DataSync

    def _describe(self, execution: str) -> Mapping[str, Any]:
        try:
            return self._client.describe_task_execution(TaskExecutionArn=execution)
        except self._client.exceptions.InvalidRequestException as error:
            raise UnknownTransfer(
                f"DataSync does not know the execution {execution}: {error.response['Error']['Message']}",
                remedy="Start the transfer again: it copies what is missing.",
            ) from error

    def _executions(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_task_executions").paginate(TaskArn=self.name)
        return (entry["TaskExecutionArn"] for page in pages for entry in page["TaskExecutions"])

    def _tags(self, arn: str) -> dict[str, str]:
        try:
            pages = self._client.get_paginator("list_tags_for_resource").paginate(ResourceArn=arn)
            return {tag["Key"]: tag.get("Value", "") for page in pages for tag in page.get("Tags", [])}
        except self._client.exceptions.InvalidRequestException as error:
            raise Permanent(
                f"There is no DataSync task {self.name}: {error.response['Error']['Message']}",
                remedy="Create it, or mend `task` in the settings.",
            ) from error

    def _destination(self) -> tuple[str, str]:
        """Bucket and folder (`''`, or ending in a slash) that the task writes to."""
        task = self._client.describe_task(TaskArn=self.name)
        location = self._client.describe_location_s3(LocationArn=task["DestinationLocationArn"])
        bucket, _, folder = location["LocationUri"].removeprefix("s3://").partition("/")
        return bucket, folder.strip("/") + "/" if folder.strip("/") else ""

    def _transferred(self, execution: str, report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Regular files that the task report lists as transferred. Raises PartialTransfer for one that failed."""
        bucket = report["S3BucketArn"].rpartition(":")[2]
        base = report.get("Subdirectory", "").strip("/")
        task_id, execution_id = execution.split("/")[1], execution.rsplit("/", 1)[1]
        prefix = f"{base}/Detailed-Reports/{task_id}/{execution_id}/".lstrip("/")
        pages = self._zone.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for key in sorted(entry["Key"] for page in pages for entry in page.get("Contents", [])):
            if ".files-transferred-" not in key:
                continue
            body = self._zone.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            for entry in json.loads(body).get("Transferred", []):
                if entry.get("TransferStatus") != "SUCCESS":
                    raise PartialTransfer(
                        f"DataSync did not transfer {entry['RelativePath']} ({entry.get('TransferStatus')}).",
                        remedy="Start the transfer again.",
                    )
                if entry.get("SrcMetadata", {}).get("Type", "Regular") == "Regular":
                    yield entry
