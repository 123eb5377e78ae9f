"""Amazon AppFlow: flows that pull from an OData service over HTTP and write to the twin's S3 in AppFlow's layouts.

The source is a connector profile of type SAPOData, whose address is that of the sandbox's SaaS stand-in or any other
OData service. Fields are projected and mapped; other tasks are refused. Executions run on a thread of the twin's.
"""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from o9_assets.sandbox.aws.appflow import execution
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["AppFlow"]

KNOWN_TASKS = ("Filter", "Map", "Map_all")


class AppFlow(Fake):
    """Connector profiles, flows and their executions."""

    service = "appflow"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self._lock = threading.RLock()
        self._stops: dict[str, threading.Event] = {}
        self.broken_puts = 0
        """So many of the objects that flows write next are lost, as when the bucket refuses them."""

    def close(self) -> None:
        for stop in list(self._stops.values()):
            stop.set()

    # Connector profiles

    def create_connector_profile(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = request["connectorProfileName"]
        if request["connectorType"] != "SAPOData":
            raise ServiceError("ValidationException", "The sandbox's AppFlow connects to SAPOData only")
        made = {**request, "connectorProfileArn": _arn(call, f"connectorprofile/{name}")}
        if not self.state.add("profile", name, made):
            raise ServiceError("ConflictException", f"There is a connector profile {name} already", 409)
        return {"connectorProfileArn": made["connectorProfileArn"]}

    # Flows

    def create_flow(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name, now = request["flowName"], datetime.now(UTC)
        self._check(request)
        flow = {k: v for k, v in request.items() if k not in ("clientToken", "kmsArn", "metadataCatalogConfig")}
        flow |= {
            "flowArn": _arn(call, f"flow/{name}"),
            "flowStatus": "Draft" if request["triggerConfig"]["triggerType"] != "OnDemand" else "Active",
            "createdAt": now,
            "lastUpdatedAt": now,
            "createdBy": call.principal,
            "lastUpdatedBy": call.principal,
            "schemaVersion": 1,
        }
        if not self.state.add("flow", name, flow):
            raise ServiceError("ConflictException", f"There is a flow {name} already", 409)
        return {"flowArn": flow["flowArn"], "flowStatus": flow["flowStatus"]}

    def update_flow(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        """The schema version rises when fields are mapped otherwise or keep other types."""
        self._check(request)
        with self._lock:
            flow = self._flow(request["flowName"])
            changed = {
                **flow,
                **{k: v for k, v in request.items() if k not in ("clientToken", "metadataCatalogConfig")},
            }
            if execution.schema(changed) != execution.schema(flow):
                changed["schemaVersion"] = flow["schemaVersion"] + 1
            changed |= {"lastUpdatedAt": datetime.now(UTC), "lastUpdatedBy": call.principal}
            self.state.put("flow", request["flowName"], changed)
        return {"flowStatus": changed["flowStatus"]}

    def describe_flow(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        flow: dict[str, Any] = self._flow(request["flowName"])
        return flow

    def list_flows(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        members = ("flowArn", "flowName", "flowStatus", "createdAt", "lastUpdatedAt", "createdBy", "lastUpdatedBy")
        flows = self.state.all("flow").values()
        return {"flows": [{**{k: f[k] for k in members}, "sourceConnectorType": "SAPOData"} for f in flows]}

    def delete_flow(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._flow(request["flowName"])
        self.state.delete("flow", request["flowName"])
        return {}

    # Executions

    def start_flow(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name, token = request["flowName"], request.get("clientToken")
        with self._lock:
            flow = self._flow(name)
            answer = {"flowArn": flow["flowArn"], "flowStatus": "Active"}
            if flow["triggerConfig"]["triggerType"] != "OnDemand":
                self.state.put("flow", name, {**flow, "flowStatus": "Active"})
                return answer
            if token and (there := self.state.get("token", f"{name} {token}")):
                return {**answer, "executionId": there}
            if any(r["executionStatus"] in ("InProgress", "CancelStarted") for r in self._records(name)):
                raise ServiceError("ConflictException", f"The flow {name} is being run already", 409)
            number = str(uuid.uuid4())
            now = datetime.now(UTC)
            record = {"executionId": number, "executionStatus": "InProgress", "startedAt": now, "lastUpdatedAt": now}
            record["executionResult"] = {"recordsProcessed": 0, "bytesProcessed": 0, "bytesWritten": 0}
            self.state.put("execution", number, {**record, "flowName": name})
            if token:
                self.state.put("token", f"{name} {token}", number)
            self._stops[number] = threading.Event()
        profile: Any = self.state.get("profile", flow["sourceFlowConfig"]["connectorProfileName"])
        self.twin.background(f"appflow-{name}", lambda: self._run(flow, profile, number))
        return {**answer, "executionId": number}

    def stop_flow(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        flow = self._flow(request["flowName"])
        with self._lock:
            running = [r for r in self._records(flow["flowName"]) if r["executionStatus"] == "InProgress"]
            if not running:
                raise ServiceError("UnsupportedOperationException", f"The flow {flow['flowName']} is not running")
            for record in running:
                self._note(record["executionId"], executionStatus="CancelStarted")
                self._stops[record["executionId"]].set()
        return {"flowArn": flow["flowArn"], "flowStatus": flow["flowStatus"]}

    def describe_flow_execution_records(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._flow(request["flowName"])
        records = sorted(self._records(request["flowName"]), key=lambda r: r["startedAt"], reverse=True)
        begin, most = int(request.get("nextToken") or 0), request.get("maxResults", 20)
        page = [{k: v for k, v in r.items() if k != "flowName"} for r in records[begin : begin + most]]
        more = {"nextToken": str(begin + most)} if begin + most < len(records) else {}
        return {"flowExecutions": page, **more}

    # What a flow does

    def _run(self, flow: dict[str, Any], profile: dict[str, Any], number: str) -> None:
        def put(bucket: str, key: str, content: bytes) -> bool:
            with self._lock:
                if self.broken_puts:
                    self.broken_puts -= 1
                    return False
            self.twin.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
            return True

        ended = execution.run(flow, profile, number, put=put, stop=self._stops[number])
        self._note(number, executionStatus=ended.status, executionResult=ended.result())

    def _note(self, number: str, **news: Any) -> None:
        self.state.change("execution", number, lambda r: {**(r or {}), **news, "lastUpdatedAt": datetime.now(UTC)})

    def _records(self, name: str) -> list[dict[str, Any]]:
        return [r for r in self.state.all("execution").values() if r["flowName"] == name]

    def _flow(self, name: str) -> dict[str, Any]:
        flow: dict[str, Any] | None = self.state.get("flow", name)
        if flow is None:
            raise ServiceError("ResourceNotFoundException", f"There is no flow {name}", 404)
        return flow

    def _check(self, request: dict[str, Any]) -> None:
        source = request["sourceFlowConfig"]
        if source["connectorType"] != "SAPOData" or "SAPOData" not in source["sourceConnectorProperties"]:
            raise ServiceError("ValidationException", "The sandbox's AppFlow reads SAPOData only")
        if self.state.get("profile", source.get("connectorProfileName", "")) is None:
            raise ServiceError("ValidationException", f"No connector profile {source.get('connectorProfileName')}")
        [destination, *others] = request["destinationFlowConfigList"]
        if others or "S3" not in destination["destinationConnectorProperties"]:
            raise ServiceError("ValidationException", "The sandbox's AppFlow writes to one S3 destination")
        for task in request["tasks"]:
            operator = (task.get("connectorOperator") or {}).get("SAPOData")
            if task["taskType"] not in KNOWN_TASKS or (task["taskType"] == "Filter" and operator != "PROJECTION"):
                raise ServiceError("ValidationException", f"The sandbox has no task {task['taskType']} {operator}")


def _arn(call: Call, what: str) -> str:
    return f"arn:aws:appflow:{call.region}:{call.account}:{what}"
