"""Cron expressions: minute, hour, day of month, month, day of week."""

from __future__ import annotations

import re

__all__ = ["cron_problem"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)


def cron_problem(text: str) -> str | None:
    """What is wrong with a cron expression of five fields, or None. Each is a list of *, n, n-m, and a step /n."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        return f"{text!r} is no cron expression of five fields, such as '0 5 * * *' for five o'clock every day"
    for given, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in given.split(","):
            found = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", part)
            numbers = [_number(word, low, names) for word in (found[1], found[2]) if word] if found else [None]
            if any(number is None or not low <= number <= high for number in numbers) or (
                len(numbers) == 2 and numbers[0] > numbers[1]  # type: ignore[operator]
            ):
                return f"{part!r} is no {name} ({low} to {high}{', or ' + ' '.join(names) if names else ''})"
    # A day of the week is another way for a day to be meant.
    _, _, day, month, weekday = fields
    if weekday == "*" and _first(day) > max(_LONGEST[number - 1] for number in _months(month)):
        return f"{text!r} never runs: no month that it names has a day {_first(day)}"
    return None


def _first(days: str) -> int:
    """The first day of the month that a sound field names."""
    return min(1 if part.startswith("*") else int(re.split("[-/]", part)[0]) for part in days.split(","))


def _months(months: str) -> set[int]:
    """The months that a sound field names."""
    found: set[int] = set()
    for part in months.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = 1 if first == "*" else _number(first, 1, _MONTHS) or 1
        end = _number(last, 1, _MONTHS) if last else 12 if first == "*" or step else begin
        found |= set(range(begin, (end or 12) + 1, int(step or 1)))
    return found


def _number(word: str, low: int, names: tuple[str, ...]) -> int | None:
    if word in names:
        return names.index(word) + low
    return int(word) if word.isascii() and word.isdigit() else None
