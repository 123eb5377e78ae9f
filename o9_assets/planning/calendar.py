"""The planning calendar: weeks, partial weeks (o9's buckets), fiscal months, and what each is called.

A partial week is a week cut at a month's or fiscal month's end, so that weeks and months are both sums of buckets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from o9_assets.planning.fiscal import FiscalYears

if TYPE_CHECKING:
    import pyarrow as pa

    from o9_assets.planning.settings import CalendarSettings

__all__ = ["Bucket", "Calendar", "split"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS: tuple[str, ...] = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
)
MONTHS += ("November", "December")
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A partial week; `end` is included. ISO year and week are those of the week's fourth day."""

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
            fiscal.pattern, self._first, fiscal.year_end_month, fiscal.year_end_rule, fiscal.year_name
        )
        # Weeks that are not cut at calendar months belong to fiscal months where the company has those.
        self._fiscal_months = settings.partial_weeks == "fiscal_month" or (
            settings.partial_weeks == "none" and fiscal.pattern != "calendar"
        )
        self.buckets = lru_cache(maxsize=8)(self._buckets)

    def week_start(self, day: date) -> date:
        """First day of the week that holds `day`."""
        return day - timedelta(days=(day.weekday() - self._first) % 7)

    def month_start(self, day: date) -> date:
        """First day of the planning month (fiscal where weeks are cut at fiscal months) that holds `day`."""
        return self.fiscal.month_of(day).start if self._fiscal_months else day.replace(day=1)

    def bucket_start(self, day: date) -> date:
        """First day of the partial week that holds `day`."""
        week = self.week_start(day)
        return week if self._settings.partial_weeks == "none" else max(week, self.month_start(day))

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

    def _bucket(self, start: date) -> Bucket:
        week = self.week_start(start)
        week_end = week + 6 * DAY
        end, partial = week_end, ""
        if self._settings.partial_weeks != "none":
            while self.month_start(end) != self.month_start(start):
                end = (self.month_start(end)) - DAY
            if start != week or end != week_end:
                partial = "ABCDEFG"[self._cuts_before(week, start)]
        month = self.month_start(start)
        fiscal = self.fiscal.month_of(start)
        iso = (week + 3 * DAY).isocalendar()
        labels = self._settings.labels
        names = {
            "fiscal_year": str(fiscal.year),
            "fiscal_month": f"{fiscal.month:02d}",
            "fiscal_week": f"{fiscal.first_week + (start - fiscal.start).days // 7:02d}",
        }
        whole = {**names, "partial": ""}
        return Bucket(
            start,
            end,
            week,
            month,
            _label(labels.week, week, iso, whole),
            _label(labels.bucket, start, iso, {**names, "partial": partial}),
            _label(labels.month, month, iso, whole),
            fiscal.year,
            fiscal.quarter,
            fiscal.month,
            int(names["fiscal_week"]),
            iso.year,
            iso.week,
        )

    def _cuts_before(self, week: date, start: date) -> int:
        """How many partial weeks of the week come before the one that begins at `start`."""
        return sum(
            1 for n in range(1, 7) if week + n * DAY <= start and self.bucket_start(week + n * DAY) == week + n * DAY
        )

    def buckets_table(self, first: date, last: date) -> pa.Table:
        """One row per partial week from the one that holds `first` to the one that holds `last`.

        Columns: bucket_start, bucket_end, days, week_start, month_start, week_label, bucket_label, month_label,
        fiscal_year, fiscal_quarter, fiscal_month, fiscal_week, iso_year, iso_week.
        """
        import pyarrow as pa

        buckets = self.buckets(first, last)
        return pa.table(
            {
                "bucket_start": pa.array([b.start for b in buckets], pa.date32()),
                "bucket_end": pa.array([b.end for b in buckets], pa.date32()),
                "days": pa.array([b.days for b in buckets], pa.int32()),
                "week_start": pa.array([b.week_start for b in buckets], pa.date32()),
                "month_start": pa.array([b.month_start for b in buckets], pa.date32()),
                **{
                    name: pa.array([getattr(b, name) for b in buckets], pa.string())
                    for name in ("week_label", "bucket_label", "month_label")
                },
                **{
                    name: pa.array([getattr(b, name) for b in buckets], pa.int32())
                    for name in ("fiscal_year", "fiscal_quarter", "fiscal_month", "fiscal_week", "iso_year", "iso_week")
                },
            }
        )

    def days_table(self, first: date, last: date) -> pa.Table:
        """One row per day from `first` to `last`: date, bucket_start, week_start, month_start."""
        import pyarrow as pa

        rows = [
            (max(b.start, first) + n * DAY, b)
            for b in self.buckets(first, last)
            for n in range((min(b.end, last) - max(b.start, first)).days + 1)
        ]
        return pa.table(
            {
                "date": pa.array([day for day, _ in rows], pa.date32()),
                "bucket_start": pa.array([b.start for _, b in rows], pa.date32()),
                "week_start": pa.array([b.week_start for _, b in rows], pa.date32()),
                "month_start": pa.array([b.month_start for _, b in rows], pa.date32()),
            }
        )

    def bucket_from_label(self, label: str, first: date, last: date) -> Bucket | None:
        """The partial week between two days that is called `label`, if there is one."""
        return next((b for b in self.buckets(first, last) if b.bucket_label == label), None)

    def check_labels(self) -> None:
        """Raises ValueError where a label's format names nothing, or gives one name to two weeks, buckets or months."""
        labels = self._settings.labels
        for name in ("week", "bucket", "month"):
            unknown = re.sub(
                r"%[GVYymdbBj]|\{(fiscal_year|fiscal_month|fiscal_week|partial)\}", "", getattr(labels, name)
            )
            if re.search(r"[%{}]", unknown):
                raise ValueError(
                    f"labels.{name} holds {unknown!r}; known are %G %V %Y %y %m %d %b %B %j and "
                    "{fiscal_year} {fiscal_month} {fiscal_week} {partial}"
                )
        seen: dict[tuple[str, str], date] = {}
        for bucket in self._buckets(date(2019, 12, 20), date(2026, 1, 10)):
            for name, label, start in (
                ("week", bucket.week_label, bucket.week_start),
                ("bucket", bucket.bucket_label, bucket.start),
                ("month", bucket.month_label, bucket.month_start),
            ):
                if seen.setdefault((name, label), start) != start:
                    raise ValueError(
                        f"labels.{name} gives the name {label!r} to {seen[(name, label)]} and to {start}; "
                        "add the year, or {partial} where weeks are cut"
                    )


def _label(text: str, day: date, iso: tuple[int, int, int], names: dict[str, str]) -> str:
    """strftime with English names whatever the machine's locale, and the ISO week of the week's fourth day."""
    values = {
        "%G": f"{iso[0]:04d}",
        "%V": f"{iso[1]:02d}",
        "%Y": f"{day.year:04d}",
        "%y": f"{day.year % 100:02d}",
        "%m": f"{day.month:02d}",
        "%d": f"{day.day:02d}",
        "%b": MONTHS[day.month - 1][:3],
        "%B": MONTHS[day.month - 1],
        "%j": f"{day.timetuple().tm_yday:03d}",
    }
    done = re.sub(r"%[A-Za-z]", lambda m: values.get(m[0], m[0]), text)
    return re.sub(r"\{(\w+)\}", lambda m: names.get(m[1], m[0]), done)


def split(total: int | Decimal, weights: Sequence[int]) -> list[int | Decimal]:
    """Divide a week's quantity over its partial weeks by weight (days), so that the parts sum to it exactly.

    An integer gives integers, a Decimal gives Decimals with its own number of digits. Largest remainder first, the
    earlier part first among equals. Weights are not negative; where all are zero the parts are even.
    Raises ValueError for no weights or a negative one.
    """
    if not weights or min(weights) < 0:
        raise ValueError("weights must be given and none may be negative")
    shares = list(weights) if any(weights) else [1] * len(weights)
    exponent = total.as_tuple().exponent if isinstance(total, Decimal) else 0
    if not isinstance(exponent, int):
        raise ValueError(f"{total} is no number")
    quantum = Decimal(1).scaleb(min(exponent, 0))
    units = abs(int(total / quantum)) if isinstance(total, Decimal) else abs(total)
    whole = sum(shares)
    parts = [units * share // whole for share in shares]
    remainders = [units * share % whole for share in shares]
    for index in sorted(range(len(shares)), key=lambda i: (-remainders[i], i))[: units - sum(parts)]:
        parts[index] += 1
    sign = -1 if total < 0 else 1
    return [sign * part * quantum if isinstance(total, Decimal) else sign * part for part in parts]
