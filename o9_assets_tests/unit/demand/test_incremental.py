"""What is merged run by run is what a full build makes of everything, whatever came in whatever order.

A history is drawn from a seed that hypothesis gives: a few runs with a dozen order changes each, over few keys, few
moments and few weeks, so that versions tie, come late, twice and out of order, and series grow, shrink and vanish.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from o9_assets.demand.steps import FEW

FIRST = date(2025, 1, 20)
MORNING = datetime(2025, 1, 1)


class Draw(random.Random):
    """What can happen to a company."""

    def day(self) -> date:
        """A day of six weeks that are cut at a month's end."""
        return FIRST + timedelta(days=self.randrange(42))

    def item(self) -> str:
        return self.choice(["A", "A", "A", "B", "POSTAGE"])

    def place(self) -> str:
        return self.choice(["L1", "L1", "L2"])

    def key(self) -> tuple[str, str]:
        return f"SO{self.randrange(8)}", self.choice("12")

    def change(self) -> dict[str, Any]:
        """How the source dates and orders a change, and whether it deletes."""
        at = MORNING + timedelta(hours=self.randrange(6))
        return {"op": self.choice("IIIUUD"), "changed_at": at, "change_seq": self.randrange(2)}

    def quantity(self) -> Decimal:
        return Decimal(self.randint(-40, 120)) / 4

    def order(self) -> dict[str, Any]:
        ordered, key = self.day(), self.key()
        named = self.key() if self.random() < 0.15 else (None, None)
        return {
            "order_id": key[0],
            "order_line": key[1],
            "item_code": self.item(),
            "location_code": self.place(),
            "channel_code": self.choice([None, None, "WEB"]),
            "order_date": ordered,
            "requested_date": self.choice([None, ordered + timedelta(days=self.randrange(20))]),
            "quantity": self.quantity(),
            "uom_code": self.choice([None, "EA", "CASE", "CASE", "PALLET", "?"]),
            "unit_price": self.choice([None, Decimal(3)]),
            "cancels_order_id": named[0],
            "cancels_order_line": named[1],
            **self.change(),
        }

    def shipment(self) -> dict[str, Any]:
        return {
            "shipment_id": f"D{self.randrange(4)}",
            "shipment_line": "1",
            "item_code": self.choice("ABC"),
            "location_code": self.place(),
            "channel_code": None,
            "ship_date": self.day(),
            "quantity": self.quantity(),
            "uom_code": self.choice([None, "CASE"]),
            **self.change(),
        }

    def stock(self) -> dict[str, Any]:
        where = {"item_code": self.item(), "location_code": self.place(), "snapshot_date": self.day()}
        return {**where, "on_hand_quantity": Decimal(self.randint(-1, 1))}

    def promotion(self) -> dict[str, Any]:
        days = sorted((self.day(), self.day()))
        where = {"item_code": self.item(), "location_code": self.choice(["*", "L1"])}
        return {"promotion_id": self.choice("PQ"), **where, "start_date": days[0], "end_date": days[1], **self.change()}

    def conversion(self) -> dict[str, Any]:
        since = self.choice([date(2020, 1, 1), FIRST, FIRST + timedelta(days=15)])
        unit = {"item_code": self.choice(["*", "A"]), "uom_code": self.choice(["CASE", "PALLET", "EA"])}
        return {**unit, "valid_from_date": since, "factor": self.choice([0, 6, 12, "0.333333"]), **self.change()}

    def items(self) -> list[dict[str, Any]]:
        dates = {
            "listed_from_date": self.choice([None, self.day()]),
            "delisted_from_date": self.choice([None, self.day()]),
        }
        return [{"item_code": "A", "base_uom_code": self.choice([None, "EA", "CASE"]), **dates}]

    def run_of(self, paper: Any) -> None:
        """What lands before a run."""
        for feed, make, most, chance in (
            ("erp_orders", self.order, 12, 0.9),
            ("erp_shipments", self.shipment, 4, 0.4),
            ("inventory", self.stock, 6, 0.3),
            ("promotions", self.promotion, 2, 0.3),
            ("uom_conversions", self.conversion, 2, 0.3),
        ):
            if self.random() < chance:
                rows = [make() for _ in range(self.randint(0, most))]
                # A name that came before: the new content replaces the old, or is the old object read again.
                name = f"{feed}/again.csv" if self.random() < 0.3 else ""
                again = feed == "erp_orders" and self.random() < 0.5
                covers = self.day() if feed.startswith("erp") and self.random() < 0.7 else None
                paper.land(feed, rows, name=name, covers=covers, again=again)
        if self.random() < 0.3:
            paper.items = self.items()


def merged_is_built(new_paper: Callable[..., Any], seed: int) -> None:
    """Run after run, compare with a full build; a further run finds nothing to do."""
    draw = Draw(seed)
    paper = new_paper({"demand": {"unknown_item": draw.choice(["keep", "set_aside"])}})
    for _ in range(draw.randint(2, 6)):
        draw.run_of(paper)
        # As if there were few new rows, which are kept as Arrow ones, or many, of which DuckDB makes a table.
        paper.new_rows = draw.choice([0, FEW + 1])
        paper.refresh()
        kept = paper.kept()
        for name, merged, whole in zip(("lines", "deleted", "history"), kept, paper.build(), strict=True):
            assert (name, merged) == (name, whole)
    again, refreshed = paper.refresh()
    assert (again.months, again.demand_days, refreshed.buckets) == ({}, [], [])
    assert paper.kept() == kept
    paper.con.close()


seeds = st.integers(0, 10**9)
UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=8, **UNHURRIED)
@given(seed=seeds)
def test_merging_run_by_run_gives_what_a_full_build_gives(new_paper: Callable[..., Any], seed: int) -> None:
    merged_is_built(new_paper, seed)


@pytest.mark.slow
@settings(max_examples=300, **UNHURRIED)
@given(seed=seeds)
def test_merging_run_by_run_gives_it_for_many_histories(new_paper: Callable[..., Any], seed: int) -> None:
    merged_is_built(new_paper, seed)


@pytest.mark.parametrize("op", ["U", "D"])
def test_an_object_read_again_that_holds_an_older_version_now_shows_what_the_newer_one_hid(paper: Any, op: str) -> None:
    def version(hour: int, quantity: int, op: str = "U") -> dict[str, Any]:
        changed = {"changed_at": MORNING + timedelta(hours=hour), "change_seq": 0, "op": op}
        key = {"order_id": "SO1", "order_line": "1", "item_code": "A", "location_code": "L1", "order_date": FIRST}
        return {**key, **changed, "quantity": quantity}

    paper.land("erp_orders", [version(2, quantity=20)])
    paper.land("erp_orders", [version(3, quantity=30, op=op)], name="again.csv")
    paper.refresh()
    paper.land("erp_orders", [version(1, quantity=10)], name="again.csv", again=True)
    paper.refresh()
    assert paper.kept() == paper.build()
    assert paper.lines()["SO1/1"]["quantity"] == 20
