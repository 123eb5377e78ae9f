"""Names of objects: `erp/orders/{covers_date:%Y-%m-%d}*.csv` as a pattern that tells the day an object stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

__all__ = ["PLACEHOLDER", "Match", "match", "pattern_problem", "prefix", "rising_from"]

PLACEHOLDER = re.compile(r"\{covers_date:([^{}]+)\}")
_SIGNS = {"%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{2}", "%d": r"\d{2}", "%j": r"\d{3}"}
_SIGNS |= {"%H": r"\d{2}", "%M": r"\d{2}", "%S": r"\d{2}"}


@dataclass(frozen=True, slots=True)
class Match:
    """An object's name matched a feed; `covers_date` is the day it stands for, where the pattern names one."""

    covers_date: date | None


def prefix(path: str) -> str:
    """The part of every object's name before the first placeholder: what a listing is bounded by."""
    return re.split(r"[*{]", path, maxsplit=1)[0]


def rising_from(path: str, day: date) -> str | None:
    """The text that names of `day` begin with, where names rise with the day they stand for; None where they do not.

    They rise where the year comes first and the date follows a fixed text: a/{covers_date:%Y-%m-%d}*.csv.
    """
    found = PLACEHOLDER.search(path)
    if found is None or "*" in path[: found.start()]:
        return None
    signs = re.findall("%.", found[1])
    order = {"%Y": 0, "%m": 1, "%j": 1, "%d": 2, "%H": 3, "%M": 4, "%S": 5}
    ranks = [order.get(sign, -1) for sign in signs]
    if ranks != sorted(ranks) or -1 in ranks:
        return None
    last = max(place for place, sign in enumerate(signs) if order[sign] <= 2)
    pieces = re.split("(%.)", found[1])
    return path[: found.start()] + day.strftime("".join(pieces[: 2 * last + 2]))


def pattern_problem(path: str) -> str | None:
    """What is wrong with a pattern, or None."""
    if not path or path.startswith("/") or ".." in path.split("/") or "\\" in path:
        return "must lie below the landing zone: no leading /, no .., no backslash"
    placeholders = PLACEHOLDER.findall(path)
    if re.search(r"[{}]", PLACEHOLDER.sub("", path)):
        return f"{path!r} has braces for something else than {{covers_date:%Y-%m-%d}}"
    if len(placeholders) > 1:
        return "{covers_date:…} can stand once"
    for form in placeholders:
        signs = set(re.findall(r"%.?", form))
        if unknown := signs - set(_SIGNS):
            return f"{{covers_date:…}} knows {', '.join(_SIGNS)}, not {', '.join(sorted(unknown))}"
        if not (signs & {"%Y", "%y"} and (signs >= {"%m", "%d"} or "%j" in signs)):
            return f"{{covers_date:{form}}} names no day: it needs a year, a month and a day, such as %Y-%m-%d"
        repeated = [sign for sign in signs if form.count(sign) > 1]
        if repeated:
            return f"{{covers_date:{form}}} names {repeated[0]} twice"
    return None


@lru_cache(maxsize=256)
def _compiled(path: str) -> tuple[re.Pattern[str], str | None]:
    pattern, form = "", None
    for part in re.split(r"(\*\*?|\{covers_date:[^{}]+\})", path):
        if part == "**":
            pattern += ".*"
        elif part == "*":
            pattern += "[^/]*"
        elif placeholder := PLACEHOLDER.fullmatch(part):
            form = placeholder[1]
            inner = "".join(_SIGNS.get(piece) or re.escape(piece) for piece in re.split(r"(%.)", form))
            pattern += f"(?P<day>{inner})"
        else:
            pattern += re.escape(part)
    return re.compile(pattern, re.ASCII | re.DOTALL), form


def match(path: str, name: str) -> Match | None:
    """Whether an object of this name is meant by the pattern: * is any text within a folder, ** any text."""
    pattern, form = _compiled(path)
    found = pattern.fullmatch(name)
    if found is None:
        return None
    if form is None:
        return Match(None)
    try:
        return Match(datetime.strptime(found["day"], form).date())
    except ValueError:
        return None  # such as 2025-02-30: no day, so not this feed's
