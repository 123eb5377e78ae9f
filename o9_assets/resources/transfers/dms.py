"""A replication task of AWS DMS as a mover. Its files lie in `[folder/]schema/table/`, as dms_files.py describes them.

DMS has no execution of its own: a task has one state. Tags on the task tell which start is whose: `o9-transfer`, the
token it was last started with, `o9-at`, when that was asked for, and `o9-before`, when it had last been started until
then and what it had counted. They are set before the task is started, so that whoever died in between finds out whether
the start took place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from o9_assets.failures import Permanent
from o9_assets.planning.dms import dms_file
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import (
    Layout,
    PartialTransfer,
    Progress,
    State,
    TransferUnderWay,
    UnknownTransfer,
)

if TYPE_CHECKING:
    from mypy_boto3_dms import DatabaseMigrationServiceClient

__all__ = ["DmsMover"]

TOKEN, AT, BEFORE = "o9-transfer", "o9-at", "o9-before"
MAY_BE_WHOLE = {
    *("FULL_LOAD_ONLY_FINISHED", "STOPPED_AFTER_FULL_LOAD", "STOPPED_AFTER_CACHED_EVENTS"),
    *("STOPPED_AT_SERVER_TIME", "STOPPED_AT_COMMIT_TIME", "NORMAL", ""),
}
GOES_ON = {"RECONFIGURATION_RESTART", "RECYCLE_TASK"}


class DmsMover:
    """One replication task with an S3 target. `mode` is that of planning/transfers.py."""

    kind = "dms"

    def __init__(
        self,
        client: DatabaseMigrationServiceClient,
        zone: ZoneBucket,
        task: str,
        *,
        mode: Literal["catch_up", "reload", "continuous"] = "catch_up",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._zone, self._mode, self._now = client, zone, mode, now
        self.name = task

    # Starting

    def start(self, token: str) -> str:
        """Start the task, or find it started for `token` already; the execution is the token.

        catch_up loads the tables the first time and then brings in what changed until now; reload loads them anew;
        continuous starts a task that stands still and leaves one alone that runs. A full-load task is reloaded in any
        mode, and so is one whose load broke off. Raises TransferUnderWay where somebody else's start is not over.
        """
        task = self._task()
        tags = self._tags(task)
        if tags.get(TOKEN) == token:
            if _started(task) != _since(tags):
                return token
        else:
            if self._busy(task):
                raise TransferUnderWay(
                    f"The DMS task {self.name} is {task['Status']}, started by somebody else.",
                    remedy="It is started when that has ended.",
                )
            self._check(task)
            self._mark(task, token, tags)
        if task["Status"] in ("starting", "running"):
            return token
        self._start(task)
        return token

    def _busy(self, task: Mapping[str, Any]) -> bool:
        if self._mode == "continuous" and task["Status"] == "running":
            return False
        return task["Status"] not in ("ready", "stopped", "failed")

    def _mark(self, task: Mapping[str, Any], token: str, tags: Mapping[str, str]) -> None:
        before = f"{_started(task)}/{_rows(self._statistics(task), self._s3_settings(task))}"
        if self._mode == "continuous" and task["Status"] == "running":
            before = f"/{tags.get(AT) or _started(task)}"
        given = {TOKEN: token, AT: self._now().astimezone(UTC).isoformat(), BEFORE: before}
        self._client.add_tags_to_resource(
            ResourceArn=task["ReplicationTaskArn"], Tags=[{"Key": k, "Value": v} for k, v in given.items()]
        )

    def _check(self, task: Mapping[str, Any]) -> None:
        """Raise Permanent where the endpoint's times would let a full load overrule what changed meanwhile."""
        settings = self._s3_settings(task)
        if (
            task["MigrationType"] == "full-load-and-cdc"
            and settings.get("TimestampColumnName")
            and not settings.get("UseTaskStartTimeForFullLoadTimestamp")
        ):
            raise Permanent(
                f"The target endpoint of the DMS task {self.name} stamps each row of a full load with the time at "
                "which it was copied: a change made during the load would look older than the row it changes.",
                remedy="Set UseTaskStartTimeForFullLoadTimestamp on the endpoint.",
            )

    def _start(self, task: Mapping[str, Any]) -> None:
        from botocore.exceptions import ClientError

        kind: Literal["start-replication", "resume-processing", "reload-target"] = "resume-processing"
        if not _started(task):
            kind = "start-replication"
        elif task["MigrationType"] == "full-load" or (
            task["MigrationType"] != "cdc" and (self._mode == "reload" or self._load_broke_off(task))
        ):
            kind = "reload-target"
        until = {}
        if self._mode != "continuous" and task["MigrationType"] != "full-load":
            # Whole seconds only: the next one, so that what was committed in this one is in.
            stop = self._now().astimezone(UTC) + timedelta(seconds=1)
            until = {"CdcStopPosition": f"server_time:{stop:%Y-%m-%dT%H:%M:%S}"}
        arn = task["ReplicationTaskArn"]
        try:
            self._client.start_replication_task(ReplicationTaskArn=arn, StartReplicationTaskType=kind, **until)
        except ClientError as error:
            if _started(self._task()) != _started(task):
                return  # another process with the same token was quicker, or the answer to the first try was lost
            raise Permanent(
                f"DMS does not start the task {self.name}: {_said(error)}", remedy="Mend the task or its endpoints."
            ) from error

    def _load_broke_off(self, task: Mapping[str, Any]) -> bool:
        """Whether a table was never loaded to its end since the load began: there is nothing from which its changes go
        on. One that was, and is in error or gone since, is no reason to load all the others anew."""
        stats = task.get("ReplicationTaskStats", {})
        if stats.get("FullLoadProgressPercent", 0) >= 100:
            return False
        begun, tables = stats.get("FreshStartDate"), self._statistics(task)
        return not tables or not all(_was_loaded(table, begun) for table in tables)

    # Looking

    def look(self, execution: str) -> Progress:
        """How the task stands. Counters are DMS's own; `rows` are those that it wrote since it was started."""
        task = self._task()
        tags = self._tags(task)
        if tags.get(TOKEN) != execution:
            raise UnknownTransfer(
                f"The DMS task {self.name} was started for something else since ({tags.get(TOKEN, 'by hand')}).",
                remedy="Start the transfer again: it brings in what changed since.",
            )
        tables = self._statistics(task)
        counters = self._counters(task, tags, tables)
        status, wrong = task["Status"], _errors(tables)
        if status in ("stopped", "failed") and _started(task) == _since(tags):
            return Progress(State.RUNNING, "starting", counters)  # what DMS tells is still of the time before
        reason = "; ".join(text for text in (task.get("LastFailureMessage", ""), wrong) if text)
        if status == "failed":
            return Progress(State.FAILED, status, counters, reason)
        if status == "stopped":
            return self._stopped(task, tables, counters, reason)
        if status == "running" and self._mode == "continuous" and _loaded(tables):
            return Progress(State.SUCCEEDED, status, counters)
        if status == "running" and self._mode == "continuous" and wrong:
            return Progress(State.FAILED, status, counters, wrong)
        if status == "deleting":
            return Progress(State.CANCELLED, status, counters, "the task is being deleted")
        return Progress(State.RUNNING, status, counters)

    def _stopped(
        self, task: Mapping[str, Any], tables: list[Any], counters: Mapping[str, int], reason: str
    ) -> Progress:
        why = task.get("StopReason", "").removeprefix("Stop Reason ").strip()
        status = f"stopped ({why})" if why else "stopped"
        if why in GOES_ON:
            return Progress(State.RUNNING, status, counters)
        if _errors(tables) or why not in MAY_BE_WHOLE:
            return Progress(State.FAILED, status, counters, reason)
        if self._mode == "continuous":
            return Progress(State.CANCELLED, status, counters, reason or "it should run on, and stands still")
        # NORMAL is what a person's stop looks like, too: whole only where every table is.
        if why and (_loaded(tables) or task["MigrationType"] == "cdc"):
            return Progress(State.SUCCEEDED, status, counters)
        return Progress(State.CANCELLED, status, counters, reason or "it was stopped before every table was loaded")

    def _counters(self, task: Mapping[str, Any], tags: Mapping[str, str], tables: list[Any]) -> dict[str, int]:
        stats = task.get("ReplicationTaskStats", {})
        counters = {
            "tables loaded": stats.get("TablesLoaded", 0),
            "tables errored": stats.get("TablesErrored", 0),
            "full load percent": stats.get("FullLoadProgressPercent", 0),
        }
        for name in ("FullLoadRows", "Inserts", "Updates", "Deletes"):
            counters[name] = sum(table.get(name, 0) for table in tables)
        if self._mode != "continuous":
            # DMS goes on counting when it resumes, and begins anew when it reloads.
            now, before = _rows(tables, self._s3_settings(task)), tags.get(BEFORE, "/0").rpartition("/")[2]
            earlier = int(before) if before.isdigit() else 0
            counters["rows"] = now - earlier if now >= earlier and not _fresh(task) else now
        return counters

    # What landed

    def landed(self, execution: str) -> tuple[str, ...]:
        """Objects of the task's tables that were written between its start and its end."""
        progress = self.look(execution)
        if progress.state is not State.SUCCEEDED:
            raise PartialTransfer(
                f"The DMS task {self.name} is {progress.status}: what it wrote is no whole.",
                remedy="Start the transfer again.",
            )
        task = self._task()
        stats, settings = task.get("ReplicationTaskStats", {}), self._s3_settings(task)
        begin = stats.get("StartDate") or task["ReplicationTaskStartDate"]
        since = self._tags(task).get(BEFORE, "").rpartition("/")[2]
        if self._mode == "continuous" and since and not since.isdigit():
            begin = datetime.fromisoformat(since)  # what the run before has not seen
        end = stats.get("StopDate") if task["Status"] == "stopped" else None
        folders = [f"{table['SchemaName']}/{table['TableName']}/" for table in self._statistics(task)]
        if settings.get("PreserveTransactions"):
            folders.append(settings.get("CdcPath", "").strip("/") + "/")
        base = settings.get("BucketFolder", "").strip("/")
        names: set[str] = set()
        for folder in folders:
            key = f"{base}/{folder}" if base else folder
            below = self._zone.name(settings["BucketName"], key, writer=f"The DMS task {self.name}")
            names.update(self._zone.written(below, begin, end))
        return tuple(sorted(name for name in names if self._is_of(task, name, begin)))

    def _is_of(self, task: Mapping[str, Any], name: str, begin: datetime) -> bool:
        """Whether a start wrote the file, more exactly than S3's whole seconds tell: names of changes have the
        millisecond, and only a fresh start loads tables."""
        known = dms_file(name)
        if known is None:
            return False
        if known.written_at is None:
            return self._mode == "continuous" or _fresh(task)
        begin = begin.astimezone(UTC).replace(tzinfo=None)
        return known.written_at >= begin.replace(microsecond=begin.microsecond // 1000 * 1000)

    def layout(self) -> Layout | None:
        """As the target endpoint says. None for a continuous task: it counts changes before it writes them."""
        if self._mode == "continuous":
            return None
        settings = self._s3_settings(self._task())
        if settings.get("DataFormat") == "parquet":
            return Layout("parquet")
        return Layout(
            "csv",
            header=bool(settings.get("AddColumnName")),
            delimiter=settings.get("CsvDelimiter", ","),
            quote='"' if settings.get("Rfc4180", True) else "",
        )

    # DMS

    def _task(self) -> Mapping[str, Any]:
        key = "replication-task-arn" if self.name.startswith("arn:") else "replication-task-id"
        try:
            found = self._client.describe_replication_tasks(
                Filters=[{"Name": key, "Values": [self.name]}], WithoutSettings=True
            )
        except self._client.exceptions.ResourceNotFoundFault as error:
            raise self._missing() from error
        tasks = found["ReplicationTasks"]
        if not tasks:
            raise self._missing()
        return tasks[0]

    def _missing(self) -> Permanent:
        return Permanent(f"There is no DMS task {self.name}.", remedy="Create it, or mend `task` in the settings.")

    def _tags(self, task: Mapping[str, Any]) -> dict[str, str]:
        found = self._client.list_tags_for_resource(ResourceArn=task["ReplicationTaskArn"])
        return {tag["Key"]: tag["Value"] for tag in found["TagList"]}

    def _statistics(self, task: Mapping[str, Any]) -> list[Any]:
        if not _started(task):
            return []
        pages = self._client.get_paginator("describe_table_statistics").paginate(
            ReplicationTaskArn=task["ReplicationTaskArn"]
        )
        return [table for page in pages for table in page.get("TableStatistics", [])]

    def _s3_settings(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        arn = task["TargetEndpointArn"]
        found = self._client.describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [arn]}])["Endpoints"]
        settings = found[0].get("S3Settings") if found else None
        if not settings:
            raise Permanent(f"The DMS task {self.name} does not write to S3.", remedy="Give it an S3 target endpoint.")
        return settings


def _started(task: Mapping[str, Any]) -> str:
    """When the task was last started, as text; '' before the first time."""
    at = task.get("ReplicationTaskStartDate")
    return at.astimezone(UTC).isoformat() if at is not None else ""


def _since(tags: Mapping[str, str]) -> str:
    return tags.get(BEFORE, "/").rpartition("/")[0]


def _fresh(task: Mapping[str, Any]) -> bool:
    """Whether the last start loaded the tables anew."""
    stats = task.get("ReplicationTaskStats", {})
    begun, fresh = stats.get("StartDate"), stats.get("FreshStartDate")
    return begun is not None and begun == fresh


def _rows(tables: list[Any], settings: Mapping[str, Any]) -> int:
    """Records that DMS wrote for what it counted."""
    counted = ["FullLoadRows", "Inserts"]
    if not settings.get("CdcInsertsOnly"):
        counted.append("Updates")
        if not settings.get("CdcInsertsAndUpdates"):
            counted.append("Deletes")
    return sum(table.get(name, 0) for table in tables for name in counted)


def _errors(tables: list[Any]) -> str:
    wrong = [t for t in tables if t.get("TableState") in ("Table error", "Table cancelled", "Table does not exist")]
    return "; ".join(f"{t['SchemaName']}.{t['TableName']}: {t['TableState']}" for t in wrong)


def _loaded(tables: list[Any]) -> bool:
    """Whether every table is whole."""
    return bool(tables) and all(t.get("TableState") == "Table completed" for t in tables)


def _was_loaded(table: Mapping[str, Any], begun: datetime | None) -> bool:
    """Whether the load of a table that began with a fresh start was completed once."""
    ended = table.get("FullLoadEndTime")
    return table.get("TableState") == "Table completed" or (ended is not None and begun is not None and ended >= begun)


def _said(error: Any) -> str:
    return f"{error.response['Error']['Code']}, {error.response['Error']['Message']}"
