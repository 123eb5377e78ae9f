"""Maintenance beside writers and readers: whoever comes between two steps of it loses nothing."""

from pathlib import Path
from typing import Any

import pytest

from o9_assets.resources.lake import Lake, maintenance
from o9_assets_tests.integration.resources.test_lake import FLAT, keys, rows


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.local(tmp_path)


@pytest.mark.faults
def test_two_writers_that_forget_the_same_snapshots_both_succeed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, real, met = Lake.local(tmp_path), maintenance._forget, list[int]()

    def after_another(table: Any, snapshots: list[int]) -> int:
        met.append(real(other.ensure(FLAT), snapshots))
        return real(table, snapshots)

    monkeypatch.setattr(maintenance, "_forget", after_another)
    written = 0
    while not met:
        lake.append(FLAT, rows(written))
        written += 1
    assert met[0] > 0
    assert keys(lake, FLAT) == list(range(written))
