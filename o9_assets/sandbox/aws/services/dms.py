"""AWS DMS: replication tasks that read a real database and write to the twin's S3 as DMS does.

A source is PostgreSQL or, as the sandbox's own, SQLite; the target is S3. Statuses, start types, stop reasons and table
statistics follow DMS's; instances are names only.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from o9_assets.sandbox.aws.dms.run import TaskRun
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Dms"]

STARTS = ("start-replication", "resume-processing", "reload-target")


class Dms(Fake):
    """Endpoints, instances and tasks; a started task works on a thread of the twin's."""

    service = "dms"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self._runs: dict[str, TaskRun] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        for run in list(self._runs.values()):
            run.stop()

    # Instances and endpoints

    def create_replication_instance(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = request["ReplicationInstanceIdentifier"]
        made = {
            "ReplicationInstanceIdentifier": name,
            "ReplicationInstanceClass": request["ReplicationInstanceClass"],
            "ReplicationInstanceStatus": "available",
            "ReplicationInstanceArn": self._arn(call, "rep"),
        }
        return {"ReplicationInstance": self._add("instance", name, "ReplicationInstanceArn", made)}

    def describe_replication_instances(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        fields = {"replication-instance-arn": "ReplicationInstanceArn"}
        fields["replication-instance-id"] = "ReplicationInstanceIdentifier"
        return {"ReplicationInstances": self._found("instance", request, fields)}

    def create_endpoint(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = request["EndpointIdentifier"]
        settings = request.get("S3Settings", {})
        if request["EndpointType"].lower() == "target" and request["EngineName"] == "s3":
            if not settings.get("BucketName"):
                raise ServiceError("InvalidParameterValueException", "S3Settings needs BucketName")
            if settings.get("CdcInsertsOnly") and settings.get("CdcInsertsAndUpdates"):
                raise ServiceError(
                    "InvalidParameterCombinationException",
                    "CdcInsertsOnly and CdcInsertsAndUpdates can't both be set to true",
                )
            if settings.get("PreserveTransactions") and not settings.get("CdcPath"):
                raise ServiceError("InvalidParameterCombinationException", "PreserveTransactions needs CdcPath")
        kept = {k: v for k, v in request.items() if k not in ("Tags", "ResourceIdentifier")}
        made = {**kept, "Status": "active", "EndpointArn": self._arn(call, "endpoint")}
        return {"Endpoint": _public(self._add("endpoint", name, "EndpointArn", made))}

    def describe_endpoints(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        fields = {"endpoint-arn": "EndpointArn", "endpoint-id": "EndpointIdentifier", "engine-name": "EngineName"}
        return {"Endpoints": [_public(one) for one in self._found("endpoint", request, fields)]}

    def modify_endpoint(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        endpoint = self._get("endpoint", request["EndpointArn"])
        settings = {**endpoint.get("S3Settings", {}), **request.get("S3Settings", {})}
        changed = {**endpoint, **request, **({"S3Settings": settings} if settings else {})}
        self.state.put("endpoint", request["EndpointArn"], changed)
        return {"Endpoint": _public(changed)}

    def delete_endpoint(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        endpoint = self._get("endpoint", request["EndpointArn"])
        self.state.delete("endpoint", request["EndpointArn"])
        return {"Endpoint": _public({**endpoint, "Status": "deleting"})}

    # Tasks

    def create_replication_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        source = self._get("endpoint", request["SourceEndpointArn"])
        target = self._get("endpoint", request["TargetEndpointArn"])
        self._get("instance", request["ReplicationInstanceArn"])
        if target["EngineName"] != "s3":
            raise ServiceError("InvalidParameterValueException", "The sandbox's DMS writes to S3 only")
        if source["EndpointType"].lower() != "source":
            raise ServiceError("InvalidParameterValueException", "SourceEndpointArn is no source endpoint")
        try:
            rules = json.loads(request["TableMappings"])["rules"]
            json.loads(request.get("ReplicationTaskSettings") or "{}")
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError("InvalidParameterValueException", f"Invalid JSON in the task: {error}") from error
        if unknown := {rule["rule-type"] for rule in rules} - {"selection", "table-settings"}:
            raise ServiceError("InvalidParameterValueException", f"The sandbox has no rules of type {min(unknown)}")
        made = {
            **{k: v for k, v in request.items() if k not in ("Tags", "ResourceIdentifier")},
            "ReplicationTaskSettings": request.get("ReplicationTaskSettings", ""),
            "ReplicationTaskArn": self._arn(call, "task"),
            "ReplicationTaskCreationDate": datetime.now(UTC),
            "Status": "ready",
            "stats": {},
            "figures": [],
        }
        self._add("task", request["ReplicationTaskIdentifier"], "ReplicationTaskArn", made)
        self._tag(made["ReplicationTaskArn"], request.get("Tags", []))
        return {"ReplicationTask": _task(made)}

    def describe_replication_tasks(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        fields = {"replication-task-arn": "ReplicationTaskArn", "replication-task-id": "ReplicationTaskIdentifier"}
        fields |= {"endpoint-arn": "TargetEndpointArn", "migration-type": "MigrationType"}
        found = self._found("task", request, fields)
        return {"ReplicationTasks": [_task(one, brief=bool(request.get("WithoutSettings"))) for one in found]}

    def start_replication_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn, start = request["ReplicationTaskArn"], request["StartReplicationTaskType"]
        if start not in STARTS:
            raise ServiceError("InvalidParameterValueException", f"{start} is no start type")
        until = _server_time(request.get("CdcStopPosition"))
        with self._lock:
            task = self._get("task", arn)
            if task["Status"] not in ("ready", "stopped", "failed"):
                raise ServiceError(
                    "InvalidResourceStateFault", f"The task {arn} cannot be started, as it is {task['Status']}"
                )
            again, first = "ReplicationTaskStartDate" in task, start == "start-replication"
            if again == first and (first is False or task["MigrationType"] != "cdc"):
                when = "that ran before" if again else "that never ran"
                raise ServiceError(
                    "InvalidParameterCombinationException", f"Start Type : {start.upper()}, not valid for tasks {when}"
                )
            if task["MigrationType"] == "cdc" and start == "reload-target":
                raise ServiceError("InvalidParameterCombinationException", "A task of changes only loads no table")
            now = datetime.now(UTC)
            stats = {k: v for k, v in task["stats"].items() if k not in ("StopDate",)}
            stats["StartDate"] = now
            if start != "resume-processing":
                stats["FreshStartDate"] = now
            task = {**task, "Status": "starting", "ReplicationTaskStartDate": now, "stats": stats}
            task.pop("StopReason", None)
            task.pop("LastFailureMessage", None)
            self.state.put("task", arn, task)
        tables = {(f["SchemaName"], f["TableName"]): dict(f) for f in task["figures"]}
        work = {**task, "started": now, "tables": tables if start == "resume-processing" else {}}
        source = self._get("endpoint", task["SourceEndpointArn"])
        target = self._get("endpoint", task["TargetEndpointArn"])
        run = TaskRun(work, source, target, self.twin.client("s3"))
        self._runs[arn] = run
        self.twin.background(
            f"dms-{task['ReplicationTaskIdentifier']}",
            lambda: run.run(start, until, lambda **news: self._report(arn, run, **news)),
        )
        return {"ReplicationTask": _task(task)}

    def stop_replication_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn = request["ReplicationTaskArn"]
        with self._lock:
            task = self._get("task", arn)
            if task["Status"] not in ("starting", "running"):
                raise ServiceError("InvalidResourceStateFault", f"The task {arn} is {task['Status']}")
            task = {**task, "Status": "stopping"}
            self.state.put("task", arn, task)
            self._runs[arn].stop()
        return {"ReplicationTask": _task(task)}

    def delete_replication_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn = request["ReplicationTaskArn"]
        task = self._get("task", arn)
        if task["Status"] not in ("ready", "stopped", "failed"):
            raise ServiceError("InvalidResourceStateFault", f"The task {arn} is {task['Status']}")
        self.state.delete("task", arn)
        return {"ReplicationTask": _task({**task, "Status": "deleting"})}

    def describe_table_statistics(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        task = self._get("task", request["ReplicationTaskArn"])
        most = request.get("MaxRecords", 100)
        begin = int(request.get("Marker") or 0)
        page = task["figures"][begin : begin + most]
        more = begin + most < len(task["figures"])
        answer: dict[str, Any] = {"ReplicationTaskArn": task["ReplicationTaskArn"], "TableStatistics": page}
        return {**answer, **({"Marker": str(begin + most)} if more else {})}

    # Tags

    def add_tags_to_resource(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._known(request["ResourceArn"])
        self._tag(request["ResourceArn"], request["Tags"])
        return {}

    def list_tags_for_resource(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arns = [*([request["ResourceArn"]] if "ResourceArn" in request else []), *request.get("ResourceArnList", [])]
        listed = []
        for arn in arns:
            self._known(arn)
            tags = self.state.get("tags", arn) or {}
            listed += [{"Key": k, "Value": v, "ResourceArn": arn} for k, v in tags.items()]
        return {"TagList": listed}

    def remove_tags_from_resource(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn, gone = request["ResourceArn"], set(request["TagKeys"])
        self._known(arn)
        self.state.change("tags", arn, lambda tags: {k: v for k, v in (tags or {}).items() if k not in gone})
        return {}

    # Inside

    def _report(self, arn: str, run: TaskRun, **news: Any) -> None:
        """Write down what a run tells."""
        with self._lock:
            task = self.state.get("task", arn)
            if task is None or self._runs.get(arn) is not run:
                return
            if "tables" in news:
                figures = [{"SchemaName": s, "TableName": t, **f} for (s, t), f in sorted(news["tables"].items())]
                task["figures"], states = figures, [f["TableState"] for f in figures]
                loaded = states.count("Table completed")
                task["stats"] |= {
                    "TablesLoaded": loaded,
                    "TablesLoading": states.count("Full load"),
                    "TablesQueued": states.count("Before load"),
                    "TablesErrored": sum(s in ("Table error", "Table does not exist") for s in states),
                    "FullLoadProgressPercent": round(100 * loaded / len(states)) if states else 0,
                }
            if "failure" in news:
                task["LastFailureMessage"] = news["failure"]
            if "status" in news and not (news["status"] == "running" and task["Status"] == "stopping"):
                task["Status"] = news["status"]
            if "reason" in news:
                task["StopReason"] = f"Stop Reason {news['reason']}"
                task["stats"]["StopDate"] = datetime.now(UTC)
            self.state.put("task", arn, task)

    def _arn(self, call: Call, kind: str) -> str:
        return f"arn:aws:dms:{call.region}:{call.account}:{kind}:{uuid.uuid4().hex.upper()[:26]}"

    def _add(self, kind: str, name: str, key: str, made: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            taken = {one.get(f"{label}Identifier") for one in self.state.all(kind).values() for label in _LABELS}
            if name in taken:
                raise ServiceError("ResourceAlreadyExistsFault", f"The {kind} {name} exists already")
            self.state.put(kind, made[key], made)
        return made

    def _get(self, kind: str, arn: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state.get(kind, arn)
        if found is None:
            raise ServiceError("ResourceNotFoundFault", f"The {kind} {arn} does not exist")
        return found

    def _known(self, arn: str) -> None:
        if not any(self.state.get(kind, arn) for kind in ("task", "endpoint", "instance")):
            raise ServiceError("ResourceNotFoundFault", f"{arn} does not exist")

    def _tag(self, arn: str, tags: list[dict[str, str]]) -> None:
        given = {tag["Key"]: tag.get("Value", "") for tag in tags}
        self.state.change("tags", arn, lambda known: {**(known or {}), **given})

    def _found(self, kind: str, request: dict[str, Any], fields: dict[str, str]) -> list[dict[str, Any]]:
        found = list(self.state.all(kind).values())
        for wanted in request.get("Filters", []):
            if wanted["Name"] not in fields:
                raise ServiceError("InvalidParameterValueException", f"There is no filter {wanted['Name']}")
            found = [one for one in found if one.get(fields[wanted["Name"]]) in wanted["Values"]]
        if request.get("Filters") and not found:
            raise ServiceError("ResourceNotFoundFault", f"No {kind} fits the filters")
        return found


_LABELS = ("ReplicationInstance", "Endpoint", "ReplicationTask")


def _public(endpoint: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in endpoint.items() if k != "Password"}


def _task(task: dict[str, Any], *, brief: bool = False) -> dict[str, Any]:
    hidden = {"stats", "figures", *(("TableMappings", "ReplicationTaskSettings") if brief else ())}
    return {**{k: v for k, v in task.items() if k not in hidden}, "ReplicationTaskStats": task["stats"]}


def _server_time(position: str | None) -> datetime | None:
    """The moment of `server_time:2026-11-25T10:00:00`, in UTC."""
    if position is None:
        return None
    found = re.fullmatch(r"server_time:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", position)
    if found is None:
        raise ServiceError("InvalidParameterValueException", f"The sandbox stops at a server_time, not at {position}")
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
