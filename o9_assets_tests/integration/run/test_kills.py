"""A run on the aws deployment, killed at random points and started again: nothing is lost, nothing is there twice.

Lake, warehouse and o9 hold in the end, row for row, what a run that nobody disturbed leaves. A process is killed with
SIGKILL, with all that it started; AWS and o9 are the sandbox, which lives on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from o9_assets.deployment import aws, local
from o9_assets.planning.settings import parse
from o9_assets.sandbox.company import generate
from o9_assets_tests.sandbox import running
from o9_assets_tests.sides import PLANNING, Side, differing, settled

pytestmark = [pytest.mark.aws, pytest.mark.faults]

SETTINGS = PLANNING.replace("horizon_weeks: 13", "horizon_weeks: 1")
RUN = """
import os, sys
from pathlib import Path
from o9_assets.deployment import aws
from o9_assets.planning.settings import parse
from o9_assets_tests.integration.run.test_kills import SETTINGS
from o9_assets_tests.sides import Side, settled
side = Side(settled(aws(parse(SETTINGS), os.environ)), Path())
print("started", flush=True)
getattr(side, sys.argv[1])(Path(sys.argv[2]))
"""


def ended(what: str, files: Path, environment: dict[str, str], log: Path, kill_after: float | None) -> bool:
    """Run in a process of its own, to be killed so many seconds after it started; whether it came to its end."""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", RUN, what, str(files)],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        try:
            code = process.wait(kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            return False
    assert code == 0, log.read_text()[-4000:]
    return True


@pytest.mark.parametrize(
    ("what", "days", "kills"),
    [
        pytest.param("refresh", 30, 3, id="a_few"),
        pytest.param("cycle", 140, 50, id="fifty", marks=[pytest.mark.slow, pytest.mark.timeout(3 * 3600)]),
    ],
)
def test_a_run_killed_at_random_points_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, days: int, kills: int
) -> None:
    generate(7, 0.01, tmp_path / "company", days=days)
    files = tmp_path / "company" / "landing"
    home = tmp_path / "whole"
    whole = Side(settled(local(parse(SETTINGS), home, settle_seconds=0)), home / "sample_foods" / "o9.db")
    began = time.monotonic()
    getattr(whole, what)(files)
    seconds = time.monotonic() - began
    tables, warehouse, held = whole.tables(), whole.warehouse(), whole.held()
    assert len(held) > 0
    dice, killed = random.Random(11), 0
    while killed < kills:
        state = tmp_path / f"after_{killed}_kills"
        with running(state) as environment:
            while not ended(what, files, environment, tmp_path / "log", dice.uniform(0, seconds)):
                killed += 1
                if killed == kills:
                    assert ended(what, files, environment, tmp_path / "log", None)
                    break
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            side = Side(settled(aws(parse(SETTINGS), environment)), state / "o9.db")
            assert differing(tables, side.tables()) == set()
            assert side.warehouse() == warehouse
            assert side.held() == held
