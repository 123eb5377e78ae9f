"""Requests and answers in the protocols of AWS, by botocore's models.

botocore serialises requests and parses answers. A fake needs the opposite, and the models are symmetrical: a request's
body is parsed as if it were an answer of the input's shape, and an answer is serialised as if it were a request of the
output's shape. Only the query protocols (no nesting on the wire) and what stands in path and query are done here.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.exceptions import ParamValidationError
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

from o9_assets.sandbox.aws import query
from o9_assets.sandbox.aws.fake import ServiceError
from o9_assets.sandbox.aws.routing import Request, description

__all__ = ["Answer", "error", "parse", "protocol_of", "serialise"]

_CONTENT = {
    "rest-json": "application/json",
    "rest-xml": "application/xml",
    "query": "text/xml",
    "ec2": "text/xml",
    "smithy-rpc-v2-cbor": "application/cbor",
}


@dataclass(slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def protocol_of(service: ServiceModel, request: Request) -> str:
    """The protocol that a request speaks."""
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "smithy-rpc-v2-cbor"
    if request.headers.get("X-Amz-Target"):
        return "json"
    if str(request.headers.get("Content-Type", "")).startswith("application/x-www-form-urlencoded"):
        return "ec2" if service.protocol == "ec2" else "query"
    return str(service.protocol)


def parse(operation: OperationModel, request: Request, labels: Mapping[str, str], protocol: str) -> dict[str, Any]:
    """The request's parameters, as a caller gave them to boto3.

    Raises ServiceError ValidationException where they do not fit the operation's input shape.
    """
    shape: Any = operation.input_shape
    if shape is None:
        return {}
    try:
        if protocol in ("query", "ec2"):
            found = query.parse(shape, request.form, protocol)
        else:
            found = _parsed(shape, request, protocol)
            if protocol.startswith("rest-"):
                found |= _outside_the_body(shape, request, labels)
    except (ResponseParserError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise ServiceError("SerializationException", f"{operation.name}: {wrong}") from wrong
    if (report := ParamValidator().validate(found, shape)).has_errors():
        raise ServiceError("ValidationException", f"{operation.name}: {report.generate_report()}")
    for name in shape.members:
        if name not in found and shape.members[name].metadata.get("idempotencyToken"):
            found[name] = str(uuid.uuid4())
    return found


def _parsed(shape: Any, request: Request, protocol: str) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    raw = payload is not None and shape.members[payload].type_name in ("blob", "string")
    response = {
        "status_code": 200,
        "headers": request.headers,
        # A parser decodes a payload that is bytes as text; an empty body is read by the shape.
        "body": "" if raw else request.body,
        "context": {},
    }
    found: dict[str, Any] = create_parser(protocol).parse(response, shape)
    found.pop("ResponseMetadata", None)
    if raw and payload is not None:
        found.pop(payload, None)
        if request.body or shape.members[payload].type_name == "string":
            text = shape.members[payload].type_name == "string"
            found[payload] = request.body.decode() if text else request.body
    elif payload is not None and not request.body:
        found.pop(payload, None)
    return {
        k: v
        for k, v in found.items()
        if not (shape.members[k].serialization.get("location") == "headers" and not v)
        and shape.members[k].serialization.get("location") not in ("uri", "querystring")
    }


def _outside_the_body(shape: Any, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
    """Members from path and query."""
    found: dict[str, Any] = {name: _scalar(shape.members[name], text) for name, text in labels.items()}
    named: set[str] = set()
    rest: list[tuple[str, Any]] = []
    for name, member in shape.members.items():
        if member.serialization.get("location") != "querystring":
            continue
        wire = member.serialization.get("name", name)
        if member.type_name == "map":
            rest.append((name, member))
        elif wire in request.arguments:
            named.add(wire)
            values = request.arguments[wire]
            if member.type_name == "list":
                found[name] = [_scalar(member.member, value) for value in values]
            else:
                found[name] = _scalar(member, values[0])
    for name, member in rest:
        others = {k: v for k, v in request.arguments.items() if k not in named}
        many = member.value.type_name == "list"
        if others:
            found[name] = {k: v if many else v[0] for k, v in others.items()}
    return found


def _scalar(shape: Any, text: str) -> Any:
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case "boolean":
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{text!r} is no boolean")
            return text.lower() == "true"
        case "timestamp":
            return parse_timestamp(text)
        case _:
            return text


def serialise(operation: OperationModel, output: Mapping[str, Any], protocol: str) -> Answer:
    """The answer. Raises ParamValidationError where the output does not fit the operation's output shape."""
    given = {name: value for name, value in output.items() if value is not None}
    shape = operation.output_shape
    status = int(operation.http.get("responseCode", 200))
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id, "x-amz-request-id": request_id}
    if shape is None:
        if given:
            raise ParamValidationError(report=f"{operation.name} answers nothing, not {sorted(given)}")
        body = {"json": b"{}", "rest-json": b"{}", "smithy-rpc-v2-cbor": b"\xa0"}.get(protocol, b"")
        if protocol in ("query", "ec2"):
            body = query.wrapped(operation, b"", protocol, request_id)
        return Answer(status, body, headers | _content_type(operation, protocol, {}))
    for name, member in shape.members.items():
        if member.serialization.get("location") == "statusCode" and name in given:
            status = int(given.pop(name))
    mirrored = _mirror(operation.service_model.service_name).operation_model(operation.name)
    how = "rest-xml" if protocol in ("query", "ec2") else protocol
    made = create_serializer(how).serialize_to_request(given, mirrored)
    body = made["body"]
    if hasattr(body, "read"):
        body = body.read()
    if protocol in ("query", "ec2"):
        body = query.wrapped(operation, query.inside(body), protocol, request_id)
    given_headers = {k: str(v) for k, v in made["headers"].items() if k.lower() != "x-amz-target"}
    if protocol == "smithy-rpc-v2-cbor":
        given_headers = {"smithy-protocol": "rpc-v2-cbor"}
    return Answer(status, bytes(body), headers | _content_type(operation, protocol, given_headers) | given_headers)


def _content_type(operation: OperationModel, protocol: str, given: Mapping[str, str]) -> dict[str, str]:
    if any(name.lower() == "content-type" for name in given):
        return {}
    version = operation.metadata.get("jsonVersion", "1.0")
    return {"Content-Type": _CONTENT.get(protocol, f"application/x-amz-json-{version}")}


@cache
def _mirror(service: str) -> ServiceModel:
    """The service with each operation's output as its input, at the root."""
    found: dict[str, Any] = description(service)
    # Least values are stated for requests; answers go below (FailedRecordCount 0).
    shapes = {name: {k: v for k, v in shape.items() if k != "min"} for name, shape in found["shapes"].items()}
    operations: dict[str, Any] = {}
    for name, operation in found["operations"].items():
        turned = {"name": name, "http": {"method": "POST", "requestUri": "/"}}
        if "output" in operation:
            turned["input"] = {"locationName": f"{name}Response", **operation["output"]}
            shape = shapes[operation["output"]["shape"]]
            if payload := shape.get("payload"):
                member = {"locationName": payload, **shape["members"][payload]}
                shape |= {"members": {**shape["members"], payload: member}}
        operations[name] = turned
    return ServiceModel({**found, "operations": operations, "shapes": shapes}, service)


def error(
    service: ServiceModel, wrong: ServiceError, protocol: str, *, resource: str = "", head: bool = False
) -> Answer:
    """An error in the protocol's form. To HEAD there is no body, as in S3."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id, "x-amz-request-id": request_id}
    fault = "Sender" if wrong.status < 500 else "Receiver"
    code, message = escape(wrong.code), escape(wrong.message)
    if protocol in ("json", "rest-json"):
        headers |= {"x-amzn-ErrorType": wrong.code}
        headers["Content-Type"] = _CONTENT.get(protocol, "application/x-amz-json-1.1")
        if service.is_query_compatible:
            headers["x-amzn-query-error"] = f"{wrong.code};{fault}"
        body = json.dumps({"__type": wrong.code, "message": wrong.message, "Message": wrong.message, **wrong.fields})
        return Answer(wrong.status, body.encode(), headers)
    if protocol == "smithy-rpc-v2-cbor":
        headers |= {"Content-Type": _CONTENT[protocol], "smithy-protocol": "rpc-v2-cbor"}
        return Answer(wrong.status, query.cbor_map({"__type": wrong.code, "message": wrong.message}), headers)
    headers["Content-Type"] = _CONTENT[protocol]
    if protocol == "ec2":
        text = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        text += f"<RequestID>{request_id}</RequestID></Response>"
    elif service.service_name == "s3":
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><Resource>{escape(resource)}</Resource>"
        text += f"<RequestId>{request_id}</RequestId></Error>"
    else:
        text = f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        text += f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    body_bytes = b"" if head else f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(wrong.status, body_bytes, headers)
