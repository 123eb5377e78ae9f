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
    """A fiscal month: its year's name, its number (1 to 12), its days (both included), its first week's number."""

    year: int
    month: int
    start: date
    end: date
    first_week: int

    @property
    def quarter(self) -> int:
        return (self.month + 2) // 3


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
        self._last_weekday = (week_start - 1) % 7
        self._end_month = year_end_month
        self._rule = year_end_rule
        self._shift = 0 if year_name == "end" else -1
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

    def _months(self, closing_year: int) -> tuple[FiscalMonth, ...]:
        start, year_end = self.year_end(closing_year - 1) + timedelta(days=1), self.year_end(closing_year)
        # A year that ends in December has one name only.
        months: list[FiscalMonth] = []
        name = closing_year + (self._shift if self._end_month != 12 or start.year != year_end.year else 0)
        if self._pattern == "calendar":
            for number in range(1, 13):
                end = date(start.year, start.month, std.monthrange(start.year, start.month)[1])
                first_week = (start - months[0].start).days // 7 + 1 if months else 1
                months.append(FiscalMonth(name, number, start, end, first_week))
                start = end + timedelta(days=1)
            return tuple(months)
        lengths = [int(n) for n in self._pattern.split("-")] * 4
        lengths[-1] += self.weeks_in(closing_year) - 52
        week = 1
        for number, weeks in enumerate(lengths, start=1):
            end = start + timedelta(days=7 * weeks - 1)
            months.append(FiscalMonth(name, number, start, end, week))
            start, week = end + timedelta(days=1), week + weeks
        return tuple(months)

    def _month_of(self, day: date) -> FiscalMonth:
        closing = day.year if day <= self.year_end(day.year) else day.year + 1
        if day <= self.year_end(closing - 1):
            closing -= 1
        months = self._months_of(closing)
        return months[bisect_right([m.start for m in months], day) - 1]
