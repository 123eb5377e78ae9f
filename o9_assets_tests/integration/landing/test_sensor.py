"""The sensor asks for the feeds that have new objects, whatever names and times they have."""

import os
import time
from datetime import datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.requests import Memory
from o9_assets.landing.ticks import tick
from o9_assets.resources.configured import LakeResource, ZoneResource
from o9_assets.sensors import landing
from o9_assets_tests.company import Company


class Ticks:
    """The sensor, ticking on a company's landing zone."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.cursor: str | None = None

    def tick(self) -> list[tuple[str, str]]:
        """Feed and number of objects of each request."""
        sensor = landing.build(self.company.settings, running=True)
        context = dg.build_sensor_context(
            cursor=self.cursor,
            resources={
                "zone": ZoneResource(location=str(self.company.landing), settle_seconds=0),
                "lake": LakeResource(location=str(self.company.home / "lake")),
            },
        )
        with context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        requests = result.run_requests or []
        assert all(request.asset_selection for request in requests)
        return [(r.tags["o9_assets/feed"], r.tags["o9_assets/new_objects"]) for r in requests]


@pytest.fixture
def ticks(tmp_path: Path) -> Ticks:
    return Ticks(Company(tmp_path))


GOOD = "O1;1;a1;S1;2025-01-06;5;2.50"


def test_nothing_landed_asks_for_nothing(ticks: Ticks) -> None:
    assert ticks.tick() == []


def test_one_request_for_a_feed_however_many_objects(ticks: Ticks) -> None:
    for n in range(1, 10):
        ticks.company.orders(GOOD, day=f"2025-01-0{n}")
    assert ticks.tick() == [("erp_orders", "9")]
    assert ticks.tick() == []
    ticks.company.ingest()
    assert ticks.tick() == []


def test_an_overwritten_object_is_asked_for_again(ticks: Ticks) -> None:
    ticks.company.orders(GOOD)
    ticks.tick()
    ticks.company.ingest()
    ticks.company.orders(GOOD, GOOD)
    assert ticks.tick() == [("erp_orders", "1")]


def test_a_sibling_of_the_same_second_is_seen(ticks: Ticks) -> None:
    for day in ("2025-01-07", "2025-01-06"):
        path = ticks.company.orders(GOOD, day=day)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert ticks.tick() == [("erp_orders", "1")]
        ticks.company.ingest()


def test_the_last_object_may_be_deleted(ticks: Ticks) -> None:
    path = ticks.company.orders(GOOD, day="2025-01-07")
    ticks.tick()
    ticks.company.ingest()
    path.unlink()
    ticks.company.orders(GOOD, day="2025-01-06")
    assert ticks.tick() == [("erp_orders", "1")]


def test_ten_thousand_new_files_are_one_request_within_the_tick(ticks: Ticks) -> None:
    folder = ticks.company.landing / "orders"
    folder.mkdir()
    for n in range(10_000):
        (folder / f"2025-01-{n % 28 + 1:02d}-{n}.csv").touch()
    began = time.monotonic()
    assert ticks.tick() == [("erp_orders", "10000")]
    assert time.monotonic() - began < 60
    assert len(ticks.cursor or "") < 500


def test_a_tick_that_runs_out_of_time_goes_on_with_the_next_feed(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "BUDGET_SECONDS", -1.0)
    ticks.company.orders(GOOD)
    assert ticks.tick() == []
    monkeypatch.undo()
    assert ticks.tick() == [("erp_orders", "1")]


def test_what_a_transfer_that_is_no_longer_declared_holds_back_is_told(tmp_path: Path) -> None:
    company, at = Company(tmp_path), datetime(2025, 1, 6, 8)
    text = {"kind": "dms", "resource": "task", "lands": "orders/", "state": "running", "token": "t"}
    row = {**dict.fromkeys(TRANSFERS.column_names), **text, "transfer": "old_name", "number": 1, "started_at": at}
    company.lake.append(TRANSFERS, pa.Table.from_pylist([row], schema=TRANSFERS.arrow_schema))
    company.orders(GOOD)

    def told(*declared: str) -> tuple[int, list[str]]:
        feeds = {"erp_orders": company.settings.feeds["erp_orders"]}
        more = {"zone": company.zone, "lake": company.lake, "budget_seconds": 5, "transfers": declared}
        found = tick(Memory(), feeds, **more)
        return len(found.requests), found.told

    assert told("old_name") == (0, [])
    requests, [line] = told("new_name")
    assert requests == 0
    assert line.startswith("what came below orders/ since 2025-01-06 07:59 UTC is held back by the transfer old_name")
