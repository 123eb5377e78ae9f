"""Totals of the stream beside those of the order feed: what agrees, what breaks, what is not due yet."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.assets.curated import event_convergence
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.planning.settings import SettingsError, parse
from o9_assets.resources import aws
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource
from o9_assets.resources.lake import everything
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.streams import STREAM, Streaming, event

pytestmark = pytest.mark.aws
NOW = datetime(2026, 3, 6, 12)
LINEAGE = {"changed_at": NOW, "change_seq": 0, "known_at": NOW, "object_id": "o", "object_name": "o"}


def text(by: str, more: str = "") -> str:
    """Settings of a company in Berlin, whose days are not those of UTC."""
    how = f"    convergence: {{by: {by}, tolerance: 0.1, after_hours: 24, counts: \"event_type = 'order'\"{more}}}\n"
    return SETTINGS.replace("timezone: UTC", "timezone: Europe/Berlin") + STREAM + how


def order(number: int, ordered_at: str, quantity: str, item: str = "A1", **given: Any) -> dict[str, Any]:
    """A standing order line; `ordered_at` is UTC, its day the company's."""
    moment = datetime.fromisoformat(ordered_at)
    return {
        "order_id": f"O{number}",
        "line": number,
        "item_code": item,
        "ordered_at": moment,
        "order_date": given.pop("order_date", moment.date()),
        "quantity": Decimal(quantity),
        "counts_as": "orders",
        **given,
    }


class Two(Streaming):
    """A stream, and orders as they stand."""

    def orders(self, *orders: dict[str, Any]) -> None:
        lines, raw = [], []
        for one in orders:
            both = {**one, **LINEAGE, "order_line": "1", "location_code": "S1"}
            month = one["order_date"].replace(day=1)
            own = {"order_month": month, "key_hash": 0, "kind_rule": 0, "kind": "sale", "channel_code": "ALL"}
            lines.append(
                {k: v for k, v in both.items() if k != "ordered_at"} | own | {"demand_date": one["order_date"]}
            )
            raw.append({**both, "op": "I"})
        self.lake.overwrite(ORDER_LINES, pa.Table.from_pylist(lines, schema=ORDER_LINES.arrow_schema), everything())
        self.lake.overwrite(ERP_ORDERS, pa.Table.from_pylist(raw, schema=ERP_ORDERS.arrow_schema), everything())

    def converge(self) -> tuple[dict[tuple[str, str], str], dg.AssetCheckEvaluation]:
        """State by period and item, and what the check says."""
        asset, check = event_convergence.build(self.settings)
        result = dg.materialize(
            [asset, check],
            resources={
                "lake": LakeResource(location=str(self.home / "lake")),
                "engine": EngineResource(),
                "clock": ClockResource(fixed_at=NOW.isoformat()),
            },
        )
        [told] = result.get_asset_check_evaluations()
        from o9_assets.landing.event_datasets import CONVERGENCE

        rows = self.lake.read(CONVERGENCE).to_pylist()
        return {(str(row["period_start"])[:13], row["item_code"]): row["state"] for row in rows}, told


def made(twin: Twin, home: Path, settings: str) -> Two:
    found = Two(home, aws.client("kinesis"), text=settings, name=unique("events"))
    found.create()
    return found


def test_by_day_what_differs_beyond_the_tolerance_breaks_and_is_shown(twin: Twin, tmp_path: Path) -> None:
    two = made(twin, tmp_path, text("day"))
    two.put(
        event(1, at="2026-03-03T23:30:00Z", qty=10),  # the 4th in Berlin
        event(2, at="2026-03-04T10:00:00Z", qty=5),
        event(2, at="2026-03-04T10:00:00Z", qty=6),  # a later version
        event(3, at="2026-03-04T10:00:00Z", qty=99, type="scan"),
        event(4, at="2026-03-04T10:00:00Z", qty=5, item="b1"),
        event(5, at="2026-03-06T10:00:00Z", qty=5),
    )
    two.take_in()
    two.orders(
        order(1, "2026-03-04 09:00", "15"),
        order(2, "2026-03-04 09:00", "-3", counts_as="returns"),
        order(3, "2026-03-04 09:00", "7", item="B1"),
        order(4, "2026-03-04 09:00", "1", item="C1"),
    )
    states, told = two.converge()
    assert states == {
        ("2026-03-04 00", "A1"): "converged",  # 16 against 15
        ("2026-03-04 00", "B1"): "break",
        ("2026-03-04 00", "C1"): "break",
        ("2026-03-06 00", "A1"): "open",
    }
    assert (told.passed, told.description) == (False, "2 of 3 totals differ")
    shown = told.metadata["rows"].value.records  # type: ignore[union-attr]
    assert [tuple(r.data.values()) for r in shown] == [
        ("2026-03-04 00:00:00", "B1", "EA", 5.0, 7.0, -2.0),
        ("2026-03-04 00:00:00", "C1", "EA", 0.0, 1.0, -1.0),
    ]


def test_by_hour_the_moment_of_the_order_counts(twin: Twin, tmp_path: Path) -> None:
    two = made(twin, tmp_path, text("hour"))
    two.put(event(1, at="2026-03-04T09:59:00Z", qty=5), event(2, at="2026-03-04T10:01:00Z", qty=7))
    two.take_in()
    two.orders(order(1, "2026-03-04 09:10", "5"), order(2, "2026-03-04 10:50", "7"))
    states, told = two.converge()
    assert states == {("2026-03-04 10", "A1"): "converged", ("2026-03-04 11", "A1"): "converged"}
    assert (told.passed, told.description) == (True, "2 totals agree")


def test_a_condition_on_a_column_that_no_event_brings_is_told() -> None:
    wrong = parse(text("day").replace("event_type =", "channel_code ="))
    with pytest.raises(SettingsError, match=r"streams.demand_events.convergence.counts: no column 'channel_code'"):
        Two(Path(), text=text("day").replace("event_type =", "channel_code =")).stream  # noqa: B018
    assert event_convergence.build(wrong)
    assert event_convergence.build(parse(SETTINGS)) == []
