"""An exchange for tests: a lake, demand history written by hand, and the sandbox o9 with faults to switch on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.exchange.datasets import DEMAND_EXPORT, LEDGER, REJECTED
from o9_assets.exchange.delivery import DeliveryReport, deliver
from o9_assets.exchange.read_back import ReadBack, read_back
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings, parse
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, isin
from o9_assets.resources.o9 import O9Client, Profile, load_profile
from o9_assets.sandbox.o9 import Faults, Store, build_app, folder_drop, secret
from o9_assets_tests.company import SETTINGS

__all__ = ["Exchange", "Time", "cell"]

NOW = datetime(2025, 3, 1, 8)
GROUP = "DemandHistory"


class Time:
    """A clock that only sleeping moves; it says what was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def cell(day: date, item: str = "A", orders: str | None = "1", **given: Any) -> dict[str, Any]:
    """A cell of demand history in the bucket that begins on `day`: complete, without returns."""
    return {
        "bucket_start": day,
        "item_code": item,
        "location_code": "L1",
        "channel_code": "ALL",
        "state": "sold",
        "orders_quantity": None if orders is None else Decimal(orders),
        "returns_quantity": None if orders is None else Decimal(0),
        "shipments_quantity": None,
        "orders_value": None,
        "order_line_count": 1,
        "is_complete": True,
        "out_of_stock_days": None,
        "promotion_days": None,
        **given,
    }


@dataclass
class Exchange:
    """Everything below one folder."""

    home: Path
    faults: Faults = field(default_factory=Faults)
    profile_keys: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=lambda: parse(SETTINGS))
    time: Time = field(default_factory=Time)

    @property
    def lake(self) -> Lake:
        return Lake.local(self.home / "lake")

    @property
    def engine(self) -> Engine:
        return Engine(memory_limit="500MB", threads=1)

    @property
    def store(self) -> Store:
        if not hasattr(self, "_store"):
            self._store = Store(self.home / "o9.db")
        return self._store

    @property
    def profile(self) -> Profile:
        return load_profile("platform").model_copy(update={"batch_size": 3, "page_size": 4, **self.profile_keys})

    def client(self) -> O9Client:
        return O9Client(
            self.profile,
            "http://o9.example.com",
            secret,
            model="M",
            transport=httpx.ASGITransport(
                build_app(self.store, folder_drop(self.home / "landing"), faults=self.faults)
            ),
            sleep=self.time.asleep,
            clock=self.time,
        )

    def history(self, *cells: Mapping[str, Any]) -> None:
        """Write cells of demand history: their months are replaced, other months stay."""
        calendar = Calendar(self.settings.calendar)
        rows = []
        for one in cells:
            bucket = calendar.bucket_of(one["bucket_start"])
            rows.append(
                {**one, "month_start": bucket.month_start, "week_start": bucket.week_start, "days": bucket.days}
            )
        table = pa.Table.from_pylist(rows, schema=DEMAND_HISTORY.arrow_schema)
        self.lake.overwrite(DEMAND_HISTORY, table, isin("month_start", {row["month_start"] for row in rows}))

    def deliver(self, **given: Any) -> DeliveryReport:
        with self.client() as client:
            return deliver(
                self.settings,
                DEMAND_HISTORY,
                lake=self.lake,
                engine=self.engine,
                client=client,
                now=given.pop("now", NOW),
                sleep=self.time.sleep,
                **given,
            )

    def read_back(self, *days: date) -> ReadBack:
        with self.client() as client:
            return read_back(self.settings, days, lake=self.lake, engine=self.engine, client=client)

    def held(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What o9 holds: measures by item and partial week."""
        found = {}
        for _, _, text in self.store.facts(GROUP, size=1_000_000):
            row = json.loads(text, parse_float=Decimal, parse_int=Decimal)
            key = (row["Item.[Item]"], row["Time.[Partial Week]"])
            assert key not in found, f"{key} is held twice"
            found[key] = {name: value for name, value in row.items() if ".[" not in name}
        return found

    def books(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What o9 holds by our books, as `held` tells it."""
        found = {}
        for row in self.lake.read(DEMAND_EXPORT).to_pylist():
            measures = {name: row[measure] for measure, name in self.settings.o9.measures.items()}
            found[(row["item_code"], row["bucket_label"])] = {k: v for k, v in measures.items() if v is not None}
        return found

    def ledger(self) -> list[dict[str, Any]]:
        return list(self.lake.read(LEDGER).sort_by([("chunk_no", "ascending")]).to_pylist())

    def rejected(self) -> list[dict[str, Any]]:
        order = [("rejected_at", "ascending"), ("item_code", "ascending"), ("bucket_start", "ascending")]
        return list(self.lake.read(REJECTED).sort_by(order).to_pylist())
