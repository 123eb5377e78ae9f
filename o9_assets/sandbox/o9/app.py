"""The sandbox o9's HTTP side: the `platform` profile as a Starlette app. Faults are switched on by tests."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from o9_assets.sandbox.o9.store import Store

__all__ = ["Faults", "build_app"]

KEY = "sandbox"


@dataclass
class Faults:
    """What goes wrong. `answer` is asked before each request with its number (from 1), method and path; a response that
    it gives is sent instead. `lose_receipts` takes facts in and then fails, as a cut connection would."""

    answer: Callable[[int, str, str], Response | None] = lambda number, method, path: None
    lose_receipts: Callable[[int], bool] = lambda number: False
    requests: int = 0


def build_app(
    store: Store, drop: Callable[[str, bytes], None] | None = None, *, faults: Faults | None = None
) -> Starlette:
    """The app over a store. `drop` puts a file where o9's outbound data goes, given its name and content."""
    faults = faults or Faults()

    def guard(request: Request) -> Response | None:
        faults.requests += 1
        given = faults.answer(faults.requests, request.method, request.url.path)
        if given is not None:
            return given
        if request.headers.get("Authorization") != f"ApiKey {KEY}":
            return JSONResponse({"Message": "unknown key"}, status_code=401)
        return None

    async def members(request: Request) -> Response:
        if (refused := guard(request)) is not None:
            return refused
        dimension = request.path_params["dimension"]
        if request.method == "POST":
            rows = (await request.json())["Data"]
            return JSONResponse({"Accepted": store.add_members(dimension, rows), "StatusCode": 200})
        size = int(request.query_params.get("size", 1000))
        found = store.members(dimension, request.query_params.get("cursor", ""), size)
        body: dict[str, Any] = {"Data": {dimension: found}, "StatusCode": 200}
        if len(found) == size:
            body["Cursor"] = found[-1]["Name"]
        return JSONResponse(body)

    async def facts(request: Request) -> Response:
        if (refused := guard(request)) is not None:
            return refused
        group = request.path_params["measure_group"]
        if request.method == "POST":
            body = await request.json()
            receipt, rejected = store.write(group, body["BatchId"], body["Data"])
            if faults.lose_receipts(faults.requests):
                return JSONResponse({"Message": "lost"}, status_code=502)
            accepted = len(body["Data"]) - len(rejected)
            return JSONResponse({"ReceiptId": receipt, "Accepted": accepted, "Rejected": rejected, "StatusCode": 200})
        first, last = "", "9999-12-31"
        for wanted in json.loads(request.query_params.get("filters", "[]")):
            for bound in wanted.get("DateRanges", []):
                first = bound["value"] if bound["op"] == ">=" else first
                last = bound["value"] if bound["op"] == "<=" else last
        size = int(request.query_params.get("size", 1000))
        found = store.facts(group, first, last, request.query_params.get("cursor", ""), size)
        rows = ",".join(row for _, row in found)
        cursor = f', "Cursor": {json.dumps(found[-1][0])}' if len(found) == size else ""
        text = f'{{"Data": {{{json.dumps(group)}: [{rows}]}}, "StatusCode": 200{cursor}}}'
        return Response(text, media_type="application/json")

    async def pipeline(request: Request) -> Response:
        if (refused := guard(request)) is not None:
            return refused
        given = (await request.json())["Parameters"]
        cycle = date.fromisoformat(given["Cycle"])
        rows = store.plan(given["MeasureGroup"], given["Measure"], cycle, int(given["Weeks"]))
        if drop is not None and rows:
            columns = [name for name in rows[0] if name != "quantity"]
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["Plan Cycle", *columns, given["PlanMeasure"]])
            writer.writerows([cycle.isoformat(), *(row[c] for c in columns), f"{row['quantity']:.4f}"] for row in rows)
            drop(f"o9/outbound/{cycle.isoformat()}-Fact.StatFcst.csv", text.getvalue().encode())
        return JSONResponse({"RunId": f"plan-{cycle.isoformat()}", "Rows": len(rows), "StatusCode": 200})

    return Starlette(
        routes=[
            Route("/api/v2/master/{model}/{dimension}", members, methods=["GET", "POST"]),
            Route("/api/v2/fact/{model}/{measure_group}", facts, methods=["GET", "POST"]),
            Route("/{tenant}/api/v3/integration/{same}/ui/airflow/execute", pipeline, methods=["POST"]),
        ]
    )
