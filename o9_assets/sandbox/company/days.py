"""Days as numbers: days since EPOCH (a Monday), and delivery days (Monday to Saturday), counted without Sundays."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "EPOCH",
    "FULL_HISTORY_DAYS",
    "LAST_DAY",
    "Array",
    "as_date",
    "as_days",
    "delivery_of",
    "delivery_to_day",
    "next_delivery_day",
]

Array = npt.NDArray[Any]

EPOCH = date(2020, 1, 6)
LAST_DAY = date(2026, 6, 28)  # a Sunday: the last week is whole; fixed, so that every run gives the same files
FULL_HISTORY_DAYS = 157 * 7


def as_days(day: date) -> int:
    """Days since EPOCH."""
    return (day - EPOCH).days


def as_date(days: int) -> date:
    return EPOCH + timedelta(days=int(days))


def delivery_of(days: Array) -> Array:
    """Count of delivery days since EPOCH; `days` are no Sundays."""
    count: Array = days // 7 * 6 + days % 7
    return count


def delivery_to_day(deliveries: Array) -> Array:
    """Days since EPOCH of delivery days."""
    days: Array = deliveries // 6 * 7 + deliveries % 6
    return days


def next_delivery_day(days: Array) -> Array:
    """The day itself, or Monday for a Sunday."""
    return np.where(days % 7 == 6, days + 1, days)
