"""The planner's settings: planning.yaml read, checked and at hand.

Sections are sections.py's and feeds.py's; docs/planning.md explains every key to a planner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import PrivateAttr, ValidationError

from o9_assets.dataset import Dataset
from o9_assets.planning.binding import Found, contradictions, feed_problems
from o9_assets.planning.conditions import columns_of
from o9_assets.planning.errors import Problem, SettingsError
from o9_assets.planning.feeds import Feed, Rule
from o9_assets.planning.model import fingerprint, suggest
from o9_assets.planning.problems import problems_of
from o9_assets.planning.sections import (
    O9,
    CalendarSettings,
    Fiscal,
    Forecast,
    Grain,
    Labels,
    Reconciliation,
    Root,
    Units,
)
from o9_assets.planning.source import Key, Lines, read, read_file
from o9_assets.planning.streams import Stream
from o9_assets.planning.tenant import fill_in

__all__ = [
    "O9",
    "CalendarSettings",
    "Fiscal",
    "Forecast",
    "Grain",
    "Labels",
    "Reconciliation",
    "Settings",
    "SettingsError",
    "Units",
    "bind",
    "bind_stream",
    "check",
    "fingerprint",
    "load",
    "parse",
]


class Settings(Root):
    """Everything that a planner sets, and where it stands in the file."""

    _file: str = PrivateAttr("settings")
    _text: str = PrivateAttr("")
    _lines: Lines = PrivateAttr(Lines({}))

    @property
    def file(self) -> str:
        """Where they were read."""
        return self._file

    @property
    def text(self) -> str:
        """The file as read."""
        return self._text

    @property
    def slug(self) -> str:
        """The company's name as a folder name; of one with other signs than letters, digits and spaces, with a hash, so
        that no two companies share a folder."""
        plain = re.sub(r"[^a-z0-9]+", "_", self.company.lower()).strip("_")
        if re.fullmatch(r"[A-Za-z0-9]+( [A-Za-z0-9]+)*", self.company):
            return plain
        return f"{plain or 'company'}_{sha256(self.company.encode()).hexdigest()[:8]}"

    @property
    def hash(self) -> str:
        """Changes with any setting; not with comments or layout."""
        return fingerprint(self)

    def error(self, key: str, message: str) -> SettingsError:
        """An error about the setting at a dotted key, with its line."""
        return SettingsError(self._file, [self._problem(tuple(key.split(".")), message)])

    def _problem(self, key: Key, message: str) -> Problem:
        return Problem(".".join(map(str, key)), self._lines.of(key), message)

    def _problems(self, found: Found, *below: str) -> list[Problem]:
        return [self._problem((*below, *key), message) for key, message in found]


def load(path: Path) -> Settings:
    """Read a settings file. Raises SettingsError with every wrong key, its line, and what would be right."""
    return parse(read_file(path), str(path))


def parse(text: str, file: str = "settings") -> Settings:
    """Settings from YAML text; `file` is named in errors."""
    values, lines = read(text, file)
    values = fill_in(values, lines, file)
    try:
        settings: Any = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(file, problems_of(error, Settings, lines)) from error
    settings._file, settings._text, settings._lines = file, text, lines
    return settings  # type: ignore[no-any-return]


def bind(settings: Settings, dataset: Dataset) -> Feed:
    """The feed that `dataset` takes, its mapping checked against the dataset's columns, with a rule for each day that
    has to lie on the calendar.

    Raises SettingsError with everything about the feed that does not fit the dataset.
    """
    name = dataset.asset_key[-1]
    feed = settings.feeds[name]
    if problems := settings._problems(feed_problems(feed, dataset), "feeds", name):
        raise SettingsError(settings._file, problems)
    span = f"date '{settings.calendar.first_day}' and date '{settings.calendar.last_day}'"
    days = [c.name for c in dataset.columns if c.on_calendar and c.name in feed.columns]
    rules = [Rule(name="date_out_of_calendar", must=f"{day} between {span}") for day in days]
    return feed.model_copy(update={"rules": (*feed.rules, *rules)})


def bind_stream(settings: Settings, name: Literal["demand_events"], payload: Dataset) -> Stream:
    """A stream, its mapping checked against the columns that an event may fill.

    Raises SettingsError with everything about the stream that does not fit.
    """
    stream = settings.streams[name]
    problems = settings._problems(feed_problems(stream.feed, payload), "streams", name)
    for unknown in sorted(columns_of(stream.convergence.counts or "true") - set(stream.columns)):
        known = suggest(unknown, stream.columns)
        key = ("streams", name, "convergence", "counts")
        problems.append(settings._problem(key, f"no column {unknown!r} is mapped{known}"))
    if problems:
        raise SettingsError(settings._file, problems)
    return stream


def check(settings: Settings, datasets: Mapping[str, Dataset]) -> None:
    """Check all that needs more than one section: every feed against the dataset of its name, section with section.

    Raises SettingsError with everything found at once, in the order of the file.
    """
    problems = settings._problems(contradictions(settings))
    for name, feed in settings.feeds.items():
        if name in datasets:
            problems += settings._problems(feed_problems(feed, datasets[name]), "feeds", name)
        else:
            there = f"there are {', '.join(datasets)}{suggest(name, datasets)}"
            problems.append(settings._problem(("feeds", name), f"no dataset takes a feed of this name; {there}"))
    if problems:
        raise SettingsError(settings._file, sorted(problems, key=lambda problem: problem.line or 0))
