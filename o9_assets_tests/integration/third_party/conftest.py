"""The sample company's last half-year with its third-party feeds, in a landing zone and a lake."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from o9_assets.assets.catalog import FEEDS
from o9_assets.assets.curated import (
    demand_history,
    drivers,
    items,
    locations,
    order_lines,
    sell_out,
    sell_out_coverage,
)
from o9_assets.dataset import Dataset
from o9_assets.landing.ingest import IngestReport, ingest
from o9_assets.planning.settings import Settings, bind, load
from o9_assets.resources.configured import EngineResource, LakeResource
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import FolderZone
from o9_assets.sandbox.company import Truth, generate

NOW = datetime(2026, 7, 1, 6)
THIRD_PARTY = ("data_exchange_sell_out", "data_exchange_drivers", "data_exchange_products")
OURS = ("erp_orders", "erp_items", "erp_locations", "erp_shipments", "uom_conversions")


@dataclass
class Market:
    """A company with data of others."""

    home: Path
    settings: Settings
    truth: Truth

    @property
    def zone(self) -> FolderZone:
        return FolderZone(self.truth.landing, settle_seconds=0)

    @property
    def lake(self) -> Lake:
        return Lake.local(self.home / "lake")

    @property
    def engine(self) -> Engine:
        return Engine(memory_limit="1GB", temp_dir=self.home / "tmp")

    def ingest(self, feeds: Collection[str] = THIRD_PARTY, now: datetime = NOW) -> dict[str, IngestReport]:
        found = {}
        for name in feeds:
            dataset: Dataset = getattr(FEEDS[name], name.upper())
            found[name] = ingest(
                name,
                bind(self.settings, dataset),
                dataset,
                timezone=self.settings.timezone,
                zone=self.zone,
                lake=self.lake,
                engine=self.engine,
                now=now,
            )
        return found

    def curate(self) -> None:
        """What sell-out is mapped with and compared with."""
        room = (self.settings, self.lake, self.engine, NOW)
        items.make(*room)
        locations.make(*room)
        order_lines.make(*room)
        demand_history.make(*room)

    def run(self) -> Any:
        """Materialize the datasets of the market with their checks; nothing is raised."""
        things = [thing for module in (sell_out, sell_out_coverage, drivers) for thing in module.build(self.settings)]
        defs = dg.Definitions(
            assets=[t for t in things if not isinstance(t, dg.AssetChecksDefinition)],
            asset_checks=[t for t in things if isinstance(t, dg.AssetChecksDefinition)],
            resources={
                "lake": LakeResource(location=str(self.home / "lake")),
                "engine": EngineResource(memory_limit="500MB"),
            },
            jobs=[dg.define_asset_job("market", dg.AssetSelection.groups("curated"))],
            executor=dg.in_process_executor,
        )
        return defs.resolve_job_def("market").execute_in_process(raise_on_error=False)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """Everything taken in and curated; tests of this module add to it in their order."""
    home = tmp_path_factory.mktemp("market")
    truth = generate(7, 0.15, home / "company", days=91, feeds=[*OURS, *THIRD_PARTY])
    made = Market(home, load(Path(__file__).resolve().parents[3] / "planning.yaml"), truth)
    made.ingest((*OURS, *THIRD_PARTY))
    made.curate()
    return made
