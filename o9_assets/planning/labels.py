"""What weeks, partial weeks and months are called. Which days they hold is calendar.py's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache

__all__ = ["FIELDS", "SIGNS", "Names", "label", "unknown_parts"]

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SIGNS = ("%G", "%V", "%Y", "%y", "%m", "%d", "%b", "%B", "%j")
FIELDS = (
    *("{partial}", "{part}", "{fiscal_year}", "{fiscal_quarter}"),
    *("{fiscal_month}", "{fiscal_month_name}", "{fiscal_week}"),
)
_PART = re.compile(r"(%[A-Za-z]|\{\w+\})")

Names = Mapping[str, str]
"""Values of the fields, by name without braces."""

_OF_DAY: dict[str, Callable[[date], str]] = {
    "%Y": lambda day: f"{day.year:04d}",
    "%y": lambda day: f"{day.year % 100:02d}",
    "%m": lambda day: f"{day.month:02d}",
    "%d": lambda day: f"{day.day:02d}",
    "%b": lambda day: MONTHS[day.month - 1][:3],
    "%B": lambda day: MONTHS[day.month - 1],
    "%j": lambda day: f"{day.timetuple().tm_yday:03d}",
}


@lru_cache(maxsize=64)
def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in _PART.split(text) if part)


def unknown_parts(text: str) -> str:
    """The first sign or brace of a label's format that names nothing, or ''."""
    for part in _parts(text):
        if part in SIGNS or part in FIELDS:
            continue
        if found := re.search(r"%.?|\{[^}]*\}?|\}", part):
            return found[0]
    return ""


def label(text: str, day: date, iso: tuple[int, int], names: Names) -> str:
    """The label that a format gives: strftime of `day` with English names whatever the machine's locale, %G and %V from
    the ISO year and week given, and fields from `names`."""
    made = []
    for part in _parts(text):
        if part in _OF_DAY:
            made.append(_OF_DAY[part](day))
        elif part == "%G":
            made.append(f"{iso[0]:04d}")
        elif part == "%V":
            made.append(f"{iso[1]:02d}")
        elif part[0] == "{":
            made.append(names.get(part[1:-1], part))
        else:
            made.append(part)
    return "".join(made)
