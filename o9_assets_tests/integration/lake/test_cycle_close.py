"""A closed cycle stays readable as it was, whatever comes after."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.lake import cycle_close
from o9_assets.assets.lake.cycle_close import CYCLE_CLOSE, tag_of
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings, load
from o9_assets.resources.configured import ClockResource, LakeResource
from o9_assets.resources.lake import Lake, everything

CYCLE = "2026-06-29"


@pytest.fixture
def settings() -> Settings:
    return load(Path(__file__).resolve().parents[3] / "planning.yaml")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.local(tmp_path / "lake")


def price(lake: Lake, price: str) -> None:
    row = {"item_code": "A", "list_price": Decimal(price), "in_master": True, "known_at": datetime(2026, 6, 29)}
    rows = [{name: row.get(name) for name in ITEMS.column_names}]
    lake.overwrite(ITEMS, pa.Table.from_pylist(rows, schema=ITEMS.arrow_schema), everything())


def locations(lake: Lake, count: int) -> None:
    known = {"in_master": True, "is_current": True, "valid_from_at": datetime(2026, 6, 29)}
    rows = [{**dict.fromkeys(LOCATIONS.column_names), **known, "location_code": f"L{n}"} for n in range(count)]
    lake.overwrite(LOCATIONS, pa.Table.from_pylist(rows, schema=LOCATIONS.arrow_schema), everything())


def close(settings: Settings, tmp_path: Path, at: str, *, reopen: bool = False) -> dict[str, Any]:
    run_config = dg.RunConfig({"lake__cycle_close": cycle_close.CloseConfig(reopen=reopen)})
    result = dg.materialize(
        cycle_close.build(settings),
        partition_key=CYCLE,
        run_config=run_config,
        resources={
            "lake": LakeResource(location=str(tmp_path / "lake")),
            "clock": ClockResource(fixed_at=at),
        },
    )
    (event,) = result.get_asset_materialization_events()
    return dict(event.materialization.metadata)


def price_then(lake: Lake) -> Decimal:
    (row,) = lake.read(ITEMS, tag=tag_of(CYCLE)).to_pylist()
    found: Decimal = row["list_price"]
    return found


def test_a_closed_cycle_is_read_as_it_was(settings: Settings, lake: Lake, tmp_path: Path) -> None:
    price(lake, "1.29")
    close(settings, tmp_path, "2026-06-29T08:00:00")
    price(lake, "1.49")
    assert price_then(lake) == Decimal("1.29")


def test_the_close_records_snapshots_and_settings(settings: Settings, lake: Lake, tmp_path: Path) -> None:
    price(lake, "1.29")
    assert close(settings, tmp_path, "2026-06-29T08:00:00")["dagster/row_count"].value == 1
    (row,) = lake.read(CYCLE_CLOSE).to_pylist()
    assert row == {
        "cycle": CYCLE,
        "table_name": "curated.items",
        "snapshot_id": lake.snapshot_id(ITEMS),
        "row_count": 1,
        "closed_at": datetime(2026, 6, 29, 8),
        "settings_hash": settings.hash,
        "settings_text": settings.text,
    }


def test_closing_again_changes_nothing(settings: Settings, lake: Lake, tmp_path: Path) -> None:
    price(lake, "1.29")
    close(settings, tmp_path, "2026-06-29T08:00:00")
    before, snapshot = lake.read(CYCLE_CLOSE), lake.snapshot_id(CYCLE_CLOSE)
    price(lake, "1.49")
    close(settings, tmp_path, "2026-06-30T08:00:00")
    assert price_then(lake) == Decimal("1.29")
    assert lake.read(CYCLE_CLOSE) == before
    assert lake.snapshot_id(CYCLE_CLOSE) == snapshot


@pytest.mark.faults
@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_reopening_that_died_half_way_leaves_nothing_of_two_moments(
    settings: Settings, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    price(lake, "1.29")
    locations(lake, 1)
    close(settings, tmp_path, "2026-06-29T08:00:00")
    price(lake, "1.49")
    locations(lake, 2)
    tag, calls = Lake.tag, iter(range(1, 100))

    def dies(opened: Lake, dataset: Dataset, name: str) -> int | None:
        if opened.row_count(dataset) and next(calls) == dies_at:
            raise KeyboardInterrupt
        return tag(opened, dataset, name)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Lake, "tag", dies)
        close(settings, tmp_path, "2026-06-30T08:00:00", reopen=True)
    price(lake, "1.69")
    locations(lake, 3)
    close(settings, tmp_path, "2026-07-01T08:00:00")
    assert (price_then(lake), lake.read(LOCATIONS, tag=tag_of(CYCLE)).num_rows) == (Decimal("1.69"), 3)


def test_reopening_moves_the_tag_and_says_when(settings: Settings, lake: Lake, tmp_path: Path) -> None:
    price(lake, "1.29")
    close(settings, tmp_path, "2026-06-29T08:00:00")
    price(lake, "1.49")
    close(settings, tmp_path, "2026-06-30T08:00:00", reopen=True)
    assert price_then(lake) == Decimal("1.49")
    assert [row["closed_at"] for row in lake.read(CYCLE_CLOSE).to_pylist()] == [datetime(2026, 6, 30, 8)]


def test_the_rows_that_are_recorded_are_those_of_the_tag(
    settings: Settings, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locations(lake, 2)
    given = Lake.tag

    def written_meanwhile(self: Lake, dataset: Dataset, name: str) -> int | None:
        snapshot = given(self, dataset, name)
        if dataset is LOCATIONS:
            locations(lake, 3)
        return snapshot

    monkeypatch.setattr(Lake, "tag", written_meanwhile)
    close(settings, tmp_path, "2026-06-29T08:00:00")
    [row] = [row for row in lake.read(CYCLE_CLOSE).to_pylist() if row["table_name"] == LOCATIONS.name]
    assert row["row_count"] == lake.read(LOCATIONS, tag=tag_of(CYCLE)).num_rows == 2
