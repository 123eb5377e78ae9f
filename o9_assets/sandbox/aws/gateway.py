"""The twin's front door: a WSGI application.

A call goes through the fault injector and the journal, then to one of our fakes, operation by operation, else to moto
in this process. What neither emulates, or what moto only pretends to do, is refused at once with an error that no
client retries.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from botocore import xform_name
from botocore.awsrequest import HeadersDict
from botocore.exceptions import ParamValidationError, UnknownServiceError
from botocore.model import OperationModel, ServiceModel
from moto.moto_server.werkzeug_app import create_backend_app

from o9_assets.failures import Permanent
from o9_assets.sandbox.aws import codec, faults
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.journal import Entry
from o9_assets.sandbox.aws.moto_app import Moto
from o9_assets.sandbox.aws.pretended import pretended
from o9_assets.sandbox.aws.routing import SIGNING_NAMES, Request, Router, Signed, model, signed

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["INSIDE", "ROOT", "Gateway"]

ROOT = "AKIASANDBOX0SANDBOX0"
"""The access key that a process uses; it is the account's root and may do everything."""
INSIDE = "AKIASANDBOX0INSIDE00"
"""The access key of the twin's own clients: no faults, no journal, no policies."""

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
log = logging.getLogger(__name__)

# A queue's long poll must not keep others out.
_UNLOCKED = frozenset({"sqs"})


class Gateway:
    """The application over fakes and moto."""

    def __init__(self, twin: Twin, fakes: Mapping[str, Fake]) -> None:
        self._twin, self._fakes = twin, fakes
        self._moto = Moto(create_backend_app)
        self._routers: dict[str, Router] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_sandbox/"):
            return _send(self._sandbox(path, environ), start)
        if path.startswith("/moto-api"):
            return self._moto(environ, start)  # type: ignore[no-any-return]
        began, request = time.perf_counter(), _request(environ)
        sign = signed(request)
        names = SIGNING_NAMES.get(sign.signing_name, (sign.signing_name,)) if sign else ("s3",)
        try:
            service, operation, labels = self._operation(names, request)
        except UnknownServiceError:
            return _send(_plain(400, f"NotEmulated: {names[0]} is no service that boto3 knows"), start)
        name = operation.name if operation else f"{request.method} {request.path}"
        if sign and sign.access_key == INSIDE:
            return _send(self._answer(environ, request, sign, service, operation, labels), start)
        seconds, fault = self._twin.faults.strike(service.service_name, name)
        time.sleep(seconds)
        answer: codec.Answer | None = None
        if fault is None or fault.kind in ("truncate", "lose_answer"):
            answer = self._answer(environ, request, sign, service, operation, labels)
        elif wrong := faults.error_of(fault, service, operation):
            answer = self._refused(service, wrong, request)
        digest = hashlib.sha256(
            f"{request.method} {request.path}?{request.query}\n".encode() + request.body
        ).hexdigest()
        self._twin.journal.add(
            Entry(
                datetime.now(UTC).isoformat(),
                service.service_name,
                name,
                self._twin.principal(sign),
                digest,
                answer.status if answer else 0,
                time.perf_counter() - began,
                fault.kind if fault else None,
            )
        )
        if answer is None or (fault and fault.kind == "lose_answer"):
            return _reset(environ)
        if fault and fault.kind == "truncate":
            return _truncated(answer, environ, start)
        return _send(answer, start)

    def _operation(
        self, names: tuple[str, ...], request: Request
    ) -> tuple[ServiceModel, OperationModel | None, dict[str, str]]:
        for name in names:
            service = model(name)
            with self._guard:
                router = self._routers.get(name) or self._routers.setdefault(name, Router(service))
            if found := router.operation(request):
                return service, *found
        return model(names[0]), None, {}

    def _answer(
        self,
        environ: Environ,
        request: Request,
        sign: Signed | None,
        service: ServiceModel,
        operation: OperationModel | None,
        labels: dict[str, str],
    ) -> codec.Answer:
        """What the fake or moto answers; errors of either in the service's own form."""
        name = service.service_name
        try:
            if operation is None:
                raise _not_emulated(name, f"{request.method} {request.path}")
            if sign is None or sign.access_key != INSIDE:
                self._twin.permit(sign, operation, request, labels)
            fake = self._fakes.get(name)
            method = getattr(fake, xform_name(operation.name), None) if fake else None
            if method is not None:
                return self._faked(method, request, sign, operation, labels)
            if (fake and not fake.falls_through) or pretended(name, operation.name):
                raise _not_emulated(name, operation.name)
            call = self._call(sign, operation)
            if fake:
                fake.before_moto(request, call, labels)
            answer = self._from_moto(environ, request, service, operation)
            if fake and answer.status < 300:
                fake.after_moto(request, call, labels, answer)
            return answer
        except ServiceError as wrong:
            return self._refused(service, wrong, request)

    def _call(self, sign: Signed | None, operation: OperationModel) -> Call:
        region = sign.region if sign else self._twin.region
        return Call(self._twin.account, region, self._twin.principal(sign), operation.name, self._twin)

    def _faked(
        self,
        method: Callable[[dict[str, Any], Call], dict[str, Any] | codec.Answer],
        request: Request,
        sign: Signed | None,
        operation: OperationModel,
        labels: dict[str, str],
    ) -> codec.Answer:
        service = operation.service_model
        protocol = codec.protocol_of(service, request)
        call = self._call(sign, operation)
        given = codec.parse(operation, request, labels, protocol)
        try:
            output = method(given, call)
            return output if isinstance(output, codec.Answer) else codec.serialise(operation, output, protocol)
        except ServiceError:
            raise
        except ParamValidationError as wrong:
            log.exception("%s.%s answered what its model does not have", service.service_name, operation.name)
            raise ServiceError("SandboxBroken", f"{operation.name}: {wrong}", 400) from wrong
        except Exception as wrong:
            log.exception("%s.%s broke", service.service_name, operation.name)
            raise ServiceError("SandboxBroken", f"{operation.name}: {wrong!r}", 400) from wrong

    def _from_moto(
        self, environ: Environ, request: Request, service: ServiceModel, operation: OperationModel
    ) -> codec.Answer:
        environ = {**environ, "wsgi.input": io.BytesIO(request.body), "CONTENT_LENGTH": str(len(request.body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        found: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            found.append((status, headers))

        with nullcontext() if service.service_name in _UNLOCKED else self.locked(service.service_name):
            try:
                chunks = self._moto(environ, start)
                body = b"".join(chunks)
            except NotImplementedError as wrong:
                raise _not_emulated(service.service_name, operation.name) from wrong
            except Exception as wrong:
                log.exception("moto broke on %s.%s", service.service_name, operation.name)
                raise ServiceError("SandboxBroken", f"moto, {operation.name}: {wrong!r}", 400) from wrong
        status, headers = int(found[-1][0].split()[0]), dict(found[-1][1])
        html = headers.get("Content-Type", "").startswith("text/html") and body.lstrip()[:9].lower() == b"<!doctype"
        if html and status in (404, 405, 500, 501):
            raise _not_emulated(service.service_name, operation.name)
        return codec.Answer(status, body, headers)

    def locked(self, service: str) -> threading.RLock:
        """What one thread at a time holds while moto works on a service; moto itself locks nothing."""
        with self._guard:
            return self._locks.setdefault(service, threading.RLock())

    def _refused(self, service: ServiceModel, wrong: ServiceError, request: Request) -> codec.Answer:
        protocol = codec.protocol_of(service, request)
        return codec.error(service, wrong, protocol, resource=request.path, head=request.method == "HEAD")

    def _sandbox(self, path: str, environ: Environ) -> codec.Answer:
        """The twin's own pages: /_sandbox/faults (GET, POST a list), /_sandbox/calls (GET), /_sandbox/ready (GET), and
        /_sandbox/<service> (POST) where a fake takes commands."""
        request = _request(environ)
        try:
            match (request.method, path.removeprefix("/_sandbox/")):
                case ("GET", "faults"):
                    return _json(self._twin.faults.told())
                case ("POST", "faults"):
                    self._twin.faults.load(json.loads(request.body))
                    return _json(self._twin.faults.told())
                case ("GET", "calls"):
                    wanted = {k: v[0] for k, v in parse_qs(request.query).items()}
                    calls = self._twin.journal.told()
                    return _json([c for c in calls if all(str(c.get(k)) == v for k, v in wanted.items())])
                case ("GET", "ready"):
                    return _json({"ready": True})
                case ("POST", service) if command := getattr(self._fakes.get(service), "command", None):
                    return _json(command(json.loads(request.body)))
        except (Permanent, ValueError, TypeError) as wrong:
            return _plain(400, str(wrong))
        return _plain(404, "The sandbox has faults, calls and ready.")


def _not_emulated(service: str, operation: str) -> ServiceError:
    return ServiceError("NotEmulated", f"NotEmulated: {service}.{operation} is not emulated by the sandbox")


def _request(environ: Environ) -> Request:
    headers = HeadersDict()
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").lower()] = value
    if content := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    return Request(environ["REQUEST_METHOD"], raw.partition("?")[0], environ.get("QUERY_STRING", ""), headers, body)


def _json(value: Any) -> codec.Answer:
    return codec.Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _plain(status: int, text: str) -> codec.Answer:
    return codec.Answer(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def _head(answer: codec.Answer, start: Start) -> None:
    headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in ("content-length", "connection")]
    length = next((v for k, v in answer.headers.items() if k.lower() == "content-length"), None)
    # To HEAD the length is the object's, without a body.
    headers.append(("Content-Length", str(len(answer.body)) if answer.body or length is None else length))
    start(f"{answer.status} {_REASONS.get(answer.status, 'Answered')}", headers)


_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request"}


def _send(answer: codec.Answer, start: Start) -> list[bytes]:
    _head(answer, start)
    return [answer.body]


def _reset(environ: Environ) -> Iterator[bytes]:
    """Close the connection so that the client sees a reset."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(connection.detach())  # closing the object would wait for the server's files upon it
    raise ConnectionResetError("reset by the fault injector")


def _truncated(answer: codec.Answer, environ: Environ, start: Start) -> Iterator[bytes]:
    _head(answer, start)
    yield answer.body[: len(answer.body) // 2]
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
