"""The whole cycle on the aws deployment gives the rows of `local`: every table of the lake, o9's cells, the warehouse.

AWS and o9 are the sandbox, a process of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from o9_assets.assets.lake.tables import lake_tables
from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment, aws, local
from o9_assets.exchange.reconciliation.tables import RECONCILIATION
from o9_assets.planning.settings import Settings, parse
from o9_assets.resources.configured import ClockResource
from o9_assets.run.cycle import latest_cycle
from o9_assets.run.files import bring_in
from o9_assets.sandbox.company import generate
from o9_assets_tests.sandbox import running

pytestmark = pytest.mark.aws

PLANNING = (Path(__file__).resolve().parents[3] / "planning.yaml").read_text(encoding="utf-8")
# What names a copy of an object, a delivery, o9's answer to it, or a state of a table.
IDS = {"object_id", "object_version", "delivery_id", "receipt", "snapshot_id"}


@dataclass
class Side:
    """A deployment that ran a cycle, and the file with what its o9 holds."""

    deployment: Deployment
    o9: Path

    def cycle(self, files: Path) -> None:
        bring_in(files, self.deployment)
        self._run("refresh")
        self._run("cycle", latest_cycle(self.deployment))

    def _run(self, job: str, partition_key: str | None = None) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            found = build_defs(self.deployment).resolve_job_def(job)
            assert found.execute_in_process(instance=instance, partition_key=partition_key).success

    def tables(self) -> dict[str, pa.Table]:
        """Every table of the lake, in order and without ids."""
        lake, found = self.deployment.resources["lake"].open(), {}
        for dataset in lake_tables(self.deployment.settings):
            table = lake.read(dataset)
            if dataset is RECONCILIATION:
                # The hash of files is one of their objects' ids, which S3's versions are part of.
                hidden = "if(slice LIKE 'files %', '', content_hash) AS content_hash"
                table = duckdb.from_arrow(table).project(f"* REPLACE ({hidden})").to_arrow_table()
            table = table.drop_columns([name for name in table.column_names if name in IDS])
            found[dataset.name] = table.sort_by([(name, "ascending") for name in table.column_names])
        return found

    def warehouse(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table of the warehouse, in order."""
        with duckdb.connect(self.deployment.resources["warehouse"].path, read_only=True) as con:
            names = con.execute(
                "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
            ).fetchall()
            return {f"{s}.{t}": con.execute(f'FROM "{s}"."{t}" ORDER BY ALL').fetchall() for s, t in names}

    def held(self) -> list[tuple[Any, ...]]:
        """What o9 holds: every cell of every measure group, digit for digit."""
        with sqlite3.connect(self.o9) as con:
            return con.execute("SELECT measure_group, start_date, cell, row FROM facts ORDER BY 1, 2, 3").fetchall()


def settled(deployment: Deployment) -> Deployment:
    """With a clock that stands still."""
    clock = ClockResource(fixed_at="2026-07-01T06:00:00")
    return replace(deployment, resources={**deployment.resources, "clock": clock})


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The sandbox's environment, which is this process's too."""
    with running(tmp_path / "sandbox") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield environment


@pytest.mark.parametrize(
    ("scale", "days", "horizon"),
    [
        pytest.param(0.01, 140, 1, id="small"),
        pytest.param(1, None, 13, id="sample_company", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_the_cycle_on_aws_gives_the_rows_of_local(
    tmp_path: Path, sandbox: dict[str, str], scale: float, days: int | None, horizon: int
) -> None:
    settings: Settings = parse(PLANNING.replace("horizon_weeks: 13", f"horizon_weeks: {horizon}"))
    files = tmp_path / "company"
    generate(7, scale, files, days=days)
    here = Side(settled(local(settings, tmp_path / "local", settle_seconds=0)), tmp_path / "local/sample_foods/o9.db")
    there = Side(settled(aws(settings, sandbox)), tmp_path / "sandbox/o9.db")
    for side in (here, there):
        side.cycle(files / "landing")
    ours, theirs = here.tables(), there.tables()
    assert sum(table.num_rows for table in ours.values()) > 10_000
    differing = {
        f"{name}.{column}"
        for name, table in ours.items()
        for column in table.column_names
        if not theirs[name][column].equals(table[column])
    }
    assert differing == set()
    assert there.warehouse() == here.warehouse()
    assert len(here.held()) > 0
    assert there.held() == here.held()
