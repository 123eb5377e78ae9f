"""Order lines: the latest version, its kind, its quantity in base units, and why one does not count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

DAY = date(2025, 3, 5)


def line(order: str = "S1", number: str = "1", **values: Any) -> dict[str, Any]:
    row = {"order_id": order, "order_line": number, "item_code": "A", "location_code": "L1", "order_date": DAY}
    return {**row, "quantity": 10, **values}


def at(hour: int, seq: int = 0) -> dict[str, Any]:
    return {"changed_at": datetime(2025, 3, 5, hour), "change_seq": seq}


def factor(unit: str, value: Any, item: str = "*", since: date = date(2020, 1, 1), **values: Any) -> dict[str, Any]:
    return {"item_code": item, "uom_code": unit, "valid_from_date": since, "factor": value, **values}


# Versions


def test_the_latest_version_is_the_one_that_the_source_changed_last_not_the_one_that_came_last(paper: Any) -> None:
    paper.land("erp_orders", [line(quantity=2, **at(12))])
    paper.land("erp_orders", [line(quantity=1, **at(9))])
    assert paper.lines()["S1/1"]["quantity"] == 2


def test_equal_change_times_go_by_sequence_then_by_when_they_became_known_then_by_place(paper: Any) -> None:
    paper.land("erp_orders", [line(quantity=3, **at(9, 2)), line("S2", quantity=1, **at(9))], at=datetime(2025, 3, 6))
    paper.land("erp_orders", [line(quantity=2, **at(9, 1)), line("S2", quantity=2, **at(9))], at=datetime(2025, 3, 7))
    paper.land("erp_orders", [line("S3", quantity=1, **at(9)), line("S3", quantity=2, **at(9))])
    lines = paper.lines()
    assert [lines[key]["quantity"] for key in ("S1/1", "S2/1", "S3/1")] == [3, 2, 2]


def test_a_deleted_line_is_gone_and_an_older_version_does_not_bring_it_back(paper: Any) -> None:
    paper.land("erp_orders", [line(**at(9)), line(op="D", **at(12))])
    paper.land("erp_orders", [line(**at(10))])
    assert paper.lines() == {}
    paper.land("erp_orders", [line(quantity=5, **at(13))])
    assert paper.lines()["S1/1"]["quantity"] == 5


def test_identical_lines_of_different_positions_stay(paper: Any) -> None:
    paper.land("erp_orders", [line(number="1"), line(number="2")])
    assert sorted(paper.lines()) == ["S1/1", "S1/2"]


def test_a_line_whose_order_date_moved_lies_in_one_month_only(paper: Any) -> None:
    paper.land("erp_orders", [line(**at(9)), line(order_date=date(2025, 4, 1), **at(10))])
    assert paper.lines()["S1/1"]["order_month"] == date(2025, 4, 1)


# Kinds


def test_the_first_rule_that_matches_gives_the_kind(paper: Any) -> None:
    paper.land("erp_orders", [line(item_code="POSTAGE", quantity=-1), line("S2", quantity=-1), line("S3")])
    lines = paper.lines()
    assert [(lines[k]["kind"], lines[k]["counts_as"]) for k in ("S1/1", "S2/1", "S3/1")] == [
        ("service", "none"),
        ("return", "returns"),
        ("sale", "orders"),
    ]


def test_a_negative_line_that_meets_no_rule_is_a_return(new_paper: Callable[..., Any]) -> None:
    paper = new_paper()
    feed = paper.settings.feeds["erp_orders"]
    from o9_assets.demand.parameters import parameters

    feeds = {**paper.settings.feeds, "erp_orders": feed.model_copy(update={"kinds": ()})}
    paper.given = parameters(paper.settings.model_copy(update={"feeds": feeds}))
    paper.land("erp_orders", [line(quantity=-3), line("S2")])
    lines = paper.lines()
    assert [(lines[k]["kind"], lines[k]["counts_as"]) for k in ("S1/1", "S2/1")] == [
        ("return", "returns"),
        ("sale", "orders"),
    ]


def test_a_cancellation_that_names_its_line_ends_it_and_counts_for_nothing_itself(paper: Any) -> None:
    paper.land(
        "erp_orders", [line(), line("S2"), line("C1", quantity=-10, cancels_order_id="S1", cancels_order_line="1")]
    )
    lines = paper.lines()
    assert {k: (row["kind"], row["counts_as"]) for k, row in lines.items()} == {
        "S1/1": ("cancelled", "none"),
        "S2/1": ("sale", "orders"),
        "C1/1": ("cancellation", "none"),
    }


def test_a_deleted_cancellation_ends_nothing(paper: Any) -> None:
    cancels = {"cancels_order_id": "S1", "cancels_order_line": "1"}
    paper.land("erp_orders", [line(), line("C1", **cancels, **at(9)), line("C1", op="D", **cancels, **at(10))])
    assert {k: row["kind"] for k, row in paper.lines().items()} == {"S1/1": "sale"}


# Units


@pytest.mark.parametrize(
    ("item", "unit", "expected", "issue"),
    [
        ("A", "EA", "10", None),
        ("A", None, "10", None),
        ("A", "CASE", "120", None),
        ("B", "CASE", "60", None),
        ("B", "KG", "10", None),
        ("A", "BARREL", None, "unknown_uom"),
        ("A", "ZERO", None, "factor_not_positive"),
        ("A", "NEW", None, "uom_not_yet_valid"),
        ("A", "THIRD", "3.3333", None),
    ],
)
def test_units_are_converted_by_the_items_own_factor_then_by_that_of_every_item(
    paper: Any, item: str, unit: str | None, expected: str | None, issue: str | None
) -> None:
    paper.items = [{"item_code": "A"}, {"item_code": "B", "base_uom_code": "KG"}]
    paper.land(
        "uom_conversions",
        [
            factor("CASE", 12),
            factor("CASE", 6, item="B"),
            factor("ZERO", 0),
            factor("NEW", 2, since=date(2025, 3, 6)),
            factor("THIRD", "0.333333"),
        ],
    )
    paper.land("erp_orders", [line(item_code=item, uom_code=unit)])
    found = paper.lines()["S1/1"]
    assert found["base_quantity"] == (None if expected is None else Decimal(expected))
    assert (found["issue"], found["counts_as"]) == (issue, "none" if issue else "orders")


def test_the_factor_is_that_of_the_day_of_the_demand(paper: Any) -> None:
    paper.land("uom_conversions", [factor("CASE", 12), factor("CASE", 10, since=DAY)])
    before, after = {"requested_date": date(2025, 3, 4)}, {"requested_date": DAY}
    paper.land("erp_orders", [line(uom_code="CASE", **before), line("S2", uom_code="CASE", **after)])
    lines = paper.lines()
    assert (lines["S1/1"]["base_quantity"], lines["S2/1"]["base_quantity"]) == (120, 100)


def test_an_items_own_factor_holds_from_its_first_day_and_the_general_one_before(paper: Any) -> None:
    paper.land(
        "uom_conversions", [factor("CASE", 12), factor("CASE", 6, item="A", since=DAY), factor("CASE", 24, since=DAY)]
    )
    before = line(uom_code="CASE", requested_date=date(2025, 3, 4))
    paper.land("erp_orders", [before, line("S2", uom_code="CASE"), line("S3", item_code="B", uom_code="CASE")])
    lines = paper.lines()
    assert [lines[k]["base_quantity"] for k in ("S1/1", "S2/1", "S3/1")] == [120, 60, 240]


def test_a_line_without_a_unit_has_an_issue_where_the_settings_name_none(new_paper: Callable[..., Any]) -> None:
    paper = new_paper({"units": {"base_uom": "EA", "missing_uom": None}})
    paper.land("erp_orders", [line()])
    assert paper.lines()["S1/1"]["issue"] == "missing_uom"


def test_lines_of_an_item_that_no_master_knows_count_unless_the_settings_set_them_aside(
    new_paper: Callable[..., Any],
) -> None:
    masters = {"erp_items": {"path": "i/*.csv", "format": {"type": "csv"}, "columns": {"item_code": "a"}}}
    for choice, issue in (("keep", None), ("set_aside", "unknown_item")):
        paper = new_paper({"demand": {"unknown_item": choice}, "feeds": masters})
        paper.items = [{"item_code": "B"}]
        paper.land("erp_orders", [line(), line("S2", item_code="B")])
        lines = paper.lines()
        assert (lines["S1/1"]["issue"], lines["S2/1"]["issue"]) == (issue, None)


def test_a_line_of_a_kind_that_never_counts_has_no_issue(paper: Any) -> None:
    paper.land("erp_orders", [line(item_code="POSTAGE", uom_code="?")])
    assert paper.lines()["S1/1"]["issue"] is None


def test_a_quantity_too_large_to_convert_is_an_issue_and_stops_nothing(paper: Any) -> None:
    paper.land("uom_conversions", [factor("CASE", 1000)])
    huge = line(quantity="99999999999999", uom_code="CASE", unit_price=99999)
    paper.land(
        "erp_orders", [huge, line("S2", quantity=-99999999999999), line("S3", quantity=900_000, unit_price=90_000)]
    )
    lines = paper.lines()
    assert [lines[k]["issue"] for k in ("S1/1", "S2/1", "S3/1")] == ["quantity_out_of_range", None, None]
    assert [lines[k]["value"] for k in ("S1/1", "S3/1")] == [None, 81_000_000_000]


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        ("999999.9999", "9999.9999"),
        ("-999999.9999", "9999.9999"),
        ("999999.9999", "10000"),
        ("1000000", "9999.9999"),
        ("-1000000.0001", "0.0001"),
        ("3", "-9999.9999"),
        ("3", "-10000"),
        ("0.5", "0.0001"),
        ("-0.5", "0.0001"),
        ("1", None),
    ],
)
def test_a_value_is_quantity_times_price_to_four_digits_narrow_or_wide(
    paper: Any, quantity: str, price: str | None
) -> None:
    paper.land("erp_orders", [line(quantity=quantity, unit_price=price)])
    exact = None if price is None else Decimal(quantity) * Decimal(price)
    expected = None if exact is None else exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    assert paper.lines()["S1/1"]["value"] == expected


def test_halves_are_rounded_away_from_zero(paper: Any) -> None:
    paper.land("uom_conversions", [factor("BIT", "0.000050")])
    paper.land("erp_orders", [line(quantity=1, uom_code="BIT"), line("S2", quantity=-1, uom_code="BIT")])
    lines = paper.lines()
    assert [str(lines[k]["base_quantity"]) for k in ("S1/1", "S2/1")] == ["0.0001", "-0.0001"]


# Grain


def test_a_line_without_a_requested_date_falls_on_its_order_date(paper: Any) -> None:
    paper.land("erp_orders", [line(), line("S2", requested_date=date(2025, 3, 9))])
    lines = paper.lines()
    assert [lines[k]["demand_date"] for k in ("S1/1", "S2/1")] == [DAY, date(2025, 3, 9)]


def test_without_channels_the_channel_is_all_and_accounts_can_be_the_location(new_paper: Callable[..., Any]) -> None:
    paper = new_paper({"grain": {"location": "customer_code", "channel": None}})
    paper.land("erp_orders", [line(customer_code="CU1", channel_code="WEB"), line("S2", customer_code=None)])
    lines = paper.lines()
    assert [(lines[k]["location_code"], lines[k]["channel_code"]) for k in ("S1/1", "S2/1")] == [
        ("CU1", "ALL"),
        ("UNKNOWN", "ALL"),
    ]
