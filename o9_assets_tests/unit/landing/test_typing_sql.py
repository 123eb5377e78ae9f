"""A text is exactly a value of its column's type, or the row gets a fault: nothing is coerced in silence."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from o9_assets.dataset import Column, Dataset
from o9_assets.landing.typing_sql import fault_expression, typed_select
from o9_assets.planning.feeds import Feed
from o9_assets.resources.engine import Engine


def read(text: str, kind: str, *, zone: str = "UTC", native: str = "", **form: str) -> Any:
    """What a column of this type makes of a text: its value, or the reason why it has none."""
    dataset = Dataset("raw.test", "A test", (Column("a", kind, "A column"),))
    given = {"path": "*", "format": {"type": "parquet" if native else "csv", **form}, "columns": {"a": "source"}}
    feed = Feed.model_validate(given)
    natives = {"source": native} if native else {}
    texts, typed = typed_select(dataset, feed, zone, {"source": "source"}, natives)
    fault = fault_expression(dataset, feed, natives)
    with Engine().connect() as con:
        rows = f"SELECT *, {typed} FROM (SELECT *, {texts} FROM (SELECT $1 AS source, 1 AS source_line))"
        [(reason,)] = con.execute(f"SELECT ({fault})[1] FROM ({rows})", [text]).fetchall()
        return reason or con.execute(f"SELECT a FROM ({rows})", [text]).fetchall()[0][0]


FAR = ["12025-01-06", "0044-03-15 (BC)", "infinity", "-infinity", "5881580-07-10", "294247-01-10"]


@pytest.mark.faults
@pytest.mark.parametrize("day", FAR)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin"])
def test_a_day_of_parquet_outside_the_years_of_four_digits_is_none(day: str, zone: str) -> None:
    assert read(day, "date", native="DATE", zone=zone) == "not_a_date"
    assert read(day, "timestamp", native="DATE", zone=zone) == "not_a_time"
    moment = day if "infinity" in day else f"{day} 04:00:54.775806"
    for native in ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"):
        assert read(moment, "date", native=native, zone=zone) == "not_a_date"
        assert read(moment, "timestamp", native=native, zone=zone) == "not_a_time"


@pytest.mark.faults
def test_a_moment_that_leaves_the_years_of_four_digits_in_utc_is_none() -> None:
    late = "9999-12-31 23:00:00"
    assert read(late, "timestamp", zone="Europe/Berlin") == datetime(9999, 12, 31, 22)
    assert read(late, "timestamp", zone="America/New_York") == "not_a_time"
    assert read("0001-01-01 00:00:00", "timestamp") == datetime(1, 1, 1)
    assert read("0001-01-01 00:00:00", "timestamp", zone="Europe/Berlin") == "not_a_time"


@pytest.mark.faults
@pytest.mark.parametrize("text", ["12025-1-01", "-2025-1-01", "0000-01-01", "infinity  "])
def test_a_day_outside_the_years_of_four_digits_is_none(text: str) -> None:
    assert read(text, "date") == "not_a_date"
    assert read("0001-01-01", "date") == date(1, 1, 1)
    assert read("9999-12-31", "date") == date(9999, 12, 31)


@pytest.mark.parametrize("native", ["TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS", "TIMESTAMP_NS WITH TIME ZONE"])
def test_a_moment_of_parquet_with_a_zone_is_utc_and_its_day_is_the_company_s(native: str) -> None:
    summer = "2025-07-06 22:30:00+00"
    assert read(summer, "timestamp", native=native, zone="Europe/Berlin") == datetime(2025, 7, 6, 22, 30)
    assert read(summer, "date", native=native, zone="Europe/Berlin") == date(2025, 7, 7)


@pytest.mark.parametrize("native", ["TIMESTAMP", "TIMESTAMP_NS"])
def test_a_moment_of_parquet_without_a_zone_is_local(native: str) -> None:
    summer = "2025-07-06 22:30:00"
    assert read(summer, "timestamp", native=native, zone="Europe/Berlin") == datetime(2025, 7, 6, 20, 30)
    assert read(summer, "date", native=native, zone="Europe/Berlin") == date(2025, 7, 6)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("decimal", "thousands", "text", "found"),
    [
        (",", ".", "1.234,5", Decimal("1234.5")),
        (",", ".", "-1.234.567", Decimal(-1234567)),
        (",", ".", "1234,5", Decimal("1234.5")),
        (",", ".", "1.5", "not_a_number"),
        (",", ".", "0.5", "not_a_number"),
        (",", ".", "1.2.3,4", "not_a_number"),
        (",", ".", "1234.567", "not_a_number"),
        (",", ".", "1.234,567.8", "not_a_number"),
        (",", ".", "1.,5", "not_a_number"),
        (".", ",", "1,234.56", Decimal("1234.56")),
        (".", ",", "1.234", Decimal("1.234")),
        (".", ",", "1,5", "not_a_number"),
        (".", ",", "5,", "not_a_number"),
        (".", ",", "1.2,345", "not_a_number"),
        (".", " ", "1 234", Decimal(1234)),
        (".", " ", "1 5", "not_a_number"),
        (".", "'", "1'234.5", Decimal("1234.5")),
    ],
)
def test_a_sign_between_thousands_parts_groups_of_three_digits(
    decimal: str, thousands: str, text: str, found: object
) -> None:
    assert read(text, "decimal(18,4)", decimal=decimal, thousands=thousands) == found


def test_blanks_around_a_number_are_none_between_its_thousands() -> None:
    assert read(" 5 ", "decimal(18,4)", thousands=" ") == Decimal(5)


@pytest.mark.faults
@pytest.mark.parametrize(
    "text",
    [
        "2025/01/06",
        "2025 01 06",
        "2025\\01\\06",
        " 2025-1-06",
        "2025-1-06 ",
        "2025-02-30",
        "25-01-06",
        " 025-01-06",
    ],
)
def test_a_day_is_written_as_the_usual_format_says(text: str) -> None:
    assert read("2025-01-06", "date") == date(2025, 1, 6)
    assert read(text, "date") == "not_a_date"


@pytest.mark.faults
@pytest.mark.parametrize(
    "text", ["06.01.25", "6.1.25", "06.01.5", "06.01.025", "06.01.00", "30.02.2025", "06.01.02025"]
)
def test_a_year_has_four_digits_where_the_format_says_so(text: str) -> None:
    assert read(text, "date", date="%d.%m.%Y") == "not_a_date"
    assert read("6.1.2025", "date", date="%d.%m.%Y") == date(2025, 1, 6)
    assert read("06.01.0025", "date", date="%d.%m.%Y") == date(25, 1, 6)
    assert read("06.01.25", "date", date="%d.%m.%y") == date(2025, 1, 6)


@pytest.mark.faults
def test_a_moment_with_a_year_of_two_digits_is_none() -> None:
    """It would be the oldest version of its line, whatever it corrects."""
    assert read("25-01-07 11:00:00", "timestamp") == "not_a_time"
    assert read("25-01-07 11:00:00", "timestamp", zone="America/New_York") == "not_a_time"
    assert read("2025-01-07 11:00:00", "timestamp") == datetime(2025, 1, 7, 11)


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("%Y-%m-%d %H:%M:%S%z", "2025-06-01 10:00:00+0200", datetime(2025, 6, 1, 8)),
        ("%Y-%m-%d %H:%M:%S%z", "2025-06-01 10:00:00+05:30", datetime(2025, 6, 1, 4, 30)),
        ("%Y-%m-%d %H:%M:%S %z", "2025-06-01 10:00:00 -12", datetime(2025, 6, 1, 22)),
        ("%a %b %d %H:%M:%S %z %Y", "Sun Jun 01 10:00:00 +0200 2025", datetime(2025, 6, 1, 8)),
        ("%d/%b/%Y:%H:%M:%S %z (%%z)", "01/Jun/2025:10:00:00 +1400 (%z)", datetime(2025, 5, 31, 20)),
        ("%d.%m.%Y %H:%M %%z", "01.06.2025 10:00 %z", datetime(2025, 6, 1, 8)),
        ("%Y-%m-%d %H:%M:%S%z", "2025-06-01 10:00:00+9900", "not_a_time"),
        ("%Y-%m-%d %H:%M:%S%z", "2025-06-01 10:00:00+0260", "not_a_time"),
        ("%a %b %d %H:%M:%S %z %Y", "Sun Jun 01 10:00:00 +9900 2025", "not_a_time"),
        ("iso8601", "2025-06-01T10:00:00+02:00", datetime(2025, 6, 1, 8)),
        ("iso8601", "2025-06-01T10:00:00+25:00", "not_a_time"),
        ("iso8601", "2025-06-01T10:00:00+02:60", "not_a_time"),
    ],
)
def test_an_offset_is_one_that_a_zone_can_have(form: str, text: str, found: object) -> None:
    assert read(text, "timestamp", timestamp=form, zone="Europe/Berlin") == found


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5", Decimal(5)),
        (" +5. ", Decimal(5)),
        (".5", Decimal("0.5")),
        ("1.50000", Decimal("1.5")),
        ("1e5", Decimal(100_000)),
        ("1.234567E3", Decimal("1234.567")),
        ("99999999999999.9999e0", Decimal("99999999999999.9999")),
        ("0E-9", Decimal(0)),
        ("1.23456", "too_many_digits"),
        ("1.23456e0", "too_many_digits"),
        ("12345.6789e-3", "too_many_digits"),
        ("1e-9", "too_many_digits"),
        ("1e-30", "too_many_digits"),
        ("1_0", "not_a_number"),
        ("1_000.5", "not_a_number"),
        ("0x10", "not_a_number"),
        ("0b11", "not_a_number"),
        ("NaN", "not_a_number"),
        ("1e30", "not_a_number"),
        ("٣", "not_a_number"),
    ],
)
def test_a_decimal_is_written_with_no_more_digits_than_are_kept(text: str, found: object) -> None:
    assert read(text, "decimal(18,4)") == found
    comma = text.replace(".", ",")
    assert read(comma, "decimal(18,4)", decimal=",") == found


@pytest.mark.faults
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_double_of_parquet_has_no_more_digits_than_are_kept_whatever_sign_texts_have(decimal: str) -> None:
    assert read("1.2345", "decimal(18,4)", native="DOUBLE", decimal=decimal) == Decimal("1.2345")
    assert read("1e+15", "decimal(18,2)", native="DOUBLE", decimal=decimal) == Decimal(10**15)
    assert read("1.23456", "decimal(18,4)", native="DOUBLE", decimal=decimal) == "too_many_digits"
    assert read("1e-05", "decimal(18,4)", native="DOUBLE", decimal=decimal) == "too_many_digits"
    assert read("nan", "decimal(18,4)", native="DOUBLE", decimal=decimal) == "not_a_number"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "found"),
    [("7", 7), (" 7 ", 7), ("+7", 7), ("007", 7), ("-0", 0), ("7.0", 7), ("9223372036854775807", 2**63 - 1)]
    + [(text, "not_a_number") for text in ("1.5", "2.4999", "1_0", "0x10", "0b11", "1e3", "9223372036854775808", "-")],
)
def test_an_integer_is_written_in_digits(text: str, found: object) -> None:
    assert read(text, "int64") == found


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "found"),
    [("5", 5.0), ("-1.5e-7", -1.5e-7), ("1e308", 1e308)]
    + [(text, "not_a_number") for text in ("NaN", "nan(1)", "inf", "-Infinity", "1e400", "1_0", "0x10", "1,5")],
)
def test_a_double_is_finite(text: str, found: object) -> None:
    assert read(text, "double") == found


@pytest.mark.faults
@pytest.mark.parametrize("text", ["0x10", "0b11", "1_735_689_600_000", "1735689600000.6", "1.7e12", "-1"])
def test_milliseconds_are_written_in_digits(text: str) -> None:
    assert read("1735689600000", "timestamp", timestamp="epoch_ms") == datetime(2025, 1, 1)
    assert read("1735689600000.0", "timestamp", timestamp="epoch_ms") == datetime(2025, 1, 1)
    assert read(text, "timestamp", timestamp="epoch_ms") == "not_a_time"
