"""Cells of demand history: where a series begins and ends, what a zero means, and that nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MONDAY = date(2025, 3, 3)


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def line(order: str, on: date, quantity: int = 10, **values: Any) -> dict[str, Any]:
    row = {"order_id": order, "order_line": "1", "item_code": "A", "location_code": "L1", "order_date": on}
    return {**row, "quantity": quantity, **values}


def delivered(paper: Any, first: int, last: int, *, but: tuple[int, ...] = ()) -> None:
    """Order files of these days came in, though nothing was ordered in them."""
    paper.delivered["erp_orders"] += [day(n) for n in range(first, last + 1) if n not in but]


def states(paper: Any) -> list[tuple[str, str]]:
    return [(f"{cell['bucket_start']:%m-%d}", cell["state"]) for cell in paper.cells("A")]


def test_a_series_begins_with_its_first_sale_and_ends_with_the_last_delivery(paper: Any) -> None:
    delivered(paper, -14, 20)
    paper.land("erp_orders", [line("S1", day(2)), line("S2", day(9), item_code="B")])
    assert states(paper) == [("03-03", "sold"), ("03-10", "true_zero"), ("03-17", "true_zero")]
    assert [c["bucket_start"] for c in paper.cells("B")] == [day(7), day(14)]


def test_a_week_is_cut_at_a_months_end(paper: Any) -> None:
    delivered(paper, 0, 34)
    paper.land("erp_orders", [line("S1", day(28), 1), line("S2", day(29), 2)])
    cells = [(c["bucket_start"], c["week_start"], c["days"], c["orders_quantity"]) for c in paper.cells("A")]
    assert cells == [(day(28), day(28), 1, Decimal(1)), (day(29), day(28), 6, Decimal(2))]


def test_where_an_expected_file_is_not_in_a_zero_is_missing_and_a_sale_incomplete(paper: Any) -> None:
    delivered(paper, 0, 20, but=(3, 10))
    paper.land("erp_orders", [line("S1", day(2))])
    found = [(c["state"], c["is_complete"], c["orders_quantity"], c["returns_quantity"]) for c in paper.cells("A")]
    assert found == [
        ("sold", False, Decimal(10), Decimal(0)),
        ("missing", False, None, None),
        ("true_zero", True, Decimal(0), Decimal(0)),
    ]


def test_the_week_of_the_last_delivery_is_not_complete_before_it_is_over(paper: Any) -> None:
    delivered(paper, 0, 9)
    paper.land("erp_orders", [line("S1", day(2)), line("S2", day(9))])
    assert [(c["state"], c["is_complete"]) for c in paper.cells("A")] == [("sold", True), ("sold", False)]


def test_demand_ahead_of_the_last_delivery_is_kept(paper: Any) -> None:
    delivered(paper, 0, 6)
    paper.land("erp_orders", [line("S1", day(2), requested_date=day(22))])
    assert [(c["bucket_start"], c["state"], c["is_complete"]) for c in paper.cells("A")] == [(day(21), "sold", False)]
    paper.land("erp_orders", [line("S2", day(3))])
    assert states(paper) == [("03-03", "sold"), ("03-10", "missing"), ("03-17", "missing"), ("03-24", "sold")]


def test_a_return_is_kept_apart_from_orders_and_before_the_first_sale_too(paper: Any) -> None:
    delivered(paper, 0, 13)
    paper.land("erp_orders", [line("R1", day(1), -4), line("S1", day(8)), line("R2", day(8), -3)])
    found = [(c["state"], c["orders_quantity"], c["returns_quantity"], c["order_line_count"]) for c in paper.cells("A")]
    assert found == [("true_zero", Decimal(0), Decimal(-4), 1), ("sold", Decimal(10), Decimal(-3), 2)]


def test_a_zero_is_explained_by_the_master_then_by_stock(paper: Any) -> None:
    delivered(paper, 0, 34)
    paper.items = [{"item_code": "A", "listed_from_date": day(14), "delisted_from_date": day(28)}]
    paper.land("erp_orders", [line("S1", day(0))])
    stock = {"item_code": "A", "location_code": "L1"}
    paper.land("inventory", [{**stock, "snapshot_date": day(n), "on_hand_quantity": n - 15} for n in range(7, 28)])
    found = [(c["state"], c["out_of_stock_days"]) for c in paper.cells("A")]
    assert found == [
        ("sold", None),
        ("not_yet_listed", 7),
        ("out_of_stock", 2),
        ("true_zero", 0),
        ("delisted", None),
        ("delisted", None),
    ]


def test_shipments_are_zero_where_all_is_in_and_null_where_not(paper: Any) -> None:
    delivered(paper, 0, 27)
    paper.land("erp_orders", [line("S1", day(0))])
    sent = {"shipment_id": "D1", "shipment_line": "1", "item_code": "A", "location_code": "L1", "quantity": 8}
    paper.land("erp_shipments", [{**sent, "ship_date": day(1)}], covers=day(6))
    paper.delivered["erp_shipments"].append(day(20))
    assert [c["shipments_quantity"] for c in paper.cells("A")] == [Decimal(8), None, Decimal(0), None]


def test_a_company_without_a_feed_has_nulls_never_zeros(new_paper: Callable[..., Any]) -> None:
    from o9_assets.demand.parameters import parameters

    paper = new_paper()
    only = {"erp_orders": paper.settings.feeds["erp_orders"]}
    paper.given = parameters(paper.settings.model_copy(update={"feeds": only}))
    delivered(paper, 0, 13)
    paper.land("erp_orders", [line("S1", day(0))])
    for cell in paper.cells("A"):
        assert (cell["shipments_quantity"], cell["out_of_stock_days"], cell["promotion_days"]) == (None, None, None)


def test_days_on_promotion_count_once_and_a_promotion_may_be_everywhere(paper: Any) -> None:
    delivered(paper, 0, 13)
    paper.land("erp_orders", [line("S1", day(0)), line("S2", day(0), location_code="L2")])
    here = {"promotion_id": "P1", "item_code": "A", "location_code": "L1", "start_date": day(2), "end_date": day(4)}
    everywhere = {**here, "promotion_id": "P2", "location_code": "*", "start_date": day(4), "end_date": day(8)}
    paper.land("promotions", [here, everywhere])
    found = {(c["location_code"], c["bucket_start"]): c["promotion_days"] for c in paper.cells("A")}
    assert found == {("L1", day(0)): 5, ("L1", day(7)): 2, ("L2", day(0)): 3, ("L2", day(7)): 2}


def test_values_are_those_of_orders_and_null_without_a_price(paper: Any) -> None:
    delivered(paper, 0, 20)
    paper.land(
        "erp_orders", [line("S1", day(0), unit_price=3), line("R1", day(0), -2, unit_price=3), line("S2", day(7))]
    )
    assert [c["orders_value"] for c in paper.cells("A")] == [Decimal(30), None, Decimal(0)]


def test_a_line_of_long_ago_or_far_ahead_is_in_its_week_if_no_rule_keeps_it_out(paper: Any) -> None:
    delivered(paper, 0, 6)
    paper.land("erp_orders", [line("S1", date(2019, 1, 1)), line("S2", date(2031, 1, 1), item_code="B")])
    assert paper.cells("A")[0]["bucket_start"] == date(2019, 1, 1)
    assert [(c["bucket_start"], c["is_complete"]) for c in paper.cells("B")] == [(date(2031, 1, 1), False)]


def test_no_deliveries_and_no_lines_make_no_cells(paper: Any) -> None:
    assert paper.cells() == []
    paper.land("erp_orders", [])
    assert paper.cells() == []


several = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.sampled_from(["L1", "L2"]),
        st.integers(-40, 40),
        st.integers(-90, 90).map(lambda n: Decimal(n) / 8),
        st.sampled_from(["EA", "CASE", "?", None]),
        st.integers(0, 30),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=several, came=st.sets(st.integers(-10, 30)))
def test_cells_sum_to_the_counted_lines_exactly_and_leave_no_gap(
    new_paper: Callable[..., Any], rows: list[tuple[Any, ...]], came: set[int]
) -> None:
    paper = new_paper()
    paper.delivered["erp_orders"] += [day(n) for n in came]
    paper.land(
        "uom_conversions", [{"item_code": "*", "uom_code": "CASE", "valid_from_date": day(-90), "factor": "1.3"}]
    )
    paper.land(
        "erp_orders",
        [
            line(
                f"S{n}",
                day(on),
                quantity,
                item_code=item,
                location_code=place,
                uom_code=unit,
                requested_date=day(on + ahead),
            )
            for n, (item, place, on, quantity, unit, ahead) in enumerate(rows)
        ],
    )
    lines = paper.lines().values()
    cells = paper.cells()
    paper.con.close()
    for item in ("A", "B"):
        for measure in ("orders", "returns"):
            counted = [r["base_quantity"] for r in lines if r["item_code"] == item and r["counts_as"] == measure]
            held = [c[f"{measure}_quantity"] or 0 for c in cells if c["item_code"] == item]
            assert sum(held) == sum(counted)
        assert sum(c["order_line_count"] for c in cells if c["item_code"] == item) == sum(
            r["item_code"] == item and r["counts_as"] != "none" for r in lines
        )
    for place in {(c["item_code"], c["location_code"]) for c in cells}:
        series = [c for c in cells if (c["item_code"], c["location_code"]) == place]
        for one, following in pairwise(series):
            assert one["bucket_start"] + timedelta(days=one["days"]) == following["bucket_start"]
