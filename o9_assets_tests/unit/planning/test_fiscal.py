"""Fiscal years of whole weeks against years that companies published, and the rules that hold for any."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.planning.calendar import Calendar
from o9_assets_tests.unit.planning.calendars import CALENDARS, NRF, calendar

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("year", "weeks"),
    [
        (2006, 53),
        (2007, 52),
        (2011, 52),
        (2012, 53),
        (2016, 52),
        (2017, 53),
        (2018, 52),
        (2022, 52),
        (2023, 53),
        (2024, 52),
    ],
)
def test_the_retail_calendar_has_its_known_53_week_years(year: int, weeks: int) -> None:
    assert NRF.fiscal.weeks_in(year + 1) == weeks  # the NRF names a year after the one it starts in


@pytest.mark.parametrize(
    ("year", "first", "last"),
    [
        (2012, date(2012, 1, 29), date(2013, 2, 2)),
        (2017, date(2017, 1, 29), date(2018, 2, 3)),
        (2023, date(2023, 1, 29), date(2024, 2, 3)),
        (2024, date(2024, 2, 4), date(2025, 2, 1)),
    ],
)
def test_retail_years_begin_and_end_on_their_published_days(year: int, first: date, last: date) -> None:
    months = NRF.fiscal.months_of(year + 1)
    assert {m.year for m in months} == {year}
    assert (months[0].start, months[-1].end) == (first, last)


def test_the_retail_months_of_a_53_week_year_are_four_five_four_weeks_and_five_in_january() -> None:
    weeks = [((m.end - m.start).days + 1) // 7 for m in NRF.fiscal.months_of(2024)]
    assert weeks == [4, 5, 4, 4, 5, 4, 4, 5, 4, 4, 5, 5]


# A year that ends on the last Saturday of September: 53 weeks in fiscal 2012, 2017 and 2023.
LAST_SATURDAY = calendar(
    week_start="sunday",
    partial_weeks="none",
    fiscal={"pattern": "5-4-4", "year_end_month": 9, "year_end_rule": "last"},
    labels={"month": "{fiscal_year}-{fiscal_month}"},
)


@pytest.mark.parametrize(
    ("year", "end", "weeks"),
    [
        (2012, date(2012, 9, 29), 53),
        (2016, date(2016, 9, 24), 52),
        (2017, date(2017, 9, 30), 53),
        (2022, date(2022, 9, 24), 52),
        (2023, date(2023, 9, 30), 53),
        (2024, date(2024, 9, 28), 52),
    ],
)
def test_a_year_that_ends_on_the_last_saturday_of_september(year: int, end: date, weeks: int) -> None:
    assert (LAST_SATURDAY.fiscal.year_end(year), LAST_SATURDAY.fiscal.weeks_in(year)) == (end, weeks)


def test_a_year_around_new_year_has_the_name_of_the_december_that_closes_it() -> None:
    for name in ("start", "end"):
        cal = calendar(
            partial_weeks="none",
            fiscal={"pattern": "4-4-5", "year_end_rule": "nearest", "year_name": name},
            labels={"month": "{fiscal_year}-{fiscal_month}"},
        )
        # From 30 December 2024 to 28 December 2025.
        assert {m.year for m in cal.fiscal.months_of(2025)} == {2025}


@given(CALENDARS, st.integers(2000, 2030))
def test_a_fiscal_year_has_52_or_53_weeks_and_its_months_follow_each_other(cal: Calendar, year: int) -> None:
    months = cal.fiscal.months_of(year)
    assert [m.month for m in months] == list(range(1, 13))
    assert [m.quarter for m in months] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert all(a.end + DAY == b.start for a, b in pairwise(months))
    assert (months[0].start, months[-1].end) == (cal.fiscal.year_end(year - 1) + DAY, cal.fiscal.year_end(year))
    assert months[0].year + 1 == cal.fiscal.months_of(year + 1)[0].year, "names of years follow each other"
    fiscal = cal._settings.fiscal
    if fiscal.pattern == "calendar":
        assert all(m.start.day == 1 for m in months)
        return
    weeks = [((m.end - m.start).days + 1) // 7 for m in months]
    assert sum(weeks) == cal.fiscal.weeks_in(year)
    assert sum(weeks) in (52, 53)
    assert "-".join(map(str, weeks[:3])) == fiscal.pattern
    assert weeks[:3] * 3 == weeks[:9]
    assert weeks[-1] - weeks[2] == sum(weeks) - 52, "the 53rd week joins the last month"
    month_end = date(year + (fiscal.year_end_month == 12), fiscal.year_end_month % 12 + 1, 1) - DAY
    off = (month_end - months[-1].end).days
    assert 0 <= off <= 6 if fiscal.year_end_rule == "last" else -3 <= off <= 3


@given(CALENDARS, st.dates(date(2000, 1, 1), date(2030, 12, 31)))
def test_a_fiscal_week_rises_by_one_a_week_within_its_year(cal: Calendar, day: date) -> None:
    week, following = cal.fiscal.week_of(day), cal.fiscal.week_of(day + timedelta(days=7))
    assert 1 <= week <= (54 if cal._settings.fiscal.pattern == "calendar" else 53)
    same_year = cal.fiscal.month_of(day).year == cal.fiscal.month_of(day + timedelta(days=7)).year
    assert following == week + 1 if same_year else following <= 2


def test_weeks_of_calendar_years_count_from_the_one_that_holds_the_first_day() -> None:
    fiscal = calendar().fiscal
    assert [fiscal.week_of(date(2026, 1, day)) for day in (1, 4, 5, 11, 12)] == [1, 1, 2, 2, 3]
    assert fiscal.week_of(date(2026, 3, 31)) == 14
