"""AWS Lambda for Python: functions run as processes of their own; streams and queues invoke them.

Code comes as a zip file, from S3, or from a folder of this machine (S3Bucket `sandbox-local`, S3Key the folder).
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.services import code
from o9_assets.sandbox.aws.services.event_sources import EventSources
from o9_assets.sandbox.aws.services.lambda_workers import Outcome, Workers

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Lambda"]

ASYNC_ATTEMPTS = 3
SETTINGS = ("Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "Environment", "DeadLetterConfig")


class Lambda(Fake):
    """Functions, their invocations and their event source mappings."""

    service = "lambda"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.retry_seconds = 0.2
        """Pause before an asynchronous call is tried again; a minute on AWS."""
        self._workers = Workers(twin.state / "lambda" / "logs")
        self._lock = threading.Lock()
        self.sources = EventSources(self)

    def close(self) -> None:
        self._workers.close()

    # Functions

    def create_function(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = _name(request["FunctionName"])
        if request.get("PackageType", "Zip") != "Zip" or not request.get("Runtime", "").startswith("python"):
            raise _bad("The sandbox runs zip packages for Python.")
        if "Handler" not in request:
            raise _bad("A function needs a Handler.")
        with self._lock:
            if self.state.get("function", name):
                raise ServiceError("ResourceConflictException", f"Function already exist: {name}", 409)
            function = {
                "FunctionName": name,
                "FunctionArn": f"arn:aws:lambda:{call.region}:{call.account}:function:{name}",
                "Timeout": 3,
                "MemorySize": 128,
                **{k: request[k] for k in SETTINGS if k in request},
                **self._code(name, request["Code"]),
                "Tags": request.get("Tags", {}),
                "Permissions": {},
            }
            self._save(function)
        return _configuration(function)

    def update_function_code(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            function = self._function(request)
            function |= self._code(function["FunctionName"], request)
            self._save(function)
        return _configuration(function)

    def update_function_configuration(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self._lock:
            function = self._function(request)
            function |= {k: request[k] for k in SETTINGS if k in request}
            self._save(function)
        return _configuration(function)

    def get_function(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        function = self._function(request)
        found: dict[str, Any] = {"Configuration": _configuration(function), "Code": {"RepositoryType": "S3"}}
        return found | ({"Tags": function["Tags"]} if function["Tags"] else {})

    def get_function_configuration(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return _configuration(self._function(request))

    def list_functions(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"Functions": [_configuration(function) for function in self.state.all("function").values()]}

    def delete_function(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        function = self._function(request)
        self.state.delete("function", function["FunctionName"])
        self._workers.forget(function["Key"])
        return {"StatusCode": 204}

    def add_permission(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        """Kept and told, not enforced: within the twin every service may invoke."""
        with self._lock:
            function = self._function(request)
            statement = {
                "Sid": request["StatementId"],
                "Effect": "Allow",
                "Principal": {"Service": request["Principal"]},
                "Action": request["Action"],
                "Resource": function["FunctionArn"],
            }
            if statement["Sid"] in function["Permissions"]:
                raise ServiceError("ResourceConflictException", f"{statement['Sid']} exists already", 409)
            function["Permissions"][statement["Sid"]] = statement
            self.state.put("function", function["FunctionName"], function)
        return {"Statement": json.dumps(statement)}

    def get_policy(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        statements = list(self._function(request)["Permissions"].values())
        if not statements:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return {"Policy": json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements})}

    # Invocations

    def invoke(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        function = self._function(request)
        payload = request.get("Payload", b"")
        try:
            json.loads(payload or b"{}")
        except ValueError as wrong:
            raise ServiceError(
                "InvalidRequestContentException", f"Could not parse request body into json: {wrong}"
            ) from wrong
        match request.get("InvocationType", "RequestResponse"):
            case "DryRun":
                return {"StatusCode": 204}
            case "Event":
                self.invoke_later(function["FunctionName"], payload)
                return {"StatusCode": 202}
        context = request.get("ClientContext")
        outcome = self._run(function, payload, json.loads(base64.b64decode(context)) if context else None)
        found: dict[str, Any] = {
            "StatusCode": 200,
            "ExecutedVersion": "$LATEST",
            "Payload": outcome.payload.encode(),
        }
        if outcome.failed:
            found["FunctionError"] = "Unhandled"
        if request.get("LogType") == "Tail":
            found["LogResult"] = base64.b64encode(outcome.log.encode()[-4096:]).decode()
        return found

    def invoke_now(self, name: str, event: Any) -> Outcome:
        """Call a function from within the twin and wait. Raises ServiceError without such a function."""
        return self._run(self._function({"FunctionName": name}), json.dumps(event).encode())

    def invoke_later(self, name: str, payload: bytes) -> None:
        """Call a function from within the twin; a failed call is tried twice more, then sent to its dead letters."""

        def work() -> None:
            outcome = None
            for attempt in range(ASYNC_ATTEMPTS):
                if attempt and self.twin.closing.wait(self.retry_seconds):
                    return
                function = self._function({"FunctionName": name})
                outcome = self._run(function, payload)
                if not outcome.failed:
                    return
            target = function.get("DeadLetterConfig", {}).get("TargetArn")
            if target and outcome is not None:
                attributes = {
                    "RequestID": outcome.request_id,
                    "ErrorMessage": json.loads(outcome.payload)["errorMessage"],
                }
                self.twin.send(target, payload.decode(), attributes)

        self.twin.background(f"lambda-{name}", work)

    def processes(self, name: str) -> list[int]:
        """Process ids that run a function now, for tests that kill one."""
        return self._workers.processes(self._function({"FunctionName": name})["Key"])

    def _run(self, function: dict[str, Any], payload: bytes, client_context: Any = None) -> Outcome:
        environment = {
            **self.twin.environment(function.get("Role")),
            "AWS_LAMBDA_FUNCTION_NAME": function["FunctionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function["MemorySize"]),
            "LAMBDA_TASK_ROOT": function["Code"],
            **function.get("Environment", {}).get("Variables", {}),
        }
        outcome = self._workers.run(function, payload, environment, client_context=client_context)
        self.twin.log(f"/aws/lambda/{function['FunctionName']}", outcome.request_id, outcome.log)
        return outcome

    # Event source mappings

    def create_event_source_mapping(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self.sources.create(self._function(request), request)

    def get_event_source_mapping(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self.sources.get(request["UUID"])

    def list_event_source_mappings(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = _name(request["FunctionName"]) if "FunctionName" in request else None
        return {"EventSourceMappings": self.sources.all(name, request.get("EventSourceArn"))}

    def update_event_source_mapping(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self.sources.update(request)

    def delete_event_source_mapping(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self.sources.delete(request["UUID"])

    # What is meant

    def _function(self, request: dict[str, Any]) -> dict[str, Any]:
        name = _name(request["FunctionName"])
        found: dict[str, Any] | None = self.state.get("function", name)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Function not found: {name}", 404)
        return found

    def _save(self, function: dict[str, Any]) -> None:
        """Keep a function as changed: processes with the code and settings before are used no more."""
        if "Key" in function:
            self._workers.forget(function["Key"])
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
        function |= {"Key": uuid.uuid4().hex, "LastModified": stamp, "RevisionId": str(uuid.uuid4())}
        self.state.put("function", function["FunctionName"], function)

    def _code(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Where the code lies, its size and hash."""
        if given.get("S3Bucket") == code.LOCAL:
            folder = Path(given["S3Key"])
            if not folder.is_dir():
                raise _bad(f"{folder} is no folder.")
            return {"Code": str(folder.resolve()), "CodeSize": 0, "CodeSha256": code.sha256(str(folder).encode())}
        content = given.get("ZipFile")
        if content is None:
            if "S3Key" not in given:
                raise _bad("Code needs ZipFile, or S3Bucket and S3Key.")
            content = self.twin.fetch(given["S3Bucket"], given["S3Key"], given.get("S3ObjectVersion"))
        folder = self.twin.state / "lambda" / "code" / f"{name}.{uuid.uuid4().hex[:12]}"
        code.unpack(content, folder)
        return {"Code": str(folder), "CodeSize": len(content), "CodeSha256": code.sha256(content)}


def _name(given: str) -> str:
    """A function's name, given by name or ARN, with a qualifier or without."""
    parts = given.split(":")
    return parts[parts.index("function") + 1] if "function" in parts else parts[0]


def _configuration(function: dict[str, Any]) -> dict[str, Any]:
    environment = {"Environment": function["Environment"]} if "Environment" in function else {}
    dead = {"DeadLetterConfig": function["DeadLetterConfig"]} if "DeadLetterConfig" in function else {}
    plain = ("FunctionName", "FunctionArn", "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize")
    code_names = ("CodeSize", "CodeSha256", "LastModified", "RevisionId")
    return {
        **{k: function[k] for k in (*plain, *code_names) if k in function},
        "Version": "$LATEST",
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        **environment,
        **dead,
    }


def _bad(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
