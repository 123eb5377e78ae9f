"""A feed's delivery calendar: which days its source delivers an object for. What is in is another room's."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from o9_assets.planning.model import Day, Model, Whole, Wrong

__all__ = ["WEEKDAYS", "Delivery", "Weekday", "expected_days"]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Delivery(Model):
    """Which days the source delivers an object for, so that a missing one is known to be missing."""

    every: Literal["day", "week"] = Field(
        "day", description="day: an object tells about its day; week: about the seven days up to its own"
    )
    weekdays: tuple[Weekday, ...] = Field(WEEKDAYS, min_length=1, description="Weekdays that an object stands for")
    exceptions: tuple[Day, ...] = Field(
        (), alias="except", description="Days without an object, such as holidays: [2026-12-25]"
    )
    lag_days: Whole = Field(0, ge=0, le=31, description="An object of a day is due so many days later")

    @field_validator("weekdays")
    @classmethod
    def _once(cls, value: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"names a day twice: {', '.join(value)}")
        return value

    @field_validator("exceptions")
    @classmethod
    def _in_order(cls, value: tuple[date, ...]) -> tuple[date, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _weekly(self) -> Delivery:
        if self.every == "week" and len(self.weekdays) != 1:
            raise Wrong(
                (("weekdays",), "every: week needs exactly one weekday, the last day that an object covers: [sun]")
            )
        return self

    def expected(self, first: date, last: date) -> list[date]:
        """The days from `first` to `last`, both included, that an object stands for."""
        return expected_days(self, first, last)


def expected_days(delivery: Delivery, first: date, last: date) -> list[date]:
    """The days from `first` to `last`, both included, that an object is expected to stand for, in order."""
    weekdays = {WEEKDAYS.index(day) for day in delivery.weekdays}
    exceptions = set(delivery.exceptions)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() in weekdays and day not in exceptions]
