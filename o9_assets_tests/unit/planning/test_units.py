"""Units of measure, and that the one-row form agrees with the query that converts all rows at once."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from o9_assets.demand.queries import query
from o9_assets.planning.units import Conversion, Conversions, Converted

NEW_YEAR = date(2026, 1, 1)
CASES = [
    Conversion("*", "CS", NEW_YEAR, Decimal(10)),
    Conversion("A", "CS", date(2026, 3, 1), Decimal(12)),
    Conversion("A", "CS", date(2026, 6, 1), Decimal("12.5")),
    Conversion("B", "PAL", NEW_YEAR, Decimal(0)),
]


@pytest.mark.parametrize(
    ("item", "unit", "day", "factor"),
    [
        ("A", "EA", date(2020, 1, 1), 1),
        ("A", "CS", date(2025, 12, 31), None),  # nothing holds yet
        ("A", "CS", date(2026, 1, 1), 10),  # every item's
        ("A", "CS", date(2026, 2, 28), 10),
        ("A", "CS", date(2026, 3, 1), 12),  # its own
        ("A", "CS", date(2026, 5, 31), 12),
        ("A", "CS", date(2026, 6, 1), Decimal("12.5")),
        ("C", "CS", date(2026, 6, 1), 10),
    ],
)
def test_the_factor_of_the_day_holds(item: str, unit: str, day: date, factor: Decimal | None) -> None:
    assert Conversions(CASES, "EA").factor(item, unit, day) == factor


@pytest.mark.parametrize(
    ("quantity", "item", "unit", "day", "converted"),
    [
        ("3", "A", "CS", date(2026, 3, 1), Converted(Decimal("36.0000"))),
        ("-3", "A", "CS", date(2026, 6, 1), Converted(Decimal("-37.5000"))),
        ("0.00005", "A", "EA", NEW_YEAR, Converted(Decimal("0.0001"))),
        ("3", "A", None, NEW_YEAR, Converted(None, "missing_uom")),
        ("3", "A", "BOX", NEW_YEAR, Converted(None, "unknown_uom")),
        ("3", "A", "PAL", NEW_YEAR, Converted(None, "unknown_uom")),
        ("3", "A", "CS", date(2025, 1, 1), Converted(None, "uom_not_yet_valid")),
        ("3", "B", "PAL", NEW_YEAR, Converted(None, "factor_not_positive")),
        ("99999999999999", "A", "CS", date(2026, 3, 1), Converted(None, "quantity_out_of_range")),
    ],
)
def test_a_quantity_is_in_base_units_or_says_why_not(
    quantity: str, item: str, unit: str | None, day: date, converted: Converted
) -> None:
    assert Conversions(CASES, "EA").to_base(Decimal(quantity), item, unit, day) == converted


def test_a_line_without_a_unit_may_have_the_settings_one() -> None:
    conversions = Conversions(CASES, "EA", missing_uom="CS")
    assert conversions.to_base(Decimal(1), "A", None, NEW_YEAR) == Converted(Decimal("10.0000"))


def test_an_item_s_base_unit_is_its_master_s() -> None:
    conversions = Conversions(CASES, "EA", {"A": "CS"})
    assert conversions.factor("A", "CS", date(2020, 1, 1)) == 1


ITEMS, UNITS = ("A", "B"), ("EA", "CS", "PAL")
DAYS = st.integers(0, 30).map(lambda n: NEW_YEAR + timedelta(days=n))
CONVERSIONS = st.lists(
    st.builds(
        Conversion,
        st.sampled_from(("*", *ITEMS)),
        st.sampled_from(UNITS),
        DAYS,
        st.decimals(0, 100, places=3, allow_nan=False, allow_infinity=False),
    ),
    max_size=8,
    unique_by=lambda c: (c.item_code, c.uom_code, c.valid_from_date),
)


@settings(max_examples=40, deadline=None)
@given(CONVERSIONS)
def test_one_row_at_a_time_and_all_at_once_agree(given: list[Conversion]) -> None:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE conversion_versions (item_code VARCHAR, uom_code VARCHAR, valid_from_date DATE, "
            "factor DECIMAL(18,6), op VARCHAR, changed_at TIMESTAMP, change_seq BIGINT, known_at TIMESTAMP, "
            "object_name VARCHAR, line BIGINT, object_id VARCHAR)"
        )
        for n, c in enumerate(given):
            row = [c.item_code, c.uom_code, c.valid_from_date, c.factor, "I", NEW_YEAR, 0, NEW_YEAR, "o", n, "o"]
            con.execute(f"INSERT INTO conversion_versions VALUES ({', '.join('?' * 11)})", row)
        con.execute("CREATE TABLE planning_items AS SELECT unnest(['A', 'B']) AS item_code, 'EA' AS base_uom_code")
        found = con.execute(query("unit_factors")).fetchall()
    conversions = Conversions(given, "EA")
    for item in ITEMS:
        for unit in UNITS:
            for day in (NEW_YEAR + timedelta(days=n) for n in range(-1, 32)):
                rows = [f for i, u, first, end, f in found if (i, u) == (item, unit) and first <= day < end]
                if rows:
                    assert [conversions.factor(item, unit, day)] == rows
                else:
                    with pytest.raises(KeyError):
                        conversions.factor(item, unit, day)
