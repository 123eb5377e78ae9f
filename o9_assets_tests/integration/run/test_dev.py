"""`make dev`: the UI and the daemon come up, and a file that lands becomes demand history by itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.deployment import local
from o9_assets.planning.settings import parse
from o9_assets.resources.lake import Lake
from o9_assets_tests.company import ORDERS, SETTINGS

ROOT = Path(__file__).resolve().parents[3]
RUNS = """
{ runsOrError(limit: 50) { ... on Runs { results { runId status tags { key value } assetSelection { path } } } } }
"""


@dataclass
class Dev:
    """A `make dev` that runs in `home`."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def lake(self) -> Lake:
        lake: Lake = local(parse(SETTINGS), self.home / ".o9").resources["lake"].open()
        return lake

    def ask(self, query: str) -> Any:
        """The UI's answer to a GraphQL query."""
        body = json.dumps({"query": query}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            return json.load(answer)["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Runs, the first one first: what asked for each, its assets, its status."""
        return [
            {
                "by": next((t["value"] for t in run["tags"] if t["key"] == "dagster/sensor_name"), None),
                "assets": {"/".join(key["path"]) for key in run["assetSelection"] or []},
                "status": run["status"],
            }
            for run in reversed(self.ask(RUNS)["runsOrError"]["results"])
        ]

    def until(self, holds: Callable[[], Any], seconds: float) -> Any:
        """Wait for what `holds` gives, once it gives something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.told()
            try:
                if found := holds():
                    return found
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass  # it is not up yet
            time.sleep(0.5)
        raise AssertionError(self.told())

    def told(self) -> str:
        return (self.home / "dev.log").read_text(encoding="utf-8", errors="replace")[-6000:]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with Dagster's files as in the repository, and a company's settings."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "planning.yaml").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    """As a user has it: where state lies is not said, and there is no DAGSTER_HOME."""
    kept = {k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "O9_STATE", "O9_DEPLOYMENT")}
    return kept | {"O9_PLANNING": str(home / "planning.yaml")}


@pytest.fixture
def dev(home: Path) -> Iterator[Dev]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with (home / "dev.log").open("wb") as log:
        # As a script does for what it starts in the background.
        ignoring_sigint = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
        process = subprocess.Popen(
            [*ignoring_sigint, sys.executable, "-m", "o9_assets", "dev", "--port", str(port)],
            cwd=home,
            env=environment(home),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Dev(home, port, process)
        finally:
            process.terminate()
            try:
                process.wait(60)  # or TimeoutExpired: SIGTERM ends it, and what it started
            finally:
                with suppress(ProcessLookupError):  # all of them ended by themselves
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_file_that_lands_becomes_demand_history_by_itself(dev: Dev) -> None:
    dev.until(lambda: dev.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"), 90)
    landing = Path(local(parse(SETTINGS), dev.home / ".o9").resources["zone"].location)
    path = landing / "orders" / "2025-01-06.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{ORDERS}\nO1;1;a;S1;2025-01-06;5;2.50\nO1;2;a;S1;2025-01-07;many;2.50\n", encoding="utf-8")

    def ordered() -> Decimal:
        return sum(
            (row["orders_quantity"] or Decimal(0) for row in dev.lake.read(DEMAND_HISTORY).to_pylist()), Decimal(0)
        )

    assert dev.until(ordered, 240) == 5
    runs = dev.until(lambda: (found := dev.runs()) and all(r["status"] == "SUCCESS" for r in found) and found, 120)
    landed, *made = runs
    assert (landed["by"], landed["assets"]) == ("landing", {"raw/erp_orders"})
    assert {run["by"] for run in made} == {"curated_after_new_input"}
    assert {"curated/order_lines", "curated/demand_history", "curated/demand_segments"} <= set().union(
        *(run["assets"] for run in made)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["definitions", "validate"],
        ["asset", "materialize", "--select", "raw/erp_orders", "-m", "o9_assets.definitions"],
    ],
    ids=["definitions validate", "asset materialize"],
)
def test_dagster_s_own_commands_work_where_nothing_is_set_up(home: Path, arguments: list[str]) -> None:
    command = [str(Path(sys.executable).parent / "dagster"), *arguments]
    done = subprocess.run(command, cwd=home, env=environment(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert {path.name for path in home.iterdir()} <= {
        "dagster.yaml",
        "workspace.yaml",
        "planning.yaml",
        ".dagster",
        ".o9",
    }
