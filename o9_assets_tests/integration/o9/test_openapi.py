"""The sandbox o9 answers as its OpenAPI description says, whatever is asked: generated requests, good and bad."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

import o9_assets.sandbox.o9.app as app_module
from o9_assets.sandbox.o9 import Store, build_app

TEXT = Path(app_module.__file__).with_name("openapi.yaml").read_text(encoding="utf-8")
SCHEMA = schemathesis.openapi.from_dict(yaml.safe_load(TEXT))


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    state = tmp_path_factory.mktemp("sandbox") / "o9.db"
    command = [sys.executable, "-m", "o9_assets.sandbox.o9", "--state", str(state), "--port", "18090"]
    server = subprocess.Popen(command)
    try:
        for _ in range(100):
            try:
                httpx.get("http://127.0.0.1:18090/openapi.json")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        yield "http://127.0.0.1:18090"
    finally:
        server.terminate()
        server.wait()


@SCHEMA.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case: schemathesis.Case, base_url: str) -> None:
    # Filters and cursors are texts with a grammar of their own, which a schema cannot tell good from bad.
    excluded = [negative_data_rejection, positive_data_acceptance]
    case.call_and_validate(base_url=base_url, headers={"Authorization": "ApiKey sandbox"}, excluded_checks=excluded)


def test_every_route_is_described(tmp_path: Path) -> None:
    app = build_app(Store(tmp_path / "o9.db"))._app  # type: ignore[attr-defined]
    described = {
        path.replace("/tenant/api/v3/integration/tenant/", "/{tenant}/api/v3/integration/{same}/").replace(
            "ibplquery/tenant/", "ibplquery/{tenant}/"
        )
        for path in yaml.safe_load(TEXT)["paths"]
    }
    assert {route.path for route in app.routes} - {"/openapi.json"} == described
