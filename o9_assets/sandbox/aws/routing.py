"""Which service and operation a request means.

The service is the signing name in the SigV4 credential scope, of a header or of a presigned URL; the operation is what
X-Amz-Target, Action, the RPC path or the URI template say, each from botocore's models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.loaders
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, ServiceModel

__all__ = ["Request", "Router", "Signed", "description", "model", "signed"]

# Where the name in the signature is not botocore's name of the service; the first that knows the request has it.
SIGNING_NAMES: Mapping[str, tuple[str, ...]] = {
    "s3": ("s3", "s3control"),
    "iotdata": ("iot-data",),
    "iotdevicegateway": ("iot-data",),
    "monitoring": ("cloudwatch",),
    "states": ("stepfunctions",),
    "elasticmapreduce": ("emr",),
    "email": ("ses", "sesv2"),
    "sagemaker": ("sagemaker", "sagemaker-runtime"),
    "rds": ("rds",),
    "airflow": ("mwaa",),
}

_LOADER = botocore.loaders.create_loader()


@dataclass(slots=True)
class Request:
    """An HTTP request, read whole. `path` is as it came, percent-encoded."""

    method: str
    path: str
    query: str
    headers: HeadersDict
    body: bytes
    _arguments: dict[str, list[str]] | None = field(default=None, repr=False)

    @property
    def arguments(self) -> dict[str, list[str]]:
        """The query's arguments."""
        if self._arguments is None:
            self._arguments = _many(self.query)
        return self._arguments

    @property
    def form(self) -> dict[str, str]:
        """A form's fields."""
        text = self.body.decode("utf-8", errors="replace") if self.method == "POST" else self.query
        return dict(parse_qsl(text, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request's signature names."""

    access_key: str
    region: str
    signing_name: str
    token: str | None


_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")


def signed(request: Request) -> Signed | None:
    """What the signature names; None without one. The signature itself is not checked."""
    found = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    scope = found[1] if found else (request.arguments.get("X-Amz-Credential") or [""])[0]
    parts = scope.rsplit("/", 4)
    if len(parts) != 5:
        return None
    token = request.headers.get("X-Amz-Security-Token") or (request.arguments.get("X-Amz-Security-Token") or [""])[0]
    return Signed(parts[0], parts[2], parts[3].lower(), token or None)


@cache
def description(service: str) -> dict[str, Any]:
    """botocore's description of a service. Raises botocore's UnknownServiceError."""
    return _LOADER.load_service_model(service, "service-2")  # type: ignore[no-any-return]


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service. Raises botocore's UnknownServiceError."""
    return ServiceModel(description(service), service)


class Router:
    """Operations of one service by request."""

    def __init__(self, service: ServiceModel) -> None:
        self._service = service
        self._names = frozenset(service.operation_names)
        self._rest = [_Template(service.operation_model(name)) for name in sorted(self._names)]

    def operation(self, request: Request) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation and what the path gave it; None where the service has no such operation."""
        name = self._named(request)
        if name is not None:
            return (self._service.operation_model(name), {}) if name in self._names else None
        found: list[tuple[int, _Template, dict[str, str]]] = []
        for template in self._rest:
            if (values := template.match(request)) is not None:
                found.append((template.fits(request), template, values))
        if not found:
            return None
        _, best, values = max(found, key=lambda f: f[0])
        return best.operation, values

    def _named(self, request: Request) -> str | None:
        if target := request.headers.get("X-Amz-Target"):
            return str(target).rpartition(".")[2]
        if request.headers.get("smithy-protocol") and (found := _RPC.fullmatch(request.path)):
            return found[1]
        if self._service.protocol in ("query", "ec2") or "query" in self._service.metadata.get("protocols", ()):
            return request.form.get("Action")
        return None


_RPC = re.compile(r"/service/[^/]+/operation/([^/]+)")
_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


class _Template:
    """A REST operation's method, path and fixed query."""

    def __init__(self, operation: OperationModel) -> None:
        self.operation = operation
        path, _, query = operation.http.get("requestUri", "/").partition("?")
        self.method = operation.http.get("method", "POST")
        self.fixed = {k: v[0] for k, v in _many(query).items()}
        shape = operation.input_shape
        members = shape.members.items() if shape else ()
        wire = {m.serialization.get("name", n): n for n, m in members if m.serialization.get("location") == "uri"}
        self.labels: dict[str, str] = {}
        pattern, literal, end = "", 0, 0
        for label in _LABEL.finditer(path):
            pattern += re.escape(path[end : label.start()])
            literal += label.start() - end
            group = f"g{len(self.labels)}"
            self.labels[group] = wire.get(label[1], label[1])
            pattern += f"(?P<{group}>{'.+' if label[2] else '[^/]+'})"
            end = label.end()
        pattern += re.escape(path[end:])
        literal += len(path) - end
        self.pattern = re.compile(pattern.rstrip("/") + "/?")
        self.weight = literal
        required = shape.required_members if shape else []
        places = {n: (m.serialization.get("location"), m.serialization.get("name", n)) for n, m in members}
        self.needs = [places[n] for n in required if places.get(n, (None,))[0] in ("header", "querystring")]

    def match(self, request: Request) -> dict[str, str] | None:
        if request.method != self.method or (found := self.pattern.fullmatch(request.path)) is None:
            return None
        for key, value in self.fixed.items():
            if key not in request.arguments or (value and request.arguments[key][0] != value):
                return None
        by_what_comes = self.operation.service_model.service_name == "s3"  # which puts many operations on one path
        if by_what_comes and not all(self._has(request, place, name) for place, name in self.needs):
            return None
        return {self.labels[group]: unquote(value) for group, value in found.groupdict().items()}

    def fits(self, request: Request) -> int:
        """More where more of the request is spoken for; of two names for one call the newer."""
        there = [self._has(request, place, name) for place, name in self.needs]
        spoken_for = len(self.fixed) + sum(there) - there.count(False)
        return 2 * (self.weight + 1000 * spoken_for) - bool(self.operation.deprecated)

    @staticmethod
    def _has(request: Request, place: Any, name: str) -> bool:
        return name in request.headers if place == "header" else name in request.arguments


def _many(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(key, []).append(value)
    return found
