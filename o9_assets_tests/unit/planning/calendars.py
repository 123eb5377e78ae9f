"""Calendars for the tests of this folder: any that the settings allow, and those of well-known companies."""

from datetime import date

from hypothesis import strategies as st

from o9_assets.planning.calendar import WEEKDAYS, Calendar
from o9_assets.planning.settings import CalendarSettings, Fiscal, Labels

FIRST, LAST = date(2000, 1, 1), date(2030, 12, 31)
DAYS = st.dates(FIRST, LAST)


def calendar(**settings: object) -> Calendar:
    return Calendar(CalendarSettings.model_validate(settings))


CALENDARS = st.builds(
    lambda week_start, partial, pattern, month, rule, name, fiscal_week_start: Calendar(
        # Built without a look at its labels: days are unique, and looking at forty years of them is slow.
        CalendarSettings.model_construct(
            week_start=week_start,
            partial_weeks=partial,
            fiscal=Fiscal(
                pattern=pattern,
                year_end_month=month,
                year_end_rule=rule,
                year_name=name,
                week_start=fiscal_week_start,
            ),
            labels=Labels(week="%Y-%m-%d", bucket="%Y-%m-%d", month="%Y-%m-%d"),
        )
    ),
    st.sampled_from(WEEKDAYS),
    st.sampled_from(["none", "month", "fiscal_month"]),
    st.sampled_from(["calendar", "4-4-5", "4-5-4", "5-4-4"]),
    st.integers(1, 12),
    st.sampled_from(["last", "nearest"]),
    st.sampled_from(["start", "end"]),
    st.sampled_from([None, *WEEKDAYS]),
)

# The retail calendar of the NRF: weeks from Sunday, the year ends on the Saturday nearest to the end of January.
NRF = calendar(
    week_start="sunday",
    partial_weeks="none",
    fiscal={"pattern": "4-5-4", "year_end_month": 1, "year_end_rule": "nearest", "year_name": "start"},
    labels={"week": "{fiscal_year}-{fiscal_week}", "month": "{fiscal_month_name}-{fiscal_year}"},
)
