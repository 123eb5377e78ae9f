"""A feed as the planner declares it: where its objects lie, how they are written, what its columns mean.

Reading them is landing's; this module only knows the declaration.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

import sqlglot
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from sqlglot import exp

from o9_assets.dataset import Dataset

__all__ = [
    "ColumnMapping",
    "Delivery",
    "Feed",
    "Format",
    "Kind",
    "Match",
    "Rule",
    "bind_problems",
    "columns_of",
    "suggest",
]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_PLACEHOLDER = re.compile(r"\{covers_date:([^{}]+)\}")
_STRFTIME = {
    "%Y": r"\d{4}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%y": r"\d{2}",
    "%j": r"\d{3}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
}


class Model(BaseModel):
    """Settings are frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def suggest(word: str, among: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """` – did you mean x?`, or nothing where no word is near."""
    near = difflib.get_close_matches(word, list(among), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def columns_of(condition: str) -> set[str]:
    """The columns that an SQL condition reads.

    Raises ValueError for text that is no single condition, or that does more than compare values of a row: no
    subquery, no table, no function that reads a file.
    """
    try:
        tree = sqlglot.parse_one(f"SELECT 1 WHERE {condition}", dialect="duckdb")
    except sqlglot.ParseError as error:
        raise ValueError(f"is no SQL condition: {error.errors[0]['description'] if error.errors else error}") from error
    where = tree.args.get("where") if isinstance(tree, exp.Select) else None
    if where is None or len(list(tree.find_all(exp.Select))) != 1 or any(tree.find_all(exp.From, exp.Command)):
        raise ValueError("must be one condition on the columns of a row, without a subquery")
    others = set(tree.args) - {"expressions", "where", "kind"}
    if any(tree.args.get(name) for name in others):
        raise ValueError("must be one condition, without GROUP BY, ORDER BY or the like")
    for function in tree.find_all(exp.Anonymous):
        raise ValueError(f"uses the function {function.name!r}, which is not known to every engine")
    return {column.name for column in where.find_all(exp.Column)}


def _condition(text: str) -> str:
    columns_of(text)
    return text


Condition = Annotated[str, BeforeValidator(lambda value: _condition(value) if isinstance(value, str) else value)]


class Format(Model):
    """How an object of the feed is written."""

    type: Literal["csv", "parquet", "jsonl"] = Field(description="csv, parquet, or jsonl (a JSON object a line)")
    delimiter: str = Field(",", min_length=1, max_length=4, description="What parts the fields of a CSV record")
    quote: str = Field('"', max_length=1, description="What quotes a CSV field; empty for nothing")
    encoding: str = Field("utf-8", description="utf-8, utf-16, latin-1, cp1252 or any other that Python knows")
    decimal: Literal[".", ","] = Field(".", description="Decimal sign of numbers")
    thousands: Literal["", ".", ",", " ", "'"] = Field("", description="Sign between thousands, where one is written")
    compression: Literal["none", "gzip", "auto"] = Field("auto", description="auto looks at the first bytes")
    timestamp: str = Field("%Y-%m-%d %H:%M:%S", description="strptime format of moments")
    date: str = Field("%Y-%m-%d", description="strptime format of days")
    nulls: tuple[str, ...] = Field(("",), description="Texts that mean no value")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        import codecs

        try:
            return codecs.lookup(value).name
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding; utf-8, latin-1 and cp1252 are usual") from error


Transformation = Literal["trim", "upper", "lower", "digits", "strip_zeros"]


class ColumnMapping(Model):
    """Where a column's value comes from: one source column, a constant, or a position; then what is done to it."""

    source: str | None = Field(None, alias="from", description="Source column")
    value: str | None = Field(None, description="A constant instead of a source column")
    position_within: str | None = Field(
        None,
        description="Position, from 1, among the object's records with the same value of this source column",
    )
    apply: tuple[Transformation, ...] = Field((), description="trim, upper, lower, digits, strip_zeros, in this order")
    strip_suffix: str = Field("", description="Taken off the end where it is there, such as .0")
    values: dict[str, str] | None = Field(None, description="Source value: our value; any other is quarantined")
    default: str | None = Field(None, description="Value where the source has none")
    format: str | None = Field(None, description="strptime format of this column, where it differs from the feed's")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"from": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        if sum(x is not None for x in (self.source, self.value, self.position_within)) != 1:
            raise ValueError("needs exactly one of from, value and position_within")
        return self


class Rule(Model):
    """A condition that every row must meet; a row that breaks it is quarantined under its name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Reason that the quarantine shows")
    must: Condition = Field(description="SQL condition on the mapped columns; null counts as met")


class Kind(Model):
    """A kind of order line and the measure that it counts as."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the kind")
    when: Condition = Field(description="SQL condition on the mapped columns; the first kind that matches wins")
    counts_as: Literal["orders", "returns", "none"] = Field(description="Measure of demand history, or none")


class Delivery(Model):
    """Which days the source delivers an object for, so that a missing one is known to be missing."""

    every: Literal["day", "week"] = "day"
    weekdays: tuple[Weekday, ...] = Field(WEEKDAYS, min_length=1, description="Days that an object stands for")
    exceptions: frozenset[date] = Field(frozenset(), alias="except", description="Days without an object")
    lag_days: int = Field(0, ge=0, le=31, description="An object of a day is due so many days later")

    @model_validator(mode="after")
    def _weekly(self) -> Delivery:
        if self.every == "week" and len(self.weekdays) != 1:
            raise ValueError("every: week needs exactly one weekday, the last day that an object covers")
        return self

    def expected(self, first: date, last: date) -> list[date]:
        """The days from `first` to `last`, both included, that an object stands for."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [d for d in days if WEEKDAYS[d.weekday()] in self.weekdays and d not in self.exceptions]


@dataclass(frozen=True, slots=True)
class Match:
    """An object's name matched a feed; `covers_date` is the day it stands for, where the pattern names one."""

    covers_date: date | None


class Feed(Model):
    """One kind of object that lands, and the raw dataset that takes it."""

    path: str = Field(description="Pattern of object names below the landing zone: * is any text within a folder")
    format: Format
    columns: dict[str, ColumnMapping] = Field(min_length=1, description="Our column: where it comes from")
    optional: tuple[str, ...] = Field((), description="Source columns that an object may lack")
    rules: tuple[Rule, ...] = ()
    kinds: tuple[Kind, ...] = Field((), description="Order feeds only; a line that matches none is a sale")
    delivery: Delivery | None = Field(None, description="When objects are due; without it nothing is ever missing")
    known_at: Literal["now", "covers_date", "changed_at"] = Field(
        "now",
        description="When a row became known: at ingest, at the end of the day its object covers, or its change time",
    )
    on_new_version: Literal["replace", "add"] = Field(
        "replace", description="Whether a new version of an object replaces the rows of the old one"
    )
    line_numbers: bool = Field(True, description="False is quicker; quarantined rows then carry no line number")

    @field_validator("path")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if value.startswith("/") or ".." in value.split("/") or "\\" in value:
            raise ValueError("must lie below the landing zone: no leading /, no .., no backslash")
        for fmt in _PLACEHOLDER.findall(value):
            unknown = set(re.findall(r"%.", fmt)) - set(_STRFTIME)
            if unknown:
                raise ValueError(f"{{covers_date:…}} knows {', '.join(_STRFTIME)}, not {', '.join(sorted(unknown))}")
        if re.search(r"[{}]", _PLACEHOLDER.sub("", value)):
            raise ValueError("knows one placeholder: {covers_date:%Y-%m-%d}")
        if len(_PLACEHOLDER.findall(value)) > 1:
            raise ValueError("{covers_date:…} can stand once")
        return value

    @model_validator(mode="after")
    def _needs_day(self) -> Feed:
        if not _PLACEHOLDER.search(self.path):
            if self.known_at == "covers_date":
                raise ValueError("known_at: covers_date needs {covers_date:%Y-%m-%d} in the path")
            if self.delivery is not None:
                raise ValueError("delivery needs {covers_date:%Y-%m-%d} in the path")
        return self

    @property
    def prefix(self) -> str:
        """The part of every object's name before the first placeholder: what a listing is bounded by."""
        return re.split(r"[*{]", self.path, maxsplit=1)[0]

    @property
    def hash(self) -> str:
        """Changes with anything declared here."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:16]

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every source column that the mapping reads, in its order, once."""
        names = [name for m in self.columns.values() for name in (m.source, m.position_within) if name is not None]
        return tuple(dict.fromkeys(names))

    def match(self, name: str) -> Match | None:
        """Whether an object of this name belongs to the feed."""
        pattern, formats = "", []
        for part in re.split(r"(\*|\{covers_date:[^{}]+\})", self.path):
            if part == "*":
                pattern += "[^/]*"
            elif placeholder := _PLACEHOLDER.fullmatch(part):
                formats.append(placeholder[1])
                inner = re.sub(r"%.", lambda m: _STRFTIME[m[0]], re.sub(r"([.+()?])", r"\\\1", placeholder[1]))
                pattern += f"(?P<day>{inner})"
            else:
                pattern += re.escape(part)
        found = re.fullmatch(pattern, name)
        if found is None:
            return None
        if not formats:
            return Match(None)
        try:
            return Match(datetime.strptime(found["day"], formats[0]).date())
        except ValueError:
            return None  # such as 2025-02-30: no day, so not this feed's


def bind_problems(feed: Feed, dataset: Dataset) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a feed's mapping for the dataset that takes it, as pairs of key below the feed and message."""
    known = dataset.column_names
    for name in feed.columns:
        if name not in known:
            yield ("columns", name), f"{dataset.name} has no column {name!r}{suggest(name, known)}"
    given_by_platform = {"op", "changed_at", "change_seq", "known_at", "object_id", "object_name", "line"}
    for column in dataset.columns:
        if column.required and column.name not in feed.columns and column.name not in given_by_platform:
            yield ("columns",), f"{dataset.name} needs the column {column.name!r} ({column.description})"
    for name in ("known_at", "object_id", "object_name", "line"):
        if name in feed.columns:
            yield ("columns", name), "is the platform's own and cannot be mapped"
    sources = feed.source_columns
    for index, name in enumerate(feed.optional):
        if name not in sources:
            yield ("optional", index), f"no column is mapped from {name!r}{suggest(name, sources)}"
    for group, key in (("rules", "must"), ("kinds", "when")):
        for index, entry in enumerate(getattr(feed, group)):
            for used in sorted(columns_of(getattr(entry, key)) - set(known)):
                yield (group, index, key), f"{dataset.name} has no column {used!r}{suggest(used, known)}"
