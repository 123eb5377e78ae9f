"""A small SaaS application that speaks OData: accounts and promotions of the sample company, page by page.

    with Saas({"Accounts": accounts()}) as saas:
        httpx.get(f"{saas.url}/odata/Accounts?$top=100")

It answers `$top`, `$select`, `$count` and `@odata.nextLink`; a record is a JSON object with typed values. Tests change
its records, hold it or let it fail while something reads from it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["PAGE", "Saas", "sample_entities"]

PAGE = 100
Record = dict[str, Any]


def sample_entities(landing: Path) -> dict[str, list[Record]]:
    """The sample company's accounts (ship-to locations) and promotions, from its files in `landing`."""
    import json

    def rows(folder: str) -> list[Record]:
        files = sorted((landing / folder).glob("*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]

    return {"Accounts": rows("crm/locations"), "Promotions": rows("tpm/promotions")}


class Saas:
    """The application while its context is open, on a port of 127.0.0.1. `entities` are read at each request."""

    def __init__(self, entities: Mapping[str, Sequence[Record]], *, page: int = PAGE) -> None:
        self.entities = {name: list(records) for name, records in entities.items()}
        self.page = page
        self.requests = 0
        self.fails_after: int | None = None
        """Answer with 503 once so many pages were served; None for never."""
        self._open = threading.Event()
        self._open.set()

    def hold(self) -> None:
        """Answer nothing until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def app(self) -> Starlette:
        """The application, for a server or a transport."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(routes=[Route("/odata/{entity}", self._answer)])

    def _answer(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        # Not async: Starlette runs this on a thread of its own, where waiting keeps nobody out.
        self._open.wait(timeout=30)
        self.requests += 1
        if self.fails_after is not None and self.requests > self.fails_after:
            said = {"error": {"code": "ServiceUnavailable", "message": "The service is being maintained."}}
            return JSONResponse(said, status_code=503)
        name = request.path_params["entity"]
        records = self.entities.get(name)
        if records is None:
            said = {"error": {"code": "NotFound", "message": f"There is no entity {name}."}}
            return JSONResponse(said, status_code=404)
        query = request.query_params
        try:
            begin, most = int(query.get("$skiptoken", 0)), min(int(query.get("$top", self.page)), self.page)
        except ValueError:
            return JSONResponse({"error": {"code": "BadRequest", "message": "$top is a number."}}, status_code=400)
        wanted = [field for field in query.get("$select", "").split(",") if field]
        part = records[begin : begin + most]
        told: Record = {"value": [{k: r.get(k) for k in wanted} if wanted else r for r in part]}
        if query.get("$count") == "true":
            told["@odata.count"] = len(records)
        if begin + most < len(records):
            told["@odata.nextLink"] = str(request.url.include_query_params(**{"$skiptoken": begin + most}))
        return JSONResponse(told)

    def __enter__(self) -> Saas:
        import uvicorn

        config = uvicorn.Config(self.app(), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="saas", daemon=True)
        self._thread.start()
        until = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > until:
                raise RuntimeError("the SaaS stand-in did not start")
            time.sleep(0.01)
        self.port = int(self._server.servers[0].sockets[0].getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.should_exit = True
        self._thread.join(timeout=10)
