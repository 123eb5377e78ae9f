"""A run by hand after something changed within the cycle: it goes on, and its report tells what holds by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from o9_assets.exchange.snapshots import PLAN_SNAPSHOTS
from o9_assets_tests.by_hand import ByHand, section


@pytest.fixture
def company(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> ByHand:
    return ByHand(tmp_path, capfd, monkeypatch)


def test_what_o9_plans_otherwise_is_kept_as_a_new_revision_and_told(company: ByHand) -> None:
    company.days("a.csv")
    assert not any("revision" in line for line in section(company.report(), "o9"))
    company.file("late.csv", "L1,1,A,P,10.02.2025,500")
    assert "kept as the cycle's revision 2" in section(company.report(), "o9")[1]
    kept = company.lake.read(PLAN_SNAPSHOTS, columns=["revision"])["revision"].to_pylist()
    assert set(kept) == {1, 2}
    company.report()  # nothing changed since
    assert company.lake.read(PLAN_SNAPSHOTS, columns=["revision"])["revision"].to_pylist() == kept
