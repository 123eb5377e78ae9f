"""The whole cycle on the aws deployment gives the rows of `local`: every table of the lake, o9's cells, the warehouse.

AWS and o9 are the sandbox, a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from o9_assets.deployment import aws, local
from o9_assets.planning.settings import Settings, parse
from o9_assets.sandbox.company import generate
from o9_assets_tests.sandbox import running
from o9_assets_tests.sides import PLANNING, Side, differing, settled

pytestmark = pytest.mark.aws


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
    assert differing(ours, theirs) == set()
    assert there.warehouse() == here.warehouse()
    assert len(here.held()) > 0
    assert there.held() == here.held()
