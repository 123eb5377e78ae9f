"""AWS DataSync: tasks that copy a folder of this machine, or a bucket, to the twin's S3.

A folder is an NFS location on the host `localhost`, its Subdirectory the folder's path. Executions of a task queue.
"""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from o9_assets.sandbox.aws.datasync.execution import DEFAULTS, Execution
from o9_assets.sandbox.aws.datasync.places import Bucket, Folder, Place
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["DataSync"]

ENDED = ("SUCCESS", "ERROR")


class DataSync(Fake):
    """Locations, tasks, and executions that work on threads of the twin's."""

    service = "datasync"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self._live: dict[str, Execution] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        for execution in list(self._live.values()):
            execution.cancel()

    # Locations

    def create_location_nfs(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        if request["ServerHostname"] != "localhost":
            raise ServiceError("InvalidRequestException", "The sandbox mounts folders of localhost only")
        uri = f"nfs://localhost/{request['Subdirectory'].strip('/')}/"
        return self._location(request, call, uri)

    def create_location_s3(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        bucket, folder = request["S3BucketArn"].rpartition(":")[2], request.get("Subdirectory", "").strip("/")
        return self._location(request, call, f"s3://{bucket}/{folder + '/' if folder else ''}")

    def _location(self, request: dict[str, Any], call: Call, uri: str) -> dict[str, Any]:
        arn = f"arn:aws:datasync:{call.region}:{call.account}:location/loc-{_id()}"
        kept = {k: v for k, v in request.items() if k != "Tags"}
        self.state.put("location", arn, {**kept, "LocationUri": uri, "CreationTime": datetime.now(UTC)})
        self._tag(arn, request.get("Tags", []))
        return {"LocationArn": arn}

    def describe_location_s3(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        found = self._get("location", request["LocationArn"])
        if not found["LocationUri"].startswith("s3://"):
            raise ServiceError("InvalidRequestException", f"{request['LocationArn']} is no S3 location")
        return {"LocationArn": request["LocationArn"], **_some(found, "LocationUri", "S3Config", "CreationTime")}

    def describe_location_nfs(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        found = self._get("location", request["LocationArn"])
        return {"LocationArn": request["LocationArn"], **_some(found, "LocationUri", "OnPremConfig", "CreationTime")}

    # Tasks

    def create_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._get("location", request["SourceLocationArn"])
        target = self._get("location", request["DestinationLocationArn"])
        if not target["LocationUri"].startswith("s3://"):
            raise ServiceError("InvalidRequestException", "The sandbox's DataSync copies to S3 only")
        arn = f"arn:aws:datasync:{call.region}:{call.account}:task/task-{_id()}"
        kept = {k: v for k, v in request.items() if k != "Tags"}
        options = {**DEFAULTS, **request.get("Options", {})}
        made = {
            **kept,
            "Options": options,
            "TaskMode": request.get("TaskMode", "BASIC"),
            "CreationTime": datetime.now(UTC),
        }
        self.state.put("task", arn, made)
        self._tag(arn, request.get("Tags", []))
        return {"TaskArn": arn}

    def describe_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn = request["TaskArn"]
        live = [execution for execution, held in self._of(arn).items() if held["Status"] not in ENDED]
        current = {"CurrentTaskExecutionArn": live[-1]} if live else {}
        return {**self._get("task", arn), "TaskArn": arn, "Status": "RUNNING" if live else "AVAILABLE", **current}

    def list_tasks(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        tasks = self.state.all("task").items()
        return {"Tasks": [{"TaskArn": arn, "Name": t.get("Name", ""), "Status": "AVAILABLE"} for arn, t in tasks]}

    def update_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        task = self._get("task", request["TaskArn"])
        options = {**task["Options"], **request.get("Options", {})}
        changed = {k: v for k, v in request.items() if k not in ("TaskArn", "Options")}
        self.state.put("task", request["TaskArn"], {**task, **changed, "Options": options})
        return {}

    # Executions

    def start_task_execution(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn = request["TaskArn"]
        with self._lock:
            task = self._get("task", arn)
            changes = _some(request, "Includes", "Excludes", "TaskReportConfig")
            task = {**task, **changes, "Options": {**task["Options"], **request.get("OverrideOptions", {})}}
            busy = any(held["Status"] not in ENDED for held in self._of(arn).values())
            if busy and task["Options"]["TaskQueueing"] == "DISABLED":
                raise ServiceError("InvalidRequestException", f"The task {arn} is running and does not queue")
            execution = f"{arn}/execution/exec-{_id()}"
            held = {"task": arn, "Status": "QUEUED", "LaunchTime": datetime.now(UTC), "TaskMode": task["TaskMode"]}
            held |= {k: task[k] for k in ("Options", "Includes", "Excludes", "TaskReportConfig") if k in task}
            self.state.put("execution", execution, {**held, "number": len(self._of(arn))})
            self._tag(execution, request.get("Tags", []))
            turn = self._turns.setdefault(arn, threading.Lock())
        source, target = self._place(task["SourceLocationArn"]), self._place(task["DestinationLocationArn"])
        assert isinstance(target, Bucket)  # noqa: S101 - create_task saw to it
        work = Execution(execution, task["Options"], source, target, task)
        self._live[execution] = work

        def run() -> None:
            with turn:
                work.run(lambda **news: self._report(execution, news))

        self.twin.background(f"datasync-{execution[-8:]}", run)
        return {"TaskExecutionArn": execution}

    def describe_task_execution(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        held = self._get("execution", request["TaskExecutionArn"])
        told = {k: v for k, v in held.items() if k not in ("task", "number")}
        return {**told, "TaskExecutionArn": request["TaskExecutionArn"]}

    def list_task_executions(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        found = self._of(request["TaskArn"]) if "TaskArn" in request else self.state.all("execution")
        most, begin = request.get("MaxResults", 100), int(request.get("NextToken") or 0)
        page = list(found.items())[begin : begin + most]
        more = {"NextToken": str(begin + most)} if begin + most < len(found) else {}
        listed = [{"TaskExecutionArn": arn, "Status": held["Status"]} for arn, held in page]
        return {"TaskExecutions": listed, **more}

    def cancel_task_execution(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn = request["TaskExecutionArn"]
        held = self._get("execution", arn)
        if held["Status"] in ENDED:
            raise ServiceError("InvalidRequestException", f"The execution {arn} has ended")
        self._report(arn, {"Status": "CANCELLING"})
        self._live[arn].cancel()
        return {}

    # Tags

    def tag_resource(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._known(request["ResourceArn"])
        self._tag(request["ResourceArn"], request["Tags"])
        return {}

    def list_tags_for_resource(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._known(request["ResourceArn"])
        tags = self.state.get("tags", request["ResourceArn"]) or {}
        return {"Tags": [{"Key": k, "Value": v} for k, v in sorted(tags.items())]}

    # Inside

    def _report(self, arn: str, news: dict[str, Any]) -> None:
        with self._lock:
            held = self._get("execution", arn)
            if held["Status"] == "CANCELLING" and news.get("Status") not in (None, *ENDED):
                news = {k: v for k, v in news.items() if k != "Status"}
            if news.get("Status") == "LAUNCHING":
                news = {**news, "StartTime": datetime.now(UTC)}
            if news.get("Status") in ENDED:
                news = {**news, "EndTime": datetime.now(UTC)}
            self.state.put("execution", arn, {**held, **news})

    def _of(self, task: str) -> dict[str, Any]:
        """Executions of a task by ARN, oldest first."""
        held = {arn: e for arn, e in self.state.all("execution").items() if e["task"] == task}
        return dict(sorted(held.items(), key=lambda pair: pair[1]["number"]))

    def _place(self, location: str) -> Place:
        scheme, _, rest = self._get("location", location)["LocationUri"].partition("://")
        if scheme == "nfs":
            return Folder(Path("/") / rest.removeprefix("localhost/"))
        bucket, _, prefix = rest.partition("/")
        return Bucket(self.twin.client("s3"), bucket, prefix)

    def _get(self, kind: str, arn: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state.get(kind, arn)
        if found is None:
            raise ServiceError("InvalidRequestException", f"Request parameters contain an invalid {kind} ARN: {arn}")
        return found

    def _known(self, arn: str) -> None:
        if not any(self.state.get(kind, arn) for kind in ("task", "execution", "location")):
            raise ServiceError("InvalidRequestException", f"There is no resource {arn}")

    def _tag(self, arn: str, tags: list[dict[str, str]]) -> None:
        given = {tag["Key"]: tag.get("Value", "") for tag in tags}
        self.state.change("tags", arn, lambda known: {**(known or {}), **given})


def _some(given: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: given[key] for key in keys if key in given}


def _id() -> str:
    return uuid.uuid4().hex[:17]
