"""Which days of a feed are known: what its delivery calendar expects against what is in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from o9_assets.planning.feeds import Delivery

__all__ = ["Known", "known_days", "overdue_days"]

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Known:
    """The days that a feed's objects tell about: `first` to `last` as delivered, but for those that are `missing`.

    Before `first` and after `last` a day is known where no object is expected for it: with deliveries from Monday to
    Saturday, a week is complete when Saturday's is in. A feed of which nothing is in knows no day.
    """

    first: date | None
    last: date | None
    missing: frozenset[date]
    delivery: Delivery | None

    def holds(self, day: date) -> bool:
        """Whether every object that tells about `day` is in."""
        if self.first is None or self.last is None:
            return False
        if self.first <= day <= self.last:
            return day not in self.missing
        if self.delivery is None or self.delivery.every == "week":
            return False
        return not self.delivery.expected(day, day)

    def __str__(self) -> str:
        """As text, to be kept until the next run: first and last day, then the missing ones."""
        if self.first is None or self.last is None:
            return "none"
        return ",".join(map(str, (self.first, self.last, *sorted(self.missing))))

    @classmethod
    def parse(cls, text: str, delivery: Delivery | None) -> Known:
        """What `str` gave, under the same delivery calendar."""
        first, last, *missing = map(date.fromisoformat, text.split(",")) if text != "none" else (None, None)
        return cls(first, last, frozenset(day for day in missing if day is not None), delivery)


def known_days(delivered: Collection[date], delivery: Delivery | None) -> Known:
    """What is known when objects for the days `delivered` are in.

    Without a delivery calendar nothing between the first and the last day is ever missing. With one, a day is missing
    where its object is expected and not in; an object of a weekly feed tells about the seven days up to its own.
    """
    if not delivered:
        return Known(None, None, frozenset(), delivery)
    first, last = min(delivered), max(delivered)
    if delivery is None:
        return Known(first, last, frozenset(), None)
    if delivery.every == "week":
        first -= 6 * DAY
        absent = [day for day in delivery.expected(first, last) if day not in delivered]
        return Known(first, last, frozenset(day - n * DAY for day in absent for n in range(7)), delivery)
    return Known(first, last, frozenset(d for d in delivery.expected(first, last) if d not in delivered), delivery)


def overdue_days(known: Known, now: datetime, timezone: str) -> list[date]:
    """Days after the last one in whose objects should have come by `now` (UTC): the day is over and its lag is past.

    At most the last year's, the oldest first.
    """
    if known.delivery is None or known.last is None:
        return []
    today = now.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()
    due = today - timedelta(days=1 + known.delivery.lag_days)
    first = max(known.last + DAY, due - timedelta(days=366))
    return known.delivery.expected(first, due)
