"""The planning calendar: weeks, partial weeks (o9's buckets), fiscal months, and what each is called.

A partial week is a week cut at a month's or fiscal month's end, so that weeks and months are both sums of buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from o9_assets.planning.fiscal import FiscalYears
from o9_assets.planning.labels import FIELDS, MONTHS, SIGNS, label, unknown_parts
from o9_assets.planning.splitting import split

if TYPE_CHECKING:
    import pyarrow as pa

    from o9_assets.planning.sections import CalendarSettings

__all__ = ["WEEKDAYS", "Bucket", "Calendar", "label_problems", "split"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY = timedelta(days=1)
EPOCH = date(1970, 1, 1).toordinal()
LABELLED = (date(2000, 1, 1), date(2040, 12, 31))
"""Labels are unique and can be looked up between these days: longer than the 28 years after which weekdays and dates
fall together again, shorter than the 100 after which a year of two digits does."""

BUCKETS = (
    *("bucket_start", "bucket_end", "days", "week_start", "month_start", "week_label", "bucket_label", "month_label"),
    *("fiscal_year", "fiscal_quarter", "fiscal_month", "fiscal_week", "iso_year", "iso_week"),
)
"""Columns of a table of partial weeks."""

Quantity = TypeVar("Quantity", int, Decimal)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A partial week; `end` is included. ISO year and week are those of the week's fourth day; what is fiscal is that
    of the bucket's first day."""

    start: date
    end: date
    week_start: date
    month_start: date
    week_label: str
    bucket_label: str
    month_label: str
    fiscal_year: int
    fiscal_quarter: int
    fiscal_month: int
    fiscal_week: int
    iso_year: int
    iso_week: int

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1


class Calendar:
    """The calendar that the settings describe. Dates are days in the company's time zone."""

    def __init__(self, settings: CalendarSettings) -> None:
        self._settings = settings
        self._first = WEEKDAYS.index(settings.week_start)
        fiscal = settings.fiscal
        self.fiscal = FiscalYears(
            fiscal.pattern,
            WEEKDAYS.index(fiscal.week_start or settings.week_start),
            fiscal.year_end_month,
            fiscal.year_end_rule,
            fiscal.year_name,
        )
        self._cut = settings.partial_weeks != "none"
        # Weeks that are not cut at calendar months belong to fiscal months where the company has those.
        self._fiscal_months = settings.partial_weeks == "fiscal_month" or (
            not self._cut and fiscal.pattern != "calendar"
        )
        self.buckets = lru_cache(maxsize=8)(self._buckets)
        self._by_label = lru_cache(maxsize=4)(self._labelled)
        self._fields = lru_cache(maxsize=256)(self._fields_of)

    def week_start(self, day: date) -> date:
        """First day of the week that holds `day`."""
        return day - timedelta(days=(day.weekday() - self._first) % 7)

    def month_start(self, day: date) -> date:
        """First day of the planning month (fiscal where weeks are cut at fiscal months) that holds `day`."""
        return self.fiscal.month_of(day).start if self._fiscal_months else day.replace(day=1)

    def bucket_start(self, day: date) -> date:
        """First day of the partial week that holds `day`."""
        week = self.week_start(day)
        return max(week, self.month_start(day)) if self._cut else week

    def _buckets(self, first: date, last: date) -> tuple[Bucket, ...]:
        """Every partial week that holds a day from `first` to `last`, in order."""
        found, start = [], self.bucket_start(first)
        while start <= last:
            bucket = self._bucket(start)
            found.append(bucket)
            start = bucket.end + DAY
        return tuple(found)

    def bucket_of(self, day: date) -> Bucket:
        """The partial week that holds `day`."""
        return self._bucket(self.bucket_start(day))

    def parts_of(self, day: date) -> tuple[Bucket, ...]:
        """The partial weeks of the week that holds `day`, in order."""
        week = self.week_start(day)
        return self._buckets(week, week + 6 * DAY)

    def _starts(self, week: date) -> list[date]:
        """First days of the partial weeks of the week that begins on `week`."""
        starts = [week]
        if self._cut and self.month_start(end := week + 6 * DAY) > week:
            # Months are longer than weeks, so that there is one cut at most.
            starts.append(self.month_start(end))
        return starts

    def _bucket(self, start: date) -> Bucket:
        week = self.week_start(start)
        starts = self._starts(week)
        number = starts.index(start)
        end = starts[number + 1] - DAY if number + 1 < len(starts) else week + 6 * DAY
        month, fiscal = self.month_start(start), self.fiscal.month_of(start)
        labels, letter, fields = self._settings.labels, "AB"[number], self._fields(start)
        iso = _iso(week)
        return Bucket(
            start,
            end,
            week,
            month,
            label(labels.week, week, iso, self._fields(week)),
            label(labels.bucket, start, iso, {**fields, "part": letter, "partial": letter if len(starts) > 1 else ""}),
            label(labels.month, month, _iso(month), self._fields(month)),
            fiscal.year,
            fiscal.quarter,
            fiscal.month,
            self.fiscal.week_of(start),
            *iso,
        )

    def _fields_of(self, day: date) -> dict[str, str]:
        """The fields of a label, but for the letter of a partial week."""
        month = self.fiscal.month_of(day)
        return {
            "part": "",
            "partial": "",
            "fiscal_year": str(month.year),
            "fiscal_quarter": str(month.quarter),
            "fiscal_month": f"{month.month:02d}",
            "fiscal_month_name": MONTHS[month.middle.month - 1][:3],
            "fiscal_week": f"{self.fiscal.week_of(day):02d}",
        }

    def buckets_table(self, first: date, last: date) -> pa.Table:
        """One row per partial week from the one that holds `first` to the one that holds `last`.

        Its columns are BUCKETS: days as date32, numbers as int32, labels as text.
        """
        import pyarrow as pa

        dates = ("bucket_start", "bucket_end", "week_start", "month_start")
        numbers = ("days", "fiscal_year", "fiscal_quarter", "fiscal_month", "fiscal_week", "iso_year", "iso_week")
        types = {**dict.fromkeys(dates, pa.date32()), **dict.fromkeys(numbers, pa.int32())}
        own = {"bucket_start": "start", "bucket_end": "end"}
        buckets = self.buckets(first, last)
        return pa.table(
            {
                name: pa.array([getattr(b, own.get(name, name)) for b in buckets], types.get(name, pa.string()))
                for name in BUCKETS
            }
        )

    def days_table(self, first: date, last: date) -> pa.Table:
        """One row per day from `first` to `last`: date, bucket_start, week_start, month_start."""
        import numpy as np
        import pyarrow as pa

        days = np.arange(first.toordinal(), last.toordinal() + 1, dtype=np.int64)
        weeks = days - (days + 6 - self._first) % 7  # ordinal 1 is a Monday
        # The first days of every month that holds one of these days.
        starts = []
        if first <= last:
            starts.append(self.month_start(first))
            while (following := self._next_month(starts[-1])) <= last:
                starts.append(following)
        months = np.array([start.toordinal() for start in starts], dtype=np.int64)
        month_of = months[np.searchsorted(months, days, side="right") - 1] if starts else days
        columns = {
            "date": days,
            "bucket_start": np.maximum(weeks, month_of) if self._cut else weeks,
            "week_start": weeks,
            "month_start": month_of,
        }
        # As numpy's days: a cast from numbers would load all of Arrow's functions first.
        return pa.table({name: pa.array((of - EPOCH).astype("datetime64[D]")) for name, of in columns.items()})

    def _next_month(self, start: date) -> date:
        if self._fiscal_months:
            return self.fiscal.month_of(start).end + DAY
        return (start + 31 * DAY).replace(day=1)

    def split_week(self, day: date, total: Quantity) -> dict[date, Quantity]:
        """The quantity of the week that holds `day`, divided over its partial weeks by days: quantity by first day.

        The parts sum to the total exactly, so that `join_weeks` gives it back.
        """
        parts = self.parts_of(day)
        return dict(zip((b.start for b in parts), split(total, [b.days for b in parts]), strict=True))

    def join_weeks(self, parts: Mapping[date, Quantity]) -> dict[date, Quantity]:
        """Quantities of partial weeks, by any day in each, summed to weeks by first day."""
        weeks: dict[date, Quantity] = {}
        for day, quantity in parts.items():
            week = self.week_start(day)
            weeks[week] = weeks[week] + quantity if week in weeks else quantity
        return weeks

    def bucket_from_label(self, name: str, first: date = LABELLED[0], last: date = LABELLED[1]) -> Bucket | None:
        """The partial week that is called `name` and lies between two days, if there is one."""
        return self._by_label(first, last).get(name)

    def _labelled(self, first: date, last: date) -> dict[str, Bucket]:
        return {bucket.bucket_label: bucket for bucket in self.buckets(first, last)}


def _iso(day: date) -> tuple[int, int]:
    """ISO year and week of the fourth day of the week that begins on `day`: any week start has them so."""
    year, week, _ = (day + 3 * DAY).isocalendar()
    return year, week


@lru_cache(maxsize=16)
def label_problems(settings: CalendarSettings) -> tuple[tuple[str, str], ...]:
    """What is wrong with the formats of labels, as pairs of week, bucket or month, and message.

    A format must hold known signs only, and no two weeks, buckets or months of forty years may get one name.
    """
    problems: list[tuple[str, str]] = []
    for kind in ("week", "bucket", "month"):
        if unknown := unknown_parts(getattr(settings.labels, kind)):
            problems.append((kind, f"holds {unknown!r}; known are {' '.join(SIGNS)} and {' '.join(FIELDS)}"))
    if problems:
        return tuple(problems)
    seen: dict[str, dict[str, date]] = {"week": {}, "bucket": {}, "month": {}}
    for bucket in Calendar(settings).buckets(*LABELLED):
        for kind, name, start in (
            ("week", bucket.week_label, bucket.week_start),
            ("bucket", bucket.bucket_label, bucket.start),
            ("month", bucket.month_label, bucket.month_start),
        ):
            if kind in seen and (other := seen[kind].setdefault(name, start)) != start:
                problems.append((kind, f"gives the name {name!r} to {other} and to {start}; {_ADVICE[kind]}"))
                del seen[kind]
    return tuple(problems)


_ADVICE = {
    "week": "a week needs its year and number or day, such as %G-W%V (with %V goes %G, not %Y)",
    "bucket": "a partial week needs its week and {partial}, such as %G-W%V{partial}, or the day, such as %d-%b-%Y",
    "month": "a month needs its year, such as %b-%Y; a fiscal one has {fiscal_month_name}-{fiscal_year}",
}
