"""An execution of a DataSync task: list and compare, copy, verify, report; with the statuses and counters of DataSync.

A file is at the destination in part before it is there as a whole; nothing is whole before the execution has ended.
"""

from __future__ import annotations

import fnmatch
import json
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from o9_assets.sandbox.aws.datasync.places import Bucket, Entry, Place

__all__ = ["DEFAULTS", "Execution"]

DEFAULTS: dict[str, Any] = {
    "VerifyMode": "POINT_IN_TIME_CONSISTENT",
    "OverwriteMode": "ALWAYS",
    "PreserveDeletedFiles": "PRESERVE",
    "TransferMode": "CHANGED",
    "TaskQueueing": "ENABLED",
    "BytesPerSecond": -1,
}
Report = Callable[..., None]


class Cancelled(Exception):
    """Somebody cancelled it."""


class Wrong(Exception):
    """It failed: an error code and what was found."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Execution:
    """One execution. `run` reports as report(Status=…, FilesTransferred=…, …) with what is new."""

    def __init__(self, arn: str, options: dict[str, Any], source: Place, target: Bucket, task: dict[str, Any]) -> None:
        self.arn, self._options = arn, {**DEFAULTS, **options}
        self._source, self._target, self._task = source, target, task
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def run(self, report: Report) -> None:
        try:
            self._run(report)
        except Cancelled:
            report(Status="ERROR", Result={"ErrorCode": "Cancelled", "ErrorDetail": "The execution was cancelled"})
        except Wrong as wrong:
            report(Status="ERROR", Result={"ErrorCode": wrong.code, "ErrorDetail": str(wrong)})
        except (OSError, ClientError, BotoCoreError) as error:
            report(Status="ERROR", Result={"ErrorCode": "OpErrors", "ErrorDetail": str(error)})

    def _run(self, report: Report) -> None:
        report(Status="LAUNCHING")
        self._pause(0.02)
        report(Status="PREPARING")
        found = [entry for entry in self._source.entries() if self._wanted(entry.path)]
        there = {entry.path: entry for entry in self._target.entries()}
        moved: list[Entry] = []
        skipped: list[Entry] = []
        for entry in found:
            (moved if self._differs(entry, there.get(entry.path)) else skipped).append(entry)
        size = sum(entry.size for entry in moved)
        report(EstimatedFilesToTransfer=len(moved), EstimatedBytesToTransfer=size, FilesSkipped=len(skipped))
        report(Status="TRANSFERRING")
        self._transfer(moved, report)
        deleted = 0
        if self._options["PreserveDeletedFiles"] == "REMOVE":
            for path in sorted(set(there) - {entry.path for entry in found}):
                self._target.delete(path)
                deleted += 1
            report(FilesDeleted=deleted)
        if self._options["VerifyMode"] != "NONE":
            report(Status="VERIFYING")
            checked = moved if self._options["VerifyMode"] == "ONLY_FILES_TRANSFERRED" else found
            self._verify(checked, report)
        self._reports(moved, skipped, report)
        report(Status="SUCCESS")

    def _wanted(self, path: str) -> bool:
        def fits(rules: list[dict[str, str]]) -> bool:
            patterns = [p for rule in rules for p in rule.get("Value", "").split("|") if p]
            return any(
                fnmatch.fnmatchcase(f"/{path}", p) or f"/{path}".startswith(p.rstrip("/") + "/") for p in patterns
            )

        includes, excludes = self._task.get("Includes", []), self._task.get("Excludes", [])
        return (not includes or fits(includes)) and not fits(excludes)

    def _differs(self, entry: Entry, there: Entry | None) -> bool:
        if there is None:
            return True
        if self._options["OverwriteMode"] == "NEVER":
            return False
        return self._options["TransferMode"] == "ALL" or (there.size, there.changed) != (entry.size, entry.changed)

    def _transfer(self, moved: list[Entry], report: Report) -> None:
        speed, written = self._options["BytesPerSecond"], 0
        for entry in moved:
            body = self._source.read(entry.path)
            if len(body) > 1:
                self._target.write(entry.path, body[: len(body) // 2], 0)
        for number, entry in enumerate(moved, start=1):
            body = self._source.read(entry.path)
            self._pause(len(body) / speed if speed > 0 else 0)
            self._target.write(entry.path, body, entry.changed)
            written += len(body)
            report(FilesTransferred=number, BytesTransferred=written, BytesWritten=written)

    def _verify(self, entries: list[Entry], report: Report) -> None:
        for number, entry in enumerate(entries, start=1):
            now, there = self._source.entry(entry.path), self._target.entry(entry.path)
            if now is None or there is None or (now.size, now.changed) != (there.size, there.changed):
                if self._options["OverwriteMode"] == "NEVER" and there is not None:
                    continue
                raise Wrong("VerificationErrors", f"/{entry.path} differs between source and destination")
            report(FilesVerified=number)

    def _pause(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise Cancelled

    # Task reports

    def _reports(self, moved: list[Entry], skipped: list[Entry], report: Report) -> None:
        config = self._task.get("TaskReportConfig")
        if not config:
            return
        place = config["Destination"]["S3"]
        base = place.get("Subdirectory", "").strip("/")
        bucket = Bucket(self._target.s3, place["S3BucketArn"].rpartition(":")[2], f"{base}/" if base else "")
        task, execution = self.arn.split("/")[1], self.arn.rpartition("/")[2]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        summary = {"TaskExecutionId": execution, "Result": {"TransferStatus": "SUCCESS"}}
        self._put(bucket, f"Summary-Reports/{task}/{execution}/{execution}.json", summary)
        if config.get("OutputType") == "STANDARD" and config.get("ReportLevel") == "SUCCESSES_AND_ERRORS":
            transferred = [{**_told(e), "TransferTimestamp": now, "TransferStatus": "SUCCESS"} for e in moved]
            passed_over = [{**_told(e), "SkipStatus": "SUCCESS"} for e in skipped]
            for kind, listed in (("transferred", transferred), ("skipped", passed_over)):
                name = f"{execution}.files-{kind}-v1-00001-{uuid.uuid4().hex[:16]}.json"
                body = {"TaskExecutionId": execution, kind.capitalize(): listed}
                self._put(bucket, f"Detailed-Reports/{task}/{execution}/{name}", body)
        report(ReportResult={"Status": "SUCCESS"})

    @staticmethod
    def _put(bucket: Bucket, path: str, content: dict[str, Any]) -> None:
        bucket.write(path, json.dumps(content).encode(), 0)


def _told(entry: Entry) -> dict[str, Any]:
    return {"RelativePath": f"/{entry.path}", "SrcMetadata": {"Type": "Regular", "ContentSize": entry.size}}
