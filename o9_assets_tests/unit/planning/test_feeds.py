"""What a feed declares, by itself: names of objects, formats, deliveries, cron."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.planning.cron import cron_problem
from o9_assets.planning.delivery import Delivery, expected_days
from o9_assets.planning.feeds import REASONS
from o9_assets.planning.formats import Format
from o9_assets.planning.patterns import match, pattern_problem, prefix, rising_from
from o9_assets.planning.zones import zone_problem

ORDERS = "erp/orders/{covers_date:%Y-%m-%d}*.csv*"


@pytest.mark.parametrize(
    ("path", "name", "covers"),
    [
        (ORDERS, "erp/orders/2026-05-03.csv", date(2026, 5, 3)),
        (ORDERS, "erp/orders/2026-05-03-2.csv.gz", date(2026, 5, 3)),
        ("{covers_date:%Y/%m/%d}/orders.csv", "2026/05/03/orders.csv", date(2026, 5, 3)),
        ("o_{covers_date:%d%m%y}.txt", "o_030526.txt", date(2026, 5, 3)),
        ("{covers_date:%Y%j}", "2026123", date(2026, 5, 3)),
        ("{covers_date:%Y-%m-%dT%H%M%S}.json", "2026-05-03T235959.json", date(2026, 5, 3)),
        ("a+b({covers_date:[%Y] %m|%d}).csv", "a+b([2026] 05|03).csv", date(2026, 5, 3)),
        ("units/*.csv", "units/any.csv", None),
    ],
)
def test_an_object_s_name_tells_the_day_it_covers(path: str, name: str, covers: date | None) -> None:
    assert pattern_problem(path) is None
    found = match(path, name)
    assert found is not None
    assert found.covers_date == covers


@pytest.mark.parametrize(
    "name",
    [
        "erp/orders/2026-02-30.csv",
        "erp/orders/x/2026-05-03.csv",
        "erp/orders/2026-05-03/x.csv",
        "erp/items/2026-05-03.csv",
        "2026-05-03.csv",
        "x/erp/orders/2026-05-03.csv",
        "erp/orders/2026-05-03.txt",
        "erp/orders/２０２６-05-03.csv",
        "erp/orders/2026-05-03.csv\n/x",
    ],
)
def test_other_names_are_not_the_feed_s(name: str) -> None:
    assert match(ORDERS, name) is None


@pytest.mark.parametrize(
    ("path", "begins"), [(ORDERS, "erp/orders/"), ("{covers_date:%Y-%m-%d}.csv", ""), ("a/b.csv", "a/b.csv")]
)
def test_a_listing_is_bounded_by_the_literal_part(path: str, begins: str) -> None:
    assert prefix(path) == begins


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "must lie below the landing zone"),
        ("/a.csv", "must lie below the landing zone"),
        ("a/../b.csv", "must lie below the landing zone"),
        ("a\\b.csv", "must lie below the landing zone"),
        ("{date}.csv", "has braces for something else"),
        ("{covers_date}.csv", "has braces for something else"),
        ("{covers_date:%Y-%m-%d", "has braces for something else"),
        ("{covers_date:%Y%m%d}{covers_date:%Y%m%d}", "can stand once"),
        ("{covers_date:%Y-%b-%d}", "not %b"),
        ("{covers_date:%Y-%m}", "names no day"),
        ("{covers_date:%m-%d}", "names no day"),
        ("{covers_date:%Y-%m-%d-%d}", "names %d twice"),
        ("{covers_date:%Y-%m-%d%}", "not %"),
    ],
)
def test_a_pattern_that_cannot_work_is_told(path: str, said: str) -> None:
    assert said in (pattern_problem(path) or "nothing")


@given(st.dates(date(1969, 1, 1), date(2068, 12, 31)), st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d.%m.%y", "%Y/%j"]))
def test_a_day_written_in_a_name_is_the_day_read(day: date, form: str) -> None:
    found = match(f"in/{{covers_date:{form}}}_*.csv", f"in/{day.strftime(form)}_a.csv")
    assert found is not None
    assert found.covers_date == day


def test_encodings_are_known_by_any_of_their_names() -> None:
    assert Format(type="csv", encoding="UTF8").encoding == "utf-8"
    assert Format(type="csv", encoding="latin1").encoding == "iso8859-1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"encoding": "hex"}, "is no encoding of text"),
        ({"encoding": "latin 9"}, "is no encoding"),
        ({"encoding": "undefined"}, "is no encoding of text"),
        ({"encoding": "punycode"}, "is no encoding of text"),
        ({"encoding": "unicode_escape"}, "is no encoding of text"),
        ({"delimiter": "\\t"}, "is no delimiter"),
        ({"delimiter": "\n"}, "is no delimiter"),
        ({"delimiter": '"'}, "is the delimiter as well"),
        ({"decimal": ",", "thousands": ","}, "is the decimal sign as well"),
        ({"date": "yyyyMMdd"}, "did you mean '%Y%m%d'"),
        ({"timestamp": "dd.MM.yyyy HH:mm:ss"}, "did you mean '%d.%m.%Y %H:%M:%S'"),
        ({"date": "%d.%m"}, "names no day"),
        ({"date": "%Q"}, "%Q is no sign of strptime"),
        ({"timestamp": "%Y-%m-%d %H:%M:%S %Z"}, "%Z, the name of a zone, is not read"),
        ({"timestamp": "%Y-%m-%d %I:%M"}, "does not tell morning from evening"),
        ({"date": "%Y-%m-%d%"}, "is no sign of strptime"),
        ({"type": "jsonl", "delimiter": ";"}, "means nothing for jsonl"),
        ({"type": "parquet", "encoding": "utf-8"}, "means nothing for parquet"),
    ],
)
def test_a_format_that_cannot_work_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Format.model_validate({"type": "csv", **given})


def test_days_are_expected_as_the_source_delivers_them() -> None:
    delivery = Delivery.model_validate(
        {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "except": ["2026-01-01", "2026-01-06", "2026-01-01"]}
    )
    assert delivery.exceptions == (date(2026, 1, 1), date(2026, 1, 6))
    days = expected_days(delivery, date(2025, 12, 31), date(2026, 1, 7))
    assert days == [date(2025, 12, 31), date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 7)]
    assert delivery.expected(date(2026, 1, 2), date(2026, 1, 1)) == []


def test_a_weekly_feed_stands_for_one_day_of_the_week() -> None:
    delivery = Delivery(every="week", weekdays=("sun",))
    assert delivery.expected(date(2026, 1, 1), date(2026, 1, 14)) == [date(2026, 1, 4), date(2026, 1, 11)]
    with pytest.raises(ValueError, match="exactly one weekday"):
        Delivery(every="week")


@pytest.mark.parametrize("day", [20260101, "86400", "1 January", "2026-02-30", "2026-02-03T00:00:00", True])
def test_what_is_no_day_is_told(day: object) -> None:
    with pytest.raises(ValueError, match=r"is no day such as 2026-12-25|valid date"):
        Delivery.model_validate({"except": [day]})


@pytest.mark.parametrize(
    "text",
    [
        "0 5 * * *",
        "*/15 0-6,22 1 jan-mar mon-fri",
        "59 23 31 12 7",
        "0 6 * * MON",
        "0 6 1,15 * *",
        "0 0 29 2 *",
        "0 0 31 4,5 *",
        "0 0 31 4 mon",
        "0 0 30,1 feb *",
    ],
)
def test_cron_expressions_are_known(text: str) -> None:
    assert cron_problem(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@daily", "five fields"),
        ("0 5 * *", "five fields"),
        ("60 5 * * *", "'60' is no minute (0 to 59)"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 5 0 * *", "'0' is no day of month (1 to 31)"),
        ("0 5 * 13 *", "'13' is no month (1 to 12, or jan feb"),
        ("0 5 * * monday", "'monday' is no day of week"),
        ("0 5 * * fri-mon", "'fri-mon' is no day of week"),
        ("*/0 5 * * *", "'*/0' is no minute"),
        ("0, 5 * * *", "'' is no minute"),
        ("-1 5 * * *", "'-1' is no minute"),
        ("0 0 30 2 *", "'0 0 30 2 *' never runs: no month that it names has a day 30"),
        ("0 0 31 4,jun,9-11/2 *", "never runs: no month that it names has a day 31"),
    ],
)
def test_a_cron_expression_that_cannot_be_is_told(text: str, said: str) -> None:
    assert said in (cron_problem(text) or "nothing")


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("a/{covers_date:%Y-%m-%d}*.csv", "a/2025-06-09"),
        ("a/{covers_date:%Y/%m/%d}/*.csv", "a/2025/06/09"),
        ("a/x_{covers_date:%Y%j}_*.csv", "a/x_2025160"),
        ("a/{covers_date:%Y%m%dT%H%M%S}.csv", "a/20250609"),
        ("a/{covers_date:%d-%m-%Y}.csv", None),
        ("a/*/{covers_date:%Y-%m-%d}.csv", None),
        ("a/{covers_date:%y%m%d}.csv", None),
        ("a/*.csv", None),
    ],
)
def test_names_that_rise_with_their_day_tell_where_a_day_begins(path: str, start: str | None) -> None:
    assert rising_from(path, date(2025, 6, 9)) == start


def test_a_weekday_is_named_once() -> None:
    with pytest.raises(ValueError, match="names a day twice: mon, tue, mon"):
        Delivery.model_validate({"weekdays": ["mon", "tue", "mon"]})


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules", "right/Europe/Berlin", "posix/UTC", "Berlin"])
def test_a_time_zone_is_one_of_iana_whatever_else_the_machine_knows(name: str) -> None:
    assert "is no IANA time zone" in (zone_problem(name) or "")
    assert zone_problem("Europe/Berlin") is None


def test_the_reasons_that_the_docs_name_are_the_platform_s_own() -> None:
    text = (Path(__file__).parents[3] / "docs" / "landing.md").read_text().split("## What is set aside")[1]
    table = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    whole = text.split("A **file** is set aside whole")[1].split("The rest goes on")[0]
    named = {reason for part in (*table, whole) for reason in re.findall(r"`([a-z_]+)`", part)}
    assert len(named) > 20
    assert named <= REASONS
