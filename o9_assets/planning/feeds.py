"""A feed as the planner declares it: where its objects lie, how they are written, what its columns mean.

Reading them is landing's; this module only knows the declaration.
"""

from __future__ import annotations

from datetime import date
from os.path import commonprefix
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from o9_assets.planning.conditions import Condition, columns_of
from o9_assets.planning.delivery import Delivery
from o9_assets.planning.dms import OPERATION, DmsFiles, dms_file
from o9_assets.planning.formats import Format, TimeFormat
from o9_assets.planning.model import Flag, Model, Wrong, fingerprint, suggest
from o9_assets.planning.patterns import PLACEHOLDER, Match, match, pattern_problem, prefix, rising_from
from o9_assets.planning.zones import zone_problem

__all__ = [
    "REASONS",
    "ColumnMapping",
    "Delivery",
    "Feed",
    "Format",
    "Kind",
    "Match",
    "Model",
    "Rule",
    "columns_of",
    "rule_problems",
    "suggest",
]

Transformation = Literal["trim", "upper", "lower", "digits", "strip_zeros"]


class ColumnMapping(Model):
    """Where a column's value comes from, and what is done to it, in the order of the keys from nulls to default."""

    source: str | None = Field(None, alias="from", min_length=1, description="Source column")
    value: str | None = Field(None, description="A constant instead of a source column")
    position_within: str | None = Field(
        None,
        min_length=1,
        description="Position, from 1, among the object's records with the same value of this source column",
    )
    strip_suffix: str = Field("", description="Taken off the end where it is there, such as .0")
    apply: tuple[Transformation, ...] = Field((), description="trim, upper, lower, digits, strip_zeros, in this order")
    values: dict[str, str] | None = Field(
        None, min_length=1, description="Source value: our value; any other is quarantined"
    )
    default: str | None = Field(None, description="Value where the source has none")
    format: TimeFormat | None = Field(
        None, description="strptime format of this column, where it differs from the feed's"
    )
    timezone: str | None = Field(None, description="IANA zone of this column's moments, where they are not local")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and (problem := zone_problem(value)):
            raise ValueError(problem)
        return value

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"from": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        if sum(x is not None for x in (self.source, self.value, self.position_within)) != 1:
            raise ValueError("needs exactly one of from, value and position_within")
        if self.source is None:
            keys = ("strip_suffix", "apply", "values", "default", "format", "timezone")
            given = [name for name in keys if getattr(self, name)]
            if given:
                raise Wrong(*(((name,), "goes with from only") for name in given))
        return self


class Rule(Model):
    """A condition that every row must meet; a row that breaks it is quarantined under its name."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="Reason that the quarantine shows: small letters, digits and _"
    )
    must: Condition = Field(description="SQL condition on the mapped columns; null counts as met")


REASONS = frozenset(
    (
        *("missing_value", "not_a_number", "not_a_date", "not_a_time", "not_a_text", "too_many_digits"),
        *("date_out_of_calendar", "unknown_value", "too_few_fields", "too_many_fields", "broken_quote"),
        *("record_too_long", "broken_record", "nul_byte", "not_json", "no_payload"),
        *("empty_object", "wrong_header", "wrong_encoding", "not_gzip", "unexpected_gzip", "broken_gzip"),
        *("not_parquet", "broken_parquet", "wrong_type", "unreadable", "day_has_not_come"),
    )
)
"""The platform's own reasons for setting a row or an object aside."""


def rule_problems(rules: tuple[Rule, ...]) -> list[tuple[tuple[str | int, ...], str]]:
    """Rules whose name would be two reasons in the quarantine, as pairs of key and message."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    names = [rule.name for rule in rules]
    for index, name in enumerate(names):
        if name in names[:index]:
            found.append((("rules", index, "name"), f"{name!r} is the name of a rule above as well"))
        if name in REASONS:
            found.append((("rules", index, "name"), f"{name!r} is a reason of the platform's own; name the rule else"))
    return found


class Kind(Model):
    """A kind of order line and the measure that it counts as."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the kind: small letters, digits and _")
    when: Condition = Field(description="SQL condition on the mapped columns; the first kind that matches wins")
    counts_as: Literal["orders", "returns", "none"] = Field(description="Measure of demand history, or none")


class Feed(Model):
    """One kind of object that lands, and the raw dataset that takes it."""

    path: str = Field(
        description="Pattern of object names below the landing zone: * is any text within a folder, ** folders too"
    )
    also: tuple[str, ...] = Field((), description="Further patterns of the same feed's objects")
    format: Format = Field(description="How an object is written")
    dms: DmsFiles | None = Field(None, description="For files that AWS DMS writes")
    columns: dict[str, ColumnMapping] = Field(min_length=1, description="Our column: where it comes from")
    optional: tuple[str, ...] = Field((), description="Source columns that an object may lack")
    rules: tuple[Rule, ...] = Field((), description="Conditions that every row must meet")
    kinds: tuple[Kind, ...] = Field((), description="Order feed only; a line that matches none is a sale")
    delivery: Delivery | None = Field(None, description="When objects are due; without it nothing is ever missing")
    known_at: Literal["now", "covers_date", "changed_at"] = Field(
        "now",
        description="When a row became known: at ingest, at the end of the day its object covers, or its change time",
    )
    on_new_version: Literal["replace", "add"] = Field(
        "replace", description="Whether a new version of an object replaces the rows of the old one"
    )
    line_numbers: Flag = Field(True, description="False is quicker; quarantined rows then carry no line number")

    @model_validator(mode="before")
    @classmethod
    def _operation(cls, given: Any) -> Any:
        """DMS's operation column is mapped without a word, and a full load may lack it."""
        if not isinstance(given, dict) or not given.get("dms") or not isinstance(given.get("columns"), dict):
            return given
        optional = given.get("optional") or ()
        if not isinstance(optional, list | tuple) or "op" in given["columns"]:
            return given
        return {**given, "columns": {**given["columns"], "op": OPERATION}, "optional": [*optional, OPERATION]}

    @field_validator("path", "also")
    @classmethod
    def _pattern(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for pattern in (value,) if isinstance(value, str) else value:
            if problem := pattern_problem(pattern):
                raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Feed:
        found: list[tuple[tuple[str | int, ...], str]] = []
        if not PLACEHOLDER.search(self.path):
            if self.known_at == "covers_date":
                found.append((("known_at",), "covers_date needs {covers_date:%Y-%m-%d} in the path"))
            if self.delivery is not None:
                found.append((("delivery",), "needs {covers_date:%Y-%m-%d} in the path, to tell which day is in"))
        if self.known_at == "changed_at" and "changed_at" not in self.columns:
            found.append((("known_at",), "changed_at needs the column changed_at to be mapped"))
        for index, name in enumerate(self.optional):
            if name not in self.source_columns:
                found.append(
                    (("optional", index), f"no column is mapped from {name!r}{suggest(name, self.source_columns)}")
                )
        if self.format.header is not None:
            there = (*self.format.header, *((OPERATION,) if self.dms else ()))
            for name in self.source_columns:
                if name not in there:
                    found.append((("format", "header"), f"lacks {name!r}, which a column is mapped from"))
        found += rule_problems(self.rules)
        counts: dict[str, str] = {}
        for index, kind in enumerate(self.kinds):
            if (above := counts.setdefault(kind.kind, kind.counts_as)) != kind.counts_as:
                found.append((("kinds", index, "counts_as"), f"{kind.kind!r} counts as {above} above"))
        if found:
            raise Wrong(*found)
        return self

    @property
    def prefix(self) -> str:
        """The part of every object's name before the first placeholder: what a listing is bounded by."""
        # Of names, not of folders: S3 lists by any beginning.
        return commonprefix([prefix(pattern) for pattern in (self.path, *self.also)])  # noqa: RUF071

    def rising_from(self, day: date) -> str | None:
        """The text that names of `day` begin with, where names rise with the day they stand for; else None."""
        return None if self.also else rising_from(self.path, day)

    @property
    def hash(self) -> str:
        """Changes with anything declared here."""
        return fingerprint(self)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Every source column that the mapping reads, in its order, once."""
        names = [name for m in self.columns.values() for name in (m.source, m.position_within) if name is not None]
        return tuple(dict.fromkeys(names))

    def match(self, name: str) -> Match | None:
        """Whether an object of this name belongs to the feed, and which day it covers."""
        if self.dms is not None and dms_file(name) is None:
            return None
        return next((found for p in (self.path, *self.also) if (found := match(p, name)) is not None), None)

    def header_of(self, name: str) -> tuple[str, ...] | None:
        """The columns of the object of this name, in order; None where its first record names them."""
        if self.dms is None or (known := dms_file(name)) is None:
            return self.format.header
        fields = self.format.header
        if known.kind == "transactions":
            return (OPERATION, "(table)", "(schema)", *(fields or ()))
        included = self.dms.op_in_full_load if known.kind == "load" else self.dms.op_in_changes
        return fields if fields is None or not included else (OPERATION, *fields)
