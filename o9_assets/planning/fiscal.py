"""Fiscal years: calendar months, or 52 and 53 weeks in months of four and five (4-4-5 and its kin).

The year of whole weeks ends on the day before the week's first weekday: on the last such day of the closing month, or
on the one nearest to the month's end (the rule of the NRF's 4-5-4 calendar, https://nrf.com/resources/4-5-4-calendar).
"""

from __future__ import annotations

import calendar as std
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

__all__ = ["FiscalMonth", "FiscalYears"]

Pattern = Literal["calendar", "4-4-5", "4-5-4", "5-4-4"]


@dataclass(frozen=True, slots=True)
class FiscalMonth:
    """A fiscal month: its year's name, its number (1 to 12), its days (both included), its year's first day."""

    year: int
    month: int
    start: date
    end: date
    year_start: date

    @property
    def quarter(self) -> int:
        return (self.month + 2) // 3

    @property
    def middle(self) -> date:
        """The day in its middle, which lies in the calendar month that a fiscal month is called after."""
        return self.start + (self.end - self.start) // 2


class FiscalYears:
    """Fiscal years by rule. `week_start` is 0 for Monday; a year is named after the one it ends or starts in."""

    def __init__(
        self,
        pattern: Pattern,
        week_start: int,
        year_end_month: int,
        year_end_rule: Literal["last", "nearest"],
        year_name: Literal["end", "start"],
    ) -> None:
        self._pattern = pattern
        self._week_start = week_start
        self._last_weekday = (week_start - 1) % 7
        self._end_month = year_end_month
        self._rule = year_end_rule
        # A year that closes with December has one name only, whichever days around New Year it begins and ends on.
        self._shift = -1 if year_name == "start" and year_end_month != 12 else 0
        self.month_of = lru_cache(maxsize=4096)(self._month_of)
        self._months_of = lru_cache(maxsize=256)(self._months)

    def year_end(self, closing_year: int) -> date:
        """Last day of the fiscal year that closes around the closing month of calendar year `closing_year`."""
        month_end = date(closing_year, self._end_month, std.monthrange(closing_year, self._end_month)[1])
        if self._pattern == "calendar":
            return month_end
        last = month_end - timedelta(days=(month_end.weekday() - self._last_weekday) % 7)
        if self._rule == "nearest" and (month_end - last).days > 3:
            return last + timedelta(days=7)
        return last

    def weeks_in(self, closing_year: int) -> int:
        """52 or 53; counted in whole weeks."""
        return (self.year_end(closing_year) - self.year_end(closing_year - 1)).days // 7

    def week_of(self, day: date) -> int:
        """Number of the fiscal week that holds `day`: week 1 is the one that holds the year's first day.

        Up to 53; where fiscal months are calendar months, weeks are cut at the year's ends and can be 54.
        """
        start = self.month_of(day).year_start
        first = start - timedelta(days=(start.weekday() - self._week_start) % 7)
        return (day - first).days // 7 + 1

    def months_of(self, closing_year: int) -> tuple[FiscalMonth, ...]:
        """The twelve months of the year that closes around the closing month of calendar year `closing_year`."""
        return self._months_of(closing_year)

    def _months(self, closing_year: int) -> tuple[FiscalMonth, ...]:
        year_start = start = self.year_end(closing_year - 1) + timedelta(days=1)
        lengths = [] if self._pattern == "calendar" else [int(n) for n in self._pattern.split("-")] * 4
        if lengths:
            lengths[-1] += self.weeks_in(closing_year) - 52  # the 53rd week joins the last month
        months: list[FiscalMonth] = []
        for number in range(1, 13):
            days = 7 * lengths[number - 1] if lengths else std.monthrange(start.year, start.month)[1]
            end = start + timedelta(days=days - 1)
            months.append(FiscalMonth(closing_year + self._shift, number, start, end, year_start))
            start = end + timedelta(days=1)
        return tuple(months)

    def _month_of(self, day: date) -> FiscalMonth:
        closing = day.year if day <= self.year_end(day.year) else day.year + 1
        if day <= self.year_end(closing - 1):
            closing -= 1
        months = self._months_of(closing)
        return months[bisect_right([m.start for m in months], day) - 1]
