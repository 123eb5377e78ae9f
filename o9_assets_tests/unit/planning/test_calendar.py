"""The calendar: buckets tile the time line, cut at months, and sums survive every split."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.planning.calendar import WEEKDAYS, Calendar, split
from o9_assets.planning.settings import CalendarSettings

DAYS = st.dates(date(2000, 1, 1), date(2030, 12, 31))
CALENDARS = st.builds(
    lambda week_start, partial, pattern, month, rule: Calendar(
        CalendarSettings.model_validate(
            {
                "week_start": week_start,
                "partial_weeks": partial,
                "fiscal": {"pattern": pattern, "year_end_month": month, "year_end_rule": rule},
                "labels": {"week": "%Y-%m-%d", "bucket": "%Y-%m-%d", "month": "%Y-%m-%d"},
            }
        )
    ),
    st.sampled_from(WEEKDAYS),
    st.sampled_from(["none", "month", "fiscal_month"]),
    st.sampled_from(["calendar", "4-4-5", "4-5-4", "5-4-4"]),
    st.integers(1, 12),
    st.sampled_from(["last", "nearest"]),
)


def calendar(**settings: object) -> Calendar:
    return Calendar(CalendarSettings.model_validate(settings))


NRF = calendar(
    week_start="sunday",
    partial_weeks="none",
    fiscal={"pattern": "4-5-4", "year_end_month": 1, "year_end_rule": "nearest", "year_name": "start"},
    labels={"month": "{fiscal_year}-{fiscal_month}"},
)


def test_a_week_is_cut_at_the_month_s_end_and_its_parts_are_lettered() -> None:
    found = [
        (b.start, b.end, b.bucket_label, b.week_label, b.month_label)
        for b in calendar().buckets(date(2025, 12, 29), date(2026, 1, 5))
    ]
    assert found == [
        (date(2025, 12, 29), date(2025, 12, 31), "2026-W01A", "2026-W01", "Dec-2025"),
        (date(2026, 1, 1), date(2026, 1, 4), "2026-W01B", "2026-W01", "Jan-2026"),
        (date(2026, 1, 5), date(2026, 1, 11), "2026-W02", "2026-W02", "Jan-2026"),
    ]


@pytest.mark.parametrize(
    ("label", "day", "called"),
    [
        ("%G%V{partial}", date(2025, 5, 19), "202521"),
        ("%G%V{partial}", date(2025, 5, 26), "202522A"),
        ("%d-%b-%y", date(2025, 5, 21), "19-May-25"),
    ],
)
def test_labels_can_look_as_o9_tenants_have_them(label: str, day: date, called: str) -> None:
    assert calendar(labels={"bucket": label}).bucket_of(day).bucket_label == called


def test_a_label_that_names_two_weeks_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"labels\.week gives the name '51' to 2019-12-16 and to 2020-12-14"):
        calendar(labels={"week": "%V"})


def test_fiscal_months_need_a_label_of_their_own() -> None:
    with pytest.raises(ValueError, match=r"labels\.month gives the name 'May-2021' to 2021-05-02 and to 2021-05-30"):
        calendar(week_start="sunday", partial_weeks="none", fiscal={"pattern": "4-5-4", "year_end_month": 1})


def test_a_label_with_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="known are %G %V"):
        calendar(labels={"month": "%Q"})


@pytest.mark.parametrize(("year", "weeks"), [(2012, 53), (2016, 52), (2017, 53), (2022, 52), (2023, 53), (2024, 52)])
def test_the_nrf_calendar_has_its_known_53_week_years(year: int, weeks: int) -> None:
    assert NRF.fiscal.weeks_in(year + 1) == weeks  # NRF names a year after the one it starts in


def test_the_nrf_year_2023_begins_and_ends_on_its_published_days() -> None:
    month = NRF.fiscal.month_of(date(2023, 1, 29))
    assert (month.year, month.month, month.start) == (2023, 1, date(2023, 1, 29))
    assert NRF.fiscal.year_end(2024) == date(2024, 2, 3)


def test_the_53rd_week_joins_the_last_month() -> None:
    month = NRF.fiscal.month_of(date(2024, 2, 3))
    assert (month.month, (month.end - month.start).days + 1) == (12, 35)


@pytest.mark.parametrize("year", [2004, 2009, 2015, 2020, 2026])
def test_iso_years_with_a_week_53(year: int) -> None:
    assert calendar().bucket_of(date(year, 12, 31)).week_label == f"{year}-W53"


@given(CALENDARS, DAYS)
def test_every_day_lies_in_exactly_one_bucket_of_one_week_and_one_month(cal: Calendar, day: date) -> None:
    bucket = cal.bucket_of(day)
    assert bucket.start <= day <= bucket.end
    assert cal.bucket_of(bucket.start) == cal.bucket_of(bucket.end) == bucket
    assert cal.week_start(bucket.start) == cal.week_start(bucket.end) == bucket.week_start
    assert cal.bucket_of(bucket.end + timedelta(days=1)).start == bucket.end + timedelta(days=1)
    if cal._settings.partial_weeks != "none":
        assert cal.month_start(bucket.start) == cal.month_start(bucket.end) == bucket.month_start


@given(CALENDARS, st.integers(2000, 2030))
def test_a_fiscal_year_has_52_or_53_weeks_and_its_months_follow_each_other(cal: Calendar, year: int) -> None:
    months = cal.fiscal._months(year)
    assert [m.month for m in months] == list(range(1, 13))
    assert all(a.end + timedelta(days=1) == b.start for a, b in pairwise(months))
    assert (months[0].start, months[-1].end) == (
        cal.fiscal.year_end(year - 1) + timedelta(days=1),
        cal.fiscal.year_end(year),
    )
    if cal._settings.fiscal.pattern != "calendar":
        assert cal.fiscal.weeks_in(year) in (52, 53)
        assert all(cal.week_start(m.start) == m.start for m in months)


@given(DAYS, st.integers(0, 400))
def test_the_days_table_agrees_with_the_buckets(first: date, length: int) -> None:
    cal, last = calendar(), first + timedelta(days=length)
    rows = cal.days_table(first, last).to_pylist()
    assert [row["date"] for row in rows] == [first + timedelta(days=n) for n in range(length + 1)]
    assert all(row["bucket_start"] == cal.bucket_start(row["date"]) for row in rows)
    assert sum(b.days for b in cal.buckets(first, last)) >= length + 1


QUANTITIES = st.one_of(
    st.integers(-(10**12), 10**12),
    st.decimals(-(10**9), 10**9, places=4, allow_nan=False, allow_infinity=False),
)


@given(QUANTITIES, st.lists(st.integers(0, 7), min_size=1, max_size=7))
def test_a_split_week_sums_to_the_week_exactly(total: int | Decimal, days: list[int]) -> None:
    parts = split(total, days)
    assert sum(parts) == total
    assert all((part >= 0) == (total >= 0) or part == 0 for part in parts)


def test_a_split_gives_whole_numbers_and_the_largest_remainder_first() -> None:
    assert split(10, [3, 4]) == [4, 6]
    assert split(-10, [3, 4]) == [-4, -6]
    assert split(Decimal("1.00"), [1, 1, 1]) == [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]
    assert split(5, [0, 0]) == [3, 2]


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_a_split_without_sound_weights_is_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(1, weights)
