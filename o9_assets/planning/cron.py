"""Cron expressions: minute, hour, day of month, month, day of week."""

from __future__ import annotations

import re

__all__ = ["cron_problem"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
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
    return None


def _number(word: str, low: int, names: tuple[str, ...]) -> int | None:
    if word in names:
        return names.index(word) + low
    return int(word) if word.isascii() and word.isdigit() else None
