"""The cycle that a run by hand plans: the one after the last whole week, and never one that has not begun."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from o9_assets.assets.cycles import cycle_of
from o9_assets.deployment import Deployment, local
from o9_assets.failures import Permanent
from o9_assets.planning.settings import parse
from o9_assets.run.cycle import latest_cycle
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import Exchange, cell


def known(home: Path, *weeks: date) -> Deployment:
    """A company of whose demand these weeks are whole."""
    Exchange(home / "test").history(*(cell(day) for day in weeks))
    return local(parse(SETTINGS), home)


def test_the_cycle_after_the_last_whole_week(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert latest_cycle(known(tmp_path, date(2025, 1, 6), date(2025, 1, 13))) == "2025-01-20"
    assert capsys.readouterr().out == ""


@pytest.mark.faults
def test_a_mistyped_year_is_told_and_the_latest_cycle_that_has_begun_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = cycle_of(parse(SETTINGS), datetime.now(UTC).date())
    assert latest_cycle(known(tmp_path, date(2025, 1, 6), date(2040, 1, 2))) == begun
    told = capsys.readouterr().out
    assert f"demand reaches to the week of 2040-01-02; the latest cycle that has begun is {begun}" in told


@pytest.mark.faults
def test_demand_older_than_any_cycle_is_told(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"that of 2001-01-01, and no cycle is that old\. Set forecast\.first_cycle"):
        latest_cycle(known(tmp_path, date(2001, 1, 1)))
