"""Maintenance makes tables small again and changes nothing that a reader sees; a closed cycle outlives it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.lake import maintenance
from o9_assets.assets.lake.cycle_close import tag_of
from o9_assets.assets.lake.maintenance import MAINTENANCE
from o9_assets.assets.lake.tables import lake_tables
from o9_assets.planning.settings import Settings, load
from o9_assets.resources.configured import ClockResource, LakeResource
from o9_assets.resources.lake import Lake, equal

IN_A_MONTH = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(days=30)


@pytest.fixture
def settings() -> Settings:
    return load(Path(__file__).resolve().parents[3] / "planning.yaml")


def put(lake: Lake, item: str, price: str) -> None:
    row = {"item_code": item, "list_price": Decimal(price), "in_master": True, "known_at": datetime(2026, 6, 29)}
    rows = [{name: row.get(name) for name in ITEMS.column_names}]
    lake.overwrite(ITEMS, pa.Table.from_pylist(rows, schema=ITEMS.arrow_schema), equal("item_code", item))


def test_small_files_become_one_and_tags_survive(settings: Settings, tmp_path: Path) -> None:
    lake = Lake.local(tmp_path / "lake")
    for number in range(6):
        put(lake, f"item {number}", "1.00")
    lake.tag(ITEMS, tag_of("2026-06-29"))
    for number in range(6):
        put(lake, f"item {number}", "2.00")
    before = lake.read(ITEMS).sort_by("item_code")

    def maintained(at: datetime) -> dict[str, Any]:
        result = dg.materialize(
            maintenance.build(settings),
            resources={
                "lake": LakeResource(location=str(tmp_path / "lake")),
                "clock": ClockResource(fixed_at=at.isoformat()),
            },
        )
        (event,) = result.get_asset_materialization_events()
        return {name: told.value for name, told in event.materialization.metadata.items()}

    told = maintained(IN_A_MONTH)
    assert told["files compacted"] == 6
    assert told["snapshots expired"] > 0
    assert told["files removed"] == 0  # one more night for whoever reads them
    next_night = IN_A_MONTH + timedelta(hours=23, minutes=50)
    assert maintained(next_night)["files removed"] > 12
    (row,) = Lake.local(tmp_path / "lake").read(MAINTENANCE, where=equal("table_name", ITEMS.name)).to_pylist()
    assert (row["maintained_at"], row["row_count"]) == (next_night, 6)

    lake = Lake.local(tmp_path / "lake")
    assert lake.read(ITEMS).sort_by("item_code") == before
    tagged = lake.read(ITEMS, tag=tag_of("2026-06-29"))
    assert tagged["list_price"].to_pylist() == [Decimal("1.00")] * 6


def test_every_table_that_an_asset_writes_is_maintained(settings: Settings) -> None:
    names = {dataset.name for dataset in lake_tables(settings)}
    assert {
        "raw.manifest",
        "raw.quarantine",
        "raw.erp_orders",
        "curated.demand_history",
        "forecast.predictions",
    } <= names
    assert not any(name.startswith("warehouse.") for name in names)


def test_a_feed_that_is_not_declared_has_no_table(settings: Settings) -> None:
    feeds = {name: feed for name, feed in settings.feeds.items() if name != "promotions"}
    names = {dataset.name for dataset in lake_tables(settings.model_copy(update={"feeds": feeds}))}
    assert "raw.promotions" not in names
