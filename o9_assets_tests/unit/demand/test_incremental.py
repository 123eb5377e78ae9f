"""What is merged run by run is what a full build makes of everything, whatever came in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAY0 = date(2025, 1, 20)
days = st.integers(0, 24).map(lambda n: DAY0 + timedelta(days=n))  # crosses a month's end within a week
quantities = st.integers(-30, 60).map(lambda n: Decimal(n) / 4)
KEYS = [(f"SO{o}", str(line)) for o in range(3) for line in (1, 2)]


@st.composite
def order(draw: st.DrawFn) -> dict[str, Any]:
    order_id, order_line = draw(st.sampled_from(KEYS))
    ordered = draw(days)
    named = draw(st.one_of(st.none(), st.none(), st.sampled_from(KEYS)))
    return {
        "order_id": order_id,
        "order_line": order_line,
        "item_code": draw(st.sampled_from(["A", "B", "POSTAGE"])),
        "location_code": draw(st.sampled_from(["L1", "L2"])),
        "channel_code": draw(st.sampled_from([None, "WEB"])),
        "order_date": ordered,
        "requested_date": draw(st.one_of(st.none(), st.integers(0, 40).map(lambda n: ordered + timedelta(days=n)))),
        "quantity": draw(quantities),
        "uom_code": draw(st.sampled_from([None, "EA", "CASE", "PALLET", "?"])),
        "unit_price": draw(st.one_of(st.none(), st.integers(1, 9).map(Decimal))),
        "cancels_order_id": named[0] if named else None,
        "cancels_order_line": named[1] if named else None,
        "op": draw(st.sampled_from("IIUUD")),
        # Few moments, so that versions tie and come late or twice.
        "changed_at": datetime(2025, 1, 1) + timedelta(hours=draw(st.integers(0, 3))),
        "change_seq": draw(st.integers(0, 1)),
    }


@st.composite
def shipment(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "shipment_id": draw(st.sampled_from(["D1", "D2", "D3"])),
        "shipment_line": "1",
        "item_code": draw(st.sampled_from(["A", "B", "C"])),
        "location_code": draw(st.sampled_from(["L1", "L2"])),
        "channel_code": draw(st.sampled_from([None, "WEB"])),
        "ship_date": draw(days),
        "quantity": draw(quantities),
        "uom_code": draw(st.sampled_from([None, "CASE"])),
        "op": draw(st.sampled_from("IUD")),
        "changed_at": datetime(2025, 1, 1) + timedelta(hours=draw(st.integers(0, 2))),
    }


stock = st.fixed_dictionaries(
    {
        "item_code": st.sampled_from(["A", "B"]),
        "location_code": st.sampled_from(["L1", "L2"]),
        "snapshot_date": days,
        "on_hand_quantity": st.integers(-1, 2).map(Decimal),
    }
)
promotion = st.fixed_dictionaries(
    {
        "promotion_id": st.sampled_from(["P1", "P2"]),
        "item_code": st.sampled_from(["A", "B"]),
        "location_code": st.sampled_from(["*", "L1"]),
        "start_date": days,
        "end_date": days,
        "op": st.sampled_from("IUD"),
    }
)
conversion = st.fixed_dictionaries(
    {
        "item_code": st.sampled_from(["*", "A"]),
        "uom_code": st.sampled_from(["CASE", "PALLET", "EA"]),
        "valid_from_date": st.sampled_from([date(2020, 1, 1), DAY0, DAY0 + timedelta(days=10)]),
        "factor": st.sampled_from([0, 6, 12, Decimal("0.333333")]),
        "op": st.sampled_from("IIUD"),
    }
)
item = st.fixed_dictionaries(
    {
        "item_code": st.sampled_from(["A", "B"]),
        "base_uom_code": st.sampled_from([None, "EA", "CASE"]),
        "listed_from_date": st.one_of(st.none(), days),
        "delisted_from_date": st.one_of(st.none(), days),
    }
)
landing = st.fixed_dictionaries(
    {
        "erp_orders": st.lists(order(), max_size=5),
        "erp_shipments": st.lists(shipment(), max_size=2),
        "inventory": st.lists(stock, max_size=3),
        "promotions": st.lists(promotion, max_size=1),
        "uom_conversions": st.lists(conversion, max_size=2),
        "items": st.lists(item, max_size=2, unique_by=lambda i: i["item_code"]),
        "covers": st.one_of(st.none(), days),
        # A name that came before: its new content replaces the old.
        "name": st.sampled_from(["", "", "again.csv"]),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(landing, min_size=1, max_size=4), known=st.sampled_from(["keep", "set_aside"]))
def test_merging_batches_gives_what_a_full_build_gives(
    new_paper: Callable[..., Any], batches: list[dict[str, Any]], known: str
) -> None:
    paper = new_paper({"demand": {"unknown_item": known}})
    for batch in batches:
        for feed in ("erp_orders", "erp_shipments", "inventory", "promotions", "uom_conversions"):
            if batch[feed] or (feed in ("erp_orders", "erp_shipments") and batch["covers"]):
                paper.land(feed, batch[feed], name=batch["name"] and f"{feed}/{batch['name']}", covers=batch["covers"])
        if batch["items"]:
            paper.items = batch["items"]
        paper.refresh()
        kept = paper.kept()
        assert kept == paper.build()
        _, refreshed = paper.refresh()
        assert refreshed.buckets == []
        assert paper.kept() == kept
    paper.con.close()
