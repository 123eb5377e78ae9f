"""A small company for tests: settings from a few lines, a landing zone and a lake in a temporary folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from o9_assets.assets.catalog import FEEDS
from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import MANIFEST, QUARANTINE
from o9_assets.landing.ingest import IngestReport, ingest
from o9_assets.planning.settings import Settings, bind, parse
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import FolderZone, LandingZone

__all__ = ["ORDERS", "SETTINGS", "Company"]

SETTINGS = """
company: Test
timezone: UTC
currency: EUR
units: {base_uom: EA, missing_uom: EA}
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*"
    format: {type: csv, delimiter: ";"}
    columns:
      order_id: order
      order_line: line
      item_code: {from: item, apply: [trim, upper]}
      location_code: ship_to
      order_date: date
      quantity: qty
      unit_price: price
    optional: [price]
    rules: [{name: quantity_out_of_range, must: "abs(quantity) <= 1000000"}]
o9:
  columns:
    item: "Item.[Item]"
    location: "Location.[Location]"
    time: "Time.[Partial Week]"
    version: "Version.[Version Name]"
  measures: {orders_quantity: Orders, returns_quantity: Returns}
forecast: {grain: [item, location], horizon_weeks: 4, season_weeks: 52}
"""

ORDERS = "order;line;item;ship_to;date;qty;price"


@dataclass
class Company:
    """Everything below one folder; `settings` can be given as text."""

    home: Path
    text: str = SETTINGS
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = parse(self.text)
        self.landing.mkdir(parents=True, exist_ok=True)

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def zone(self) -> LandingZone:
        return FolderZone(self.landing, settle_seconds=0)

    @property
    def lake(self) -> Lake:
        return Lake.local(self.home / "lake")

    @property
    def engine(self) -> Engine:
        return Engine(memory_limit="1GB")

    def dataset(self, feed: str) -> Dataset:
        found = getattr(FEEDS[feed], feed.upper())
        assert isinstance(found, Dataset)
        return found

    def put(self, name: str, content: str | bytes) -> Path:
        """Put a file into the landing zone."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def orders(self, *rows: str, day: str = "2025-01-06", header: str = ORDERS, end: str = "\n") -> Path:
        """An order file of these records."""
        return self.put(f"orders/{day}.csv", end.join([header, *rows]) + end)

    def ingest(self, feed: str = "erp_orders", *, now: datetime = datetime(2025, 2, 1)) -> IngestReport:
        """Take in what landed."""
        return ingest(
            feed,
            bind(self.settings, self.dataset(feed)),
            self.dataset(feed),
            timezone=self.settings.timezone,
            zone=self.zone,
            lake=self.lake,
            engine=self.engine,
            now=now,
        )

    def raw(self, feed: str = "erp_orders", *columns: str) -> list[dict[str, object]]:
        """Raw rows in the order of objects and lines."""
        table = self.lake.read(self.dataset(feed)).sort_by([("object_name", "ascending"), ("line", "ascending")])
        return list((table.select(list(columns)) if columns else table).to_pylist())

    def quarantine(self) -> list[dict[str, object]]:
        """Quarantine rows in the order of objects and lines."""
        table: pa.Table = self.lake.read(QUARANTINE).sort_by([("object_name", "ascending"), ("line", "ascending")])
        return list(table.to_pylist())

    def manifest(self) -> list[dict[str, object]]:
        """Manifest rows in the order they were listed."""
        return list(
            self.lake.read(MANIFEST).sort_by([("ingest_seq", "ascending"), ("object_name", "ascending")]).to_pylist()
        )
