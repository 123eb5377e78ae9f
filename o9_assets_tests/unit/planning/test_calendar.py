"""The calendar: buckets tile the time line, are cut at months, and have one name each."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from o9_assets.planning.calendar import BUCKETS, Bucket, Calendar
from o9_assets_tests.unit.planning.calendars import CALENDARS, DAYS, FIRST, LAST, NRF, calendar

DAY = timedelta(days=1)


def test_a_week_is_cut_at_the_month_s_end_and_its_parts_are_lettered() -> None:
    found = [
        (b.start, b.end, b.days, b.bucket_label, b.week_label, b.month_label)
        for b in calendar().buckets(date(2025, 12, 29), date(2026, 1, 5))
    ]
    assert found == [
        (date(2025, 12, 29), date(2025, 12, 31), 3, "2026-W01A", "2026-W01", "Dec-2025"),
        (date(2026, 1, 1), date(2026, 1, 4), 4, "2026-W01B", "2026-W01", "Jan-2026"),
        (date(2026, 1, 5), date(2026, 1, 11), 7, "2026-W02", "2026-W02", "Jan-2026"),
    ]


def test_a_week_that_ends_with_its_month_is_whole() -> None:
    assert [b.bucket_label for b in calendar().buckets(date(2026, 5, 25), date(2026, 6, 1))] == ["2026-W22", "2026-W23"]


def test_a_week_may_be_cut_at_a_fiscal_month_s_end() -> None:
    # Retail months end on Saturdays, planning weeks on Sundays: the retail month of January 2023 ends on the 28th.
    cal = calendar(
        partial_weeks="fiscal_month",
        fiscal={"pattern": "4-5-4", "year_end_month": 1, "year_end_rule": "nearest", "week_start": "sunday"},
        labels={"month": "{fiscal_month_name}-{fiscal_year}"},
    )
    found = [(b.start, b.end, b.bucket_label, b.month_label) for b in cal.parts_of(date(2023, 1, 29))]
    assert found == [
        (date(2023, 1, 23), date(2023, 1, 28), "2023-W04A", "Jan-2023"),
        (date(2023, 1, 29), date(2023, 1, 29), "2023-W04B", "Feb-2024"),
    ]


@pytest.mark.parametrize(
    ("settings", "day", "called"),
    [
        ({"labels": {"bucket": "%G%V{part}"}}, date(2025, 5, 21), "202521A"),
        ({"labels": {"bucket": "%G%V{partial}"}}, date(2025, 5, 21), "202521"),
        ({"labels": {"bucket": "%G%V{partial}"}}, date(2025, 5, 31), "202522A"),
        ({"labels": {"bucket": "%G%V{partial}"}}, date(2025, 6, 1), "202522B"),
        ({"week_start": "wednesday", "labels": {"bucket": "%d-%b-%y"}}, date(2025, 5, 23), "21-May-25"),
        (
            {"labels": {"bucket": "FY{fiscal_year} Q{fiscal_quarter} W{fiscal_week}{partial}"}},
            date(2025, 1, 1),
            "FY2025 Q1 W01B",
        ),
    ],
)
def test_labels_can_look_as_o9_tenants_have_them(settings: dict[str, object], day: date, called: str) -> None:
    cal = calendar(**settings)
    assert cal.bucket_of(day).bucket_label == called
    assert cal.bucket_from_label(called) == cal.bucket_of(day)


def test_a_month_may_be_called_as_o9_calls_it() -> None:
    assert calendar().bucket_of(date(2025, 5, 21)).month_label == "May-2025"


def test_a_name_that_no_bucket_has_is_none() -> None:
    assert calendar().bucket_from_label("2025-W54") is None


def test_fiscal_months_are_called_after_the_month_of_their_middle() -> None:
    # The retail February of 2023 begins on 29 January.
    assert NRF.bucket_of(date(2023, 1, 29)).month_label == "Feb-2023"
    assert NRF.bucket_of(date(2023, 1, 29)).week_label == "2023-01"
    assert NRF.bucket_of(date(2024, 2, 3)).week_label == "2023-53"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"week": "%V"}, "labels.week: gives the name '52' to 1999-12-27 and to 2000-12-25"),
        ({"week": "%Y-W%V"}, r"labels.week: gives the name '2001-W01' to 2001-01-01 and to 2001-12-31; .* not %Y\)"),
        ({"bucket": "%G-W%V"}, "labels.bucket: gives the name '2000-W05' to 2000-01-31 and to 2000-02-01"),
        ({"month": "%b"}, "labels.month: gives the name 'Jan' to 2000-01-01 and to 2001-01-01"),
        ({"month": "%Q"}, "labels.month: holds '%Q'; known are %G %V"),
        ({"bucket": "{week}"}, r"labels.bucket: holds '\{week\}'; known are"),
        ({"week": "100%"}, "labels.week: holds '%'"),
    ],
)
def test_a_label_that_names_two_things_or_nothing_is_refused(labels: dict[str, str], said: str) -> None:
    from o9_assets.planning.settings import SettingsError, parse

    with pytest.raises(SettingsError, match=said):
        parse(MINIMAL + f"calendar: {{labels: {labels}}}\n")


MINIMAL = """
company: Test
timezone: UTC
currency: EUR
feeds: {erp_orders: {path: "*.csv", format: {type: csv}, columns: {order_id: a}}}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Week]", version: "Version.[Name]"},
     measures: {orders_quantity: Orders}}
"""


def test_fiscal_months_need_a_label_of_their_own() -> None:
    with pytest.raises(ValueError, match="gives the name 'Feb-2004' to 2004-02-01 and to 2004-02-29"):
        calendar(week_start="sunday", partial_weeks="none", fiscal={"pattern": "4-4-5", "year_end_month": 1})


@pytest.mark.parametrize("year", [2004, 2009, 2015, 2020, 2026])
def test_iso_years_with_a_week_53(year: int) -> None:
    bucket = calendar().bucket_of(date(year, 12, 31))
    assert (bucket.week_label, bucket.iso_year, bucket.iso_week) == (f"{year}-W53", year, 53)


@pytest.mark.parametrize("year", [2005, 2010, 2016, 2021, 2024, 2025])
def test_iso_years_without_a_week_53(year: int) -> None:
    assert calendar().bucket_of(date(year, 12, 28)).week_label == f"{year}-W52"


@given(CALENDARS, DAYS)
def test_every_day_lies_in_exactly_one_bucket_of_one_week_and_one_month(cal: Calendar, day: date) -> None:
    bucket = cal.bucket_of(day)
    assert bucket.start <= day <= bucket.end
    assert cal.bucket_start(day) == bucket.start
    assert cal.bucket_of(bucket.start) == cal.bucket_of(bucket.end) == bucket
    assert cal.week_start(bucket.start) == cal.week_start(bucket.end) == bucket.week_start
    if cal._settings.partial_weeks != "none":
        assert cal.month_start(bucket.start) == cal.month_start(bucket.end) == bucket.month_start


@settings(max_examples=30, deadline=None)
@given(CALENDARS)
def test_buckets_tile_thirty_years(cal: Calendar) -> None:
    buckets = cal.buckets(FIRST, LAST)
    assert buckets[0].start <= FIRST
    assert buckets[-1].end >= LAST
    assert all(a.end + DAY == b.start for a, b in pairwise(buckets))
    assert sum(b.days for b in buckets) == (buckets[-1].end - buckets[0].start).days + 1
    for b in buckets:
        assert 1 <= b.days <= 7
        assert cal.week_start(b.end) == b.week_start, "a bucket crosses its week"
        assert cal._settings.partial_weeks == "none" or cal.month_start(b.end) == b.month_start, "... its month"
    weeks: dict[date, int] = {}
    for b in buckets:
        weeks[b.week_start] = weeks.get(b.week_start, 0) + b.days
    assert set(list(weeks.values())[1:-1]) == {7}, "the parts of a week are the week"


@settings(max_examples=30, deadline=None)
@given(CALENDARS)
def test_every_bucket_of_thirty_years_is_found_by_its_label(cal: Calendar) -> None:
    for bucket in cal.buckets(FIRST, LAST)[::50]:
        assert cal.bucket_from_label(bucket.bucket_label, FIRST, LAST) == bucket


@settings(max_examples=30, deadline=None)
@given(CALENDARS, DAYS, st.integers(-2, 800))
def test_the_tables_agree_with_the_calendar_day_by_day(cal: Calendar, first: date, length: int) -> None:
    last = first + timedelta(days=length)
    rows = cal.days_table(first, last).to_pylist()
    assert [row["date"] for row in rows] == [first + timedelta(days=n) for n in range(length + 1)]
    for row in rows:
        day = row.pop("date")
        assert row == {
            "bucket_start": cal.bucket_start(day),
            "week_start": cal.week_start(day),
            "month_start": cal.month_start(day),
        }


def test_the_table_of_buckets_has_a_column_for_everything() -> None:
    table = calendar().buckets_table(date(2026, 1, 1), date(2026, 1, 4))
    assert tuple(table.column_names) == BUCKETS
    assert table.to_pylist() == [
        {
            "bucket_start": date(2026, 1, 1),
            "bucket_end": date(2026, 1, 4),
            "days": 4,
            "week_start": date(2025, 12, 29),
            "month_start": date(2026, 1, 1),
            "week_label": "2026-W01",
            "bucket_label": "2026-W01B",
            "month_label": "Jan-2026",
            "fiscal_year": 2026,
            "fiscal_quarter": 1,
            "fiscal_month": 1,
            "fiscal_week": 1,
            "iso_year": 2026,
            "iso_week": 1,
        }
    ]


QUANTITIES = st.one_of(
    st.integers(-(10**12), 10**12),
    st.decimals(-(10**9), 10**9, places=4, allow_nan=False, allow_infinity=False),
)


@given(CALENDARS, DAYS, QUANTITIES)
def test_a_week_split_into_its_partial_weeks_and_joined_is_the_week(cal: Calendar, day: date, total: Any) -> None:
    parts = cal.split_week(day, total)
    assert list(parts) == [b.start for b in cal.parts_of(day)]
    joined = cal.join_weeks(parts)
    assert joined == {cal.week_start(day): total}
    assert all(type(part) is type(total) for part in parts.values())


def test_a_week_is_split_by_days() -> None:
    assert calendar().split_week(date(2026, 1, 1), 700) == {date(2025, 12, 29): 300, date(2026, 1, 1): 400}


def test_thirty_years_of_days_take_milliseconds() -> None:
    from time import perf_counter

    days = calendar()
    days.days_table(FIRST, FIRST)  # numpy and pyarrow are loaded
    took = []
    for _ in range(3):
        start = perf_counter()
        days.days_table(FIRST, LAST)
        took.append(perf_counter() - start)
    assert min(took) < 0.05


def test_a_bucket_counts_its_days() -> None:
    day = date(2026, 1, 1)
    assert Bucket(day, day, day, day, "", "", "", 2026, 1, 1, 1, 2026, 1).days == 1
