"""The real retailer's files through the whole platform, in many runs or at once: demand history, o9 and forecast agree.

The whole year takes over half an hour (marker slow); the first weeks show the same in seconds.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.demand_segments import DEMAND_SEGMENTS
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.forecast.backtest import BACKTEST
from o9_assets.assets.forecast.predictions import PREDICTIONS
from o9_assets.dataset import Dataset
from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment, local
from o9_assets.exchange.datasets import DEMAND_EXPORT
from o9_assets.planning.settings import parse
from o9_assets.run.cycle import latest_cycle

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT.parent / "shared" / "data" / "online_retail").glob("*.csv"))
SETTINGS = (ROOT / "examples" / "online_retail.yaml").read_text(encoding="utf-8")

pytestmark = [pytest.mark.real, pytest.mark.skipif(not FILES, reason="the public data set is not beside the project")]


def executed(deployment: Deployment, job: str, cycle: str | None = None) -> None:
    """Run a job of the platform to its end; the first failure is raised."""
    with dg.DagsterInstance.ephemeral() as instance:
        found = build_defs(deployment).resolve_job_def(job).execute_in_process(instance=instance, partition_key=cycle)
    assert found.success


def company(home: Path, text: str, files: list[Path], runs: int) -> tuple[Deployment, str]:
    """A company whose files landed in so many runs of landing → demand history → o9, with one forecast at the end."""
    deployment = local(parse(text), home, settle_seconds=0)
    zone = deployment.resources["zone"].open()
    size = -(-len(files) // runs)
    for start in range(0, len(files), size):
        for path in files[start : start + size]:
            zone.put(path.name, path)
        executed(deployment, "refresh")
    cycle = latest_cycle(deployment)
    executed(deployment, "cycle", cycle)
    return deployment, cycle


def rows(deployment: Deployment, dataset: Dataset) -> pa.Table:
    """A table's rows in order, without what names the copy of a file or the delivery that a row came with."""
    found = deployment.resources["lake"].open().read(dataset)
    found = found.drop_columns([c for c in ("object_id", "delivery_id", "made_at") if c in found.column_names])
    return found.sort_by([(name, "ascending") for name in found.column_names])


def held(deployment: Deployment) -> list[tuple[Any, ...]]:
    """What o9 holds: every cell of every measure group, digit for digit."""
    with sqlite3.connect(deployment.resources["o9"].location) as con:
        return con.execute("SELECT measure_group, start_date, cell, row FROM facts ORDER BY 1, 2, 3").fetchall()


@pytest.mark.parametrize(
    ("count", "horizon", "runs"),
    [
        pytest.param(75, 1, 3, id="first_weeks"),
        pytest.param(305, 8, 305, id="day_by_day", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_in_many_runs_or_at_once(tmp_path: Path, count: int, horizon: int, runs: int) -> None:
    text = SETTINGS.replace("horizon_weeks: 8", f"horizon_weeks: {horizon}")
    assert f"horizon_weeks: {horizon}" in text
    once, cycle = company(tmp_path / "once", text, FILES[:count], 1)
    often, same_cycle = company(tmp_path / "often", text, FILES[:count], runs)
    assert cycle == same_cycle
    for dataset in (ITEMS, LOCATIONS, ORDER_LINES, DEMAND_HISTORY, DEMAND_SEGMENTS):
        assert rows(often, dataset).equals(rows(once, dataset)), dataset.name
    assert rows(often, DEMAND_EXPORT).equals(rows(once, DEMAND_EXPORT))
    assert held(often) == held(once)
    for dataset in (BACKTEST, PREDICTIONS):
        assert rows(once, dataset).num_rows > 0
        assert rows(often, dataset).equals(rows(once, dataset)), dataset.name
