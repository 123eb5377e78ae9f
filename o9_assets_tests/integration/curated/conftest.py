"""A small company with a real landing zone and a real lake, run day by day."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from o9_assets.assets.curated import demand_history, demand_segments, items, locations, order_lines
from o9_assets.assets.curated.inputs import FEEDS
from o9_assets.dataset import Dataset
from o9_assets.landing.ingest import ingest
from o9_assets.planning.settings import Settings, bind, parse
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import FolderZone

SETTINGS = """
company: Small
timezone: UTC
currency: EUR
grain: {item: item_code, location: location_code, channel: channel_code, demand_date: requested_date}
calendar: {week_start: monday, partial_weeks: month}
units: {base_uom: EA, missing_uom: EA}
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {order_id: order, order_line: line, item_code: item, location_code: location, channel_code: channel,
              order_date: ordered, requested_date: requested, quantity: quantity, uom_code: unit, unit_price: price,
              cancels_order_id: cancels_order, cancels_order_line: cancels_line, op: op, changed_at: changed_at}
    kinds: [{kind: return, when: "quantity < 0", counts_as: returns}]
    delivery: {every: day}
  erp_items:
    path: "items/*.csv"
    format: {type: csv}
    columns: {item_code: item, base_uom_code: base, listed_from_date: listed, delisted_from_date: delisted}
  erp_shipments:
    path: "shipments/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {shipment_id: shipment, shipment_line: line, item_code: item, location_code: location,
              channel_code: channel, ship_date: day, quantity: quantity, uom_code: unit}
    delivery: {every: week, weekdays: [sun]}
  inventory:
    path: "stock/*.csv"
    format: {type: csv}
    columns: {item_code: item, location_code: location, snapshot_date: day, on_hand_quantity: on_hand}
  uom_conversions:
    path: "units/*.csv"
    format: {type: csv}
    columns: {item_code: item, uom_code: unit, valid_from_date: from, factor: factor}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}, measures: {orders_quantity: Orders}}
"""
HEADERS = {
    "orders": "order,line,item,location,channel,ordered,requested,quantity,unit,price,cancels_order,cancels_line,op,"
    "changed_at",
    "items": "item,base,listed,delisted",
    "shipments": "shipment,line,item,location,channel,day,quantity,unit",
    "stock": "item,location,day,on_hand",
    "units": "item,unit,from,factor",
}


class Company:
    """Files land with `land`; `refresh` does what a run of the curated assets does."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home, self.settings = home, settings
        self.zone = FolderZone(home / "landing", settle_seconds=0)
        self.lake = Lake.local(home / "lake")
        self.engine = Engine(memory_limit="500MB", threads=1, temp_dir=home / "tmp")
        self.now = datetime(2025, 3, 1, 6)

    def land(self, name: str, *rows: str) -> None:
        """A CSV file below the landing zone, its header by its folder; the same name again is a new version."""
        text = "\n".join([HEADERS[name.split("/")[0]], *rows]) + "\n"
        self.zone.put(name, text.encode())
        path = self.home / "landing" / name
        then = datetime(2025, 1, 1).timestamp()
        os.utime(path, (then, then))

    def order(self, day: str, *rows: str, suffix: str = "") -> None:
        """An order file of a delivery day. A row: order, line, item, quantity, and other columns as `name=value`."""
        self.land(f"orders/{day}{suffix}.csv", *(self._order(day, row) for row in rows))

    def _order(self, day: str, row: str) -> str:
        order, line, item, quantity, *others = row.split()
        values = {"location": "L1", "channel": "", "ordered": day, "requested": day, "unit": "", "price": "2.50"}
        values |= {"cancels_order": "", "cancels_line": "", "op": "I", "changed_at": f"{day} 10:00:00"}
        values |= dict(other.split("=", 1) for other in others)
        values["changed_at"] = values["changed_at"].replace("T", " ")
        values |= {"order": order, "line": line, "item": item, "quantity": quantity}
        return ",".join(values[name] for name in HEADERS["orders"].split(","))

    def ingest(self) -> None:
        for name in (name for name in FEEDS if name in self.settings.feeds):
            feed = bind(self.settings, FEEDS[name])
            ingest(
                name,
                feed,
                FEEDS[name],
                timezone=self.settings.timezone,
                zone=self.zone,
                lake=self.lake,
                engine=self.engine,
                now=self.now,
            )

    def refresh(self, **options: Any) -> tuple[order_lines.Made, demand_history.Made]:
        """Take in what landed and bring the curated tables up to date, an hour after the last time."""
        self.now += timedelta(hours=1)
        self.ingest()
        return self.curate(**options)

    def curate(self, *, rebuild: bool = False, **options: Any) -> tuple[order_lines.Made, demand_history.Made]:
        room = (self.settings, self.lake, self.engine, self.now)
        items.make(*room)
        locations.make(*room)
        lines = order_lines.make(*room, rebuild=rebuild)
        history = demand_history.make(*room, rebuild=rebuild, **options)
        demand_segments.make(*room[:3])
        return lines, history

    def rows(self, dataset: Dataset) -> pa.Table:
        """A table's rows, sorted by key."""
        return self.lake.read(dataset).sort_by([(name, "ascending") for name in dataset.key])

    def lines(self) -> dict[str, dict[str, Any]]:
        found = self.rows(order_lines.ORDER_LINES).to_pylist()
        return {f"{row['order_id']}/{row['order_line']}": row for row in found}

    def cells(self, item: str) -> list[dict[str, Any]]:
        return [row for row in self.rows(demand_history.DEMAND_HISTORY).to_pylist() if row["item_code"] == item]


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path, parse(SETTINGS))


@pytest.fixture(scope="session")
def new_company(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Settings], Company]:
    """Makes companies of other settings, of which nothing landed yet."""
    return lambda settings: Company(tmp_path_factory.mktemp(settings.slug), settings)
