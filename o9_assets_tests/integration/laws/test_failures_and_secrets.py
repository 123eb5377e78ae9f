"""Laws 5 and 6, each with a test that breaks when the law does.

5. Nothing is swallowed: a permanent failure stops at once, a passing one is tried again, and each says what to do.
6. No secret in config, logs, metadata or the repository.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import uvicorn

from o9_assets.resources.configured import O9Resource
from o9_assets.sandbox.o9 import KEY, build_app

ROOT = Path(__file__).resolve().parents[3]
PLANTED = "planted-secret-5f1d9c"
EXPORT = "o9/demand_export"


@dataclass
class Unwell:
    """An o9 over HTTP that asks for the planted key, and repeats what it was sent wherever it refuses."""

    app: Any
    refuse: Callable[[int], int | None]
    requests: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        given = dict(scope["headers"]).get(b"authorization", b"")
        status = self.refuse(self.requests) or (None if given == f"ApiKey {PLANTED}".encode() else 401)
        if status is not None:
            body = json.dumps({"Message": f"refused {given.decode()}", "Rejected": []}).encode()
            fields = [(b"content-type", b"application/json"), (b"retry-after", b"0"), (b"x-echo", given)]
            await send({"type": "http.response.start", "status": status, "headers": fields})
            await send({"type": "http.response.body", "body": body})
            return
        others = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        await self.app({**scope, "headers": [*others, (b"authorization", f"ApiKey {KEY}".encode())]}, receive, send)


@contextmanager
def over_http(company: Any, refuse: Callable[[int], int | None] = lambda number: None) -> Iterator[Unwell]:
    """The company with an o9 over HTTP, on this machine, instead of the one in its process."""
    unwell, before = Unwell(build_app(company.o9), refuse), company.deployment
    server = uvicorn.Server(uvicorn.Config(unwell, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        o9 = O9Resource(kind="http", location=f"http://127.0.0.1:{port}", profile="platform")
        company.deployment = replace(before, resources={**before.resources, "o9": o9})
        yield unwell
    finally:
        company.deployment = before
        server.should_exit = True
        thread.join()


def of_the_export(company: Any, result: dg.ExecuteInProcessResult) -> Counter[str]:
    """Events of the export's step in the run's log."""
    log = company.instance.all_logs(result.run_id)
    events = [e.dagster_event for e in log if e.step_key == "o9__demand_export"]
    return Counter(event.event_type_value for event in events if event is not None)


# 5. Nothing is swallowed.


def test_a_permanent_failure_stops_at_once_and_says_what_to_do(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("O9_API_KEY", "revoked")
    company.land("2025-01-08", ["O8;1;a;S1;2025-01-08;1;2.50"])
    with over_http(company) as o9:
        result = company.refresh()
        assert o9.requests == 1
    happened = of_the_export(company, result)
    assert (happened["STEP_START"], happened["STEP_UP_FOR_RETRY"], happened["STEP_FAILURE"]) == (1, 0, 1)
    [failure] = [e for e in result.all_events if e.is_step_failure and e.step_key == "o9__demand_export"]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "(401)" in str(told.description)
    assert told.metadata["what to do"].value == "Renew O9_API_KEY, or its rights in o9."


def test_a_passing_failure_is_tried_again_until_it_passes(company: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("O9_API_KEY", PLANTED)
    with over_http(company, lambda number: 503 if number <= 2 else None) as o9:
        result = company.refresh(EXPORT)
        assert result.success
        assert o9.requests > 3
    [made] = result.get_asset_materialization_events()
    assert made.materialization.metadata["cells sent"].value >= 1


# 6. No secret.


@pytest.mark.parametrize("status", [400, 403, 404, 422, 500])
def test_a_secret_is_in_nothing_that_a_run_leaves_behind(
    company: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    """Not where o9 repeats it in its refusal, and the run's failure tells what o9 said."""
    monkeypatch.setenv("O9_API_KEY", PLANTED)
    company.land("2025-01-09", [f"O9;1;a;S1;2025-01-09;{status};2.50"])
    company.refresh("raw/erp_orders", "curated/order_lines", "curated/demand_history")
    with over_http(company, lambda number: status if number <= 3 else None) as o9:
        company.refresh(EXPORT)
        assert o9.requests >= 1
    forms = [PLANTED.encode(), base64.b64encode(PLANTED.encode()), PLANTED.encode("utf-16-le")]
    files = [path for path in company.home.rglob("*") if path.is_file()]
    assert {".db", ".parquet", ".csv"} <= {path.suffix for path in files}
    assert [path for path in files for form in forms if form in path.read_bytes()] == []
    told = capfd.readouterr()
    assert PLANTED not in told.out + told.err


def test_the_repository_holds_no_key() -> None:
    """But for the offline twin's, which open nothing and say so."""
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("not a checkout")
    keys = ["AKIA[0-9A-Z]{16}", "-----BEGIN [A-Z ]*PRIVATE KEY-----", "aws_secret_access_key[\"': =]+[A-Za-z0-9/+]{40}"]
    found = subprocess.run(
        ["git", "grep", "-hoE", *(argument for key in keys for argument in ("-e", key))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert {line for line in found.stdout.splitlines() if "SANDBOX" not in line} == set()
