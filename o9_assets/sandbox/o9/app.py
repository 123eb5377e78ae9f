"""The sandbox o9's HTTP side: the calls that the contract profiles name, as a Starlette app over a store."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from o9_assets.sandbox.o9 import ibpl
from o9_assets.sandbox.o9.faults import Faults, FaultyApp
from o9_assets.sandbox.o9.loading import inside, load_file
from o9_assets.sandbox.o9.plan import FORECAST, Drop, hold_forecasts, outbound_file, plan
from o9_assets.sandbox.o9.store import Store

__all__ = ["KEY", "build_app", "secret"]

KEY = "sandbox"
"""The sandbox's key, user and password: it guards nothing."""


def secret(name: str) -> str:
    """The sandbox's secrets, whatever they are called."""
    return KEY


def build_app(store: Store, drop: Drop | None = None, *, faults: Faults | None = None) -> ASGIApp:
    """The app over a store. `drop` puts a file where o9's outbound data goes."""
    faults = faults or Faults()
    sandbox = Sandbox(store, drop, faults)
    routes = [
        Route("/openapi.json", _described, methods=["GET"]),
        Route("/api/framework/auth/login", sandbox.login, methods=["POST"]),
        Route("/api/v2/master/{model}", sandbox.dimensions, methods=["GET"]),
        _both("/api/v2/master/{model}/{dimension}", sandbox.members, sandbox.add_members),
        Route("/api/v2/fact/{model}", sandbox.measure_groups, methods=["GET"]),
        _both("/api/v2/fact/{model}/{measure_group}", sandbox.facts, sandbox.add_facts),
        Route("/api/ibplquery/{tenant}/ExecuteQueryJson", sandbox.query, methods=["POST"]),
        Route("/{tenant}/api/v3/integration/{same}/ui/airflow/execute", sandbox.pipeline, methods=["POST"]),
        Route("/{tenant}/api/v3/integration/{same}/runs/{run}", sandbox.run, methods=["GET"]),
        Route("/{tenant}/api/v3/integration/{same}/DataLakefiles/upload", sandbox.upload, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _told})
    return FaultyApp(app, faults, store.forget_tokens)


Endpoint = Callable[[Request], Awaitable[Response]]


def _both(path: str, get: Endpoint, post: Endpoint) -> Route:
    """A resource that is read and written."""

    async def either(request: Request) -> Response:
        return await (post if request.method == "POST" else get)(request)

    return Route(path, either, methods=["GET", "POST"])


async def _described(request: Request) -> Response:
    """What this app answers, for tools that read OpenAPI."""
    return JSONResponse(yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text(encoding="utf-8")))


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette calls it for nothing else
    return JSONResponse({"Message": error.detail}, status_code=error.status_code, headers=error.headers)


class Sandbox:
    """The endpoints. Each asks for the key or a token first, and refuses what is malformed with 400 and a reason."""

    def __init__(self, store: Store, drop: Drop | None, faults: Faults) -> None:
        self._store, self._drop, self._faults = store, drop, faults

    def _guard(self, request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        good = (scheme == "ApiKey" and given == KEY) or (scheme == "Basic" and self._store.knows_token(given))
        if not good:
            raise HTTPException(401, "unknown key or token")

    async def login(self, request: Request) -> Response:
        body = await _json(request)
        if body.get("userEmail") != KEY or body.get("submittedPassword") != KEY:
            raise HTTPException(401, "unknown user or password")
        seconds = _number(body.get("expirySeconds", 3600), "expirySeconds")
        token = self._store.new_token(float(seconds))
        return JSONResponse({"AuthToken": token, "TenantId": "tenant", "TenantName": "Sandbox"})

    async def dimensions(self, request: Request) -> Response:
        self._guard(request)
        names = self._store.dimensions()
        found = [{"KeyAttributes": [{"Name": "Name", "DimensionName": n}], "ResourceName": n} for n in names]
        return JSONResponse(found)

    async def members(self, request: Request) -> Response:
        self._guard(request)
        dimension, size = request.path_params["dimension"], _size(request)
        names = None
        for wanted in _filters(request):
            if "Values" in wanted:
                names = [str(value) for value in wanted["Values"]]
        [after] = _cursor(request, 1)
        found = self._store.members(dimension, after, size, names)
        cursor = [json.loads(found[-1])["Name"]] if len(found) == size else None
        return _page(dimension, found, cursor)

    async def add_members(self, request: Request) -> Response:
        self._guard(request)
        rows = _rows(await _json(request))
        if any(not isinstance(row.get("Name"), str) or not row["Name"] for row in rows):
            raise HTTPException(400, "every member needs a Name")
        plain = [{k: int(v) if isinstance(v, Decimal) else v for k, v in row.items()} for row in rows]
        taken = self._store.add_members(request.path_params["dimension"], plain)
        return JSONResponse({"Accepted": taken, "StatusCode": 200})

    async def measure_groups(self, request: Request) -> Response:
        self._guard(request)
        return JSONResponse([{"Name": name} for name in self._store.measure_groups()])

    async def facts(self, request: Request) -> Response:
        self._guard(request)
        group, size = request.path_params["measure_group"], _size(request)
        first, last, only = "", "9999-12-31", dict[str, Sequence[str]]()
        for wanted in _filters(request):
            for bound in wanted.get("DateRanges", []):
                if not isinstance(bound, dict) or bound.get("op") not in (">=", "<="):
                    raise HTTPException(400, "a date range needs op >= or <= and value")
                value = str(bound.get("value"))
                first, last = (value, last) if bound["op"] == ">=" else (first, value)
            if "Values" in wanted:
                column = f"{wanted.get('DimensionName')}.[{wanted.get('AttributeName')}]"
                only[column] = [str(value) for value in wanted["Values"]]
        day, cell = _cursor(request, 2)
        found = self._store.facts(group, first=first, last=last, after=(day, cell), size=size, only=only)
        cursor = [found[-1][0], found[-1][1]] if len(found) == size else None
        return _page(group, [row for _, _, row in found], cursor)

    async def add_facts(self, request: Request) -> Response:
        self._guard(request)
        body = await _json(request)
        batch_id, rows = body.get("BatchId"), _rows(body)
        if not isinstance(batch_id, str):
            raise HTTPException(400, "BatchId is missing")
        receipt, rejected = self._store.write(request.path_params["measure_group"], batch_id, rows)
        accepted = len(rows) - len(rejected)
        return JSONResponse({"ReceiptId": receipt, "Accepted": accepted, "Rejected": rejected, "StatusCode": 200})

    async def query(self, request: Request) -> Response:
        self._guard(request)
        text = (await _json(request)).get("Query")
        if not isinstance(text, str):
            raise HTTPException(400, "Query is missing")
        try:
            return Response(ibpl.answer(self._store, text), media_type="application/json")
        except ibpl.BadQuery as error:
            raise HTTPException(400, str(error)) from error

    async def pipeline(self, request: Request) -> Response:
        self._guard(request)
        body = await _json(request)
        given: Any = body.get("Parameters")
        if isinstance(given, dict) and "Files" in given:
            return self._load(str(body.get("PipelineId")), given)
        try:
            cycle = date.fromisoformat(given["Cycle"])
            rows = plan(self._store, given["MeasureGroup"], given["Measure"], cycle, int(given["Weeks"]))
            plan_measure = str(given["PlanMeasure"])
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(400, f"Parameters: {error}") from error
        run = f"plan-{cycle.isoformat()}"
        hold_forecasts(self._store, str(given.get("ForecastGroup", FORECAST)), run, rows)
        if self._drop is not None and rows:
            name, content = outbound_file(rows, cycle, plan_measure)
            self._drop(name, content[: len(content) // 2] if self._faults.half_files else content)
        self._store.set_run(run, str(body.get("PipelineId")), "Succeeded")
        return JSONResponse({"RunId": run, "Rows": len(rows), "StatusCode": 200})

    async def run(self, request: Request) -> Response:
        self._guard(request)
        status = self._store.run_status(request.path_params["run"])
        if status is None:
            raise HTTPException(404, "no such run")
        return JSONResponse({"Status": status[0], "Message": status[1], "StatusCode": 200})

    def _load(self, pipeline: str, given: Mapping[str, Any]) -> Response:
        """Load files of the data lake; a run that cannot read one has failed, and says why."""
        names = given["Files"]
        if not isinstance(names, list) or not isinstance(given.get("MeasureGroup"), str):
            raise HTTPException(400, "Parameters need Files, a list, and MeasureGroup")
        run, failed = f"load-{secrets.token_hex(6)}", []
        for name in map(str, names):
            try:
                load_file(self._store, given["MeasureGroup"], name)
            except ValueError as error:
                failed.append(f"{name}: {error}")
        self._store.set_run(run, pipeline, "Failed" if failed else "Succeeded", "; ".join(failed))
        return JSONResponse({"RunId": run, "StatusCode": 200})

    async def upload(self, request: Request) -> Response:
        self._guard(request)
        try:
            path = inside(self._store.files, request.query_params.get("filePath", ""))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        content = _part(request.headers.get("Content-Type", ""), await request.body(), "file")
        if path.exists() and request.query_params.get("overrideFile") != "true":
            return JSONResponse({"Message": "the file is there", "StatusCode": 409}, status_code=409)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(content)
        part.replace(path)
        return JSONResponse({"FileSize": len(content), "StatusCode": 200})


def _page(resource: str, rows: Sequence[str], cursor: Sequence[str] | None) -> Response:
    """A page of rows that are JSON already."""
    end = ""
    if cursor is not None:
        packed = base64.urlsafe_b64encode("\x1e".join(cursor).encode()).decode()
        end = f', "Cursor": {json.dumps(packed)}'
    text = f'{{"Data": {{{json.dumps(resource)}: [{",".join(rows)}]}}, "StatusCode": 200{end}}}'
    return Response(text, media_type="application/json")


def _cursor(request: Request, parts: int) -> list[str]:
    """Where a page begins; empty texts for the first."""
    given = request.query_params.get("cursor")
    if given is None:
        return [""] * parts
    try:
        found = base64.urlsafe_b64decode(given.encode()).decode().split("\x1e")
    except (binascii.Error, UnicodeError) as error:
        raise HTTPException(400, "the cursor is none of ours") from error
    if len(found) != parts:
        raise HTTPException(400, "the cursor is none of ours")
    return found


def _size(request: Request) -> int:
    text = request.query_params.get("size", "1000")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1_000_000):
        raise HTTPException(400, "size must be a number from 1 to 1000000")
    return int(text)


def _filters(request: Request) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(request.query_params.get("filters", "[]"))
    except ValueError as error:
        raise HTTPException(400, "filters are no JSON") from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise HTTPException(400, "filters must be a list of objects")
    if any(not isinstance(one.get(key, []), list) for one in found for key in ("Values", "DateRanges")):
        raise HTTPException(400, "Values and DateRanges must be lists")
    return found


def _part(content_type: str, body: bytes, name: str) -> bytes:
    """A part of a multipart body (RFC 7578), by its name."""
    whole = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    for part in whole.iter_parts() if whole.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == name:
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                return content
    raise HTTPException(400, f"a multipart body with the part {name!r} is needed")


async def _json(request: Request) -> dict[str, Any]:
    """The body's object, its numbers as Decimals."""
    try:
        found = json.loads(await request.body(), parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "the body must be an object")
    return found


def _no_number(text: str) -> Decimal:
    raise ValueError(f"{text} is no number")


def _rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = body.get("Data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise HTTPException(400, "Data must be a list of rows")
    return rows


def _number(value: object, name: str) -> Decimal:
    if not isinstance(value, Decimal | int) or not 1 <= value <= 10**7:
        raise HTTPException(400, f"{name} must be a number of seconds")
    return Decimal(value)
