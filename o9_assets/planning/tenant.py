"""What a tenant calls things: columns, measures and labels of time, kept with its contract profile.

Settings whose `o9.profile` is a file take from it what they do not say themselves, so that a tenant is described in one
place and planned by many. How the tenant is spoken to is resources/o9's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from o9_assets.planning.errors import Problem, SettingsError
from o9_assets.planning.labels import unknown_parts
from o9_assets.planning.model import Model, Wrong
from o9_assets.planning.problems import problems_of
from o9_assets.planning.sections import O9_COLUMN, Dimension, Measure
from o9_assets.planning.source import Lines, read, read_file

__all__ = ["Names", "TimeLabels", "fill_in"]


class TimeLabels(Model):
    """Formats of o9's time members, as calendar.labels has them."""

    week: str | None = Field(None, min_length=1, description="Label of a week")
    bucket: str | None = Field(None, min_length=1, description="Label of a partial week")
    month: str | None = Field(None, min_length=1, description="Label of a month")


class Names(Model):
    """A tenant's names by ours; the settings' own win."""

    columns: dict[Dimension, str] = Field({}, description="o9's column for a dimension, such as Item.[Planning Item]")
    measures: dict[Measure, str] = Field({}, description="o9's measure for one of ours")
    time_labels: TimeLabels = Field(TimeLabels(), description="Formats of its time members")

    @model_validator(mode="after")
    def _can_be_used(self) -> Names:
        found: list[tuple[tuple[str | int, ...], str]] = [
            (("columns", name), f"{theirs!r} is no column of o9, such as Item.[Planning Item]")
            for name, theirs in self.columns.items()
            if not O9_COLUMN.fullmatch(theirs)
        ]
        labels = self.time_labels.model_dump(exclude_none=True)
        found += [
            (("time_labels", kind), f"holds {unknown!r}, which no label knows")
            for kind, text in labels.items()
            if (unknown := unknown_parts(text))
        ]
        if found:
            raise Wrong(*found)
        return self


class _Named(BaseModel):
    """The part of a profile that is read here; the rest is the profile's own."""

    names: Names = Names()


def fill_in(values: dict[str, Any], lines: Lines, file: str) -> dict[str, Any]:
    """Values of a settings file with the names of its profile, where that is a file and the settings leave them out.

    Raises SettingsError, naming the profile's file, for names that are wrong, and for a file that is not there.
    """
    o9 = values.get("o9")
    if not isinstance(o9, dict) or not isinstance(o9.get("profile"), str):
        return values
    path = Path(o9["profile"])
    if not path.is_file():
        if path.suffix not in (".yaml", ".yml"):
            return values  # a built-in one, which knows no tenant; or none, which is told when it is loaded
        message = f"there is no file {path.absolute()}; a relative path begins where the run starts"
        raise SettingsError(file, [Problem("o9.profile", lines.of(("o9", "profile")), message)])
    given, lines = read(read_file(path), str(path))
    try:
        names = _Named.model_validate(given).names
    except ValidationError as error:
        raise SettingsError(str(path), problems_of(error, _Named, lines), explained="docs/o9.md") from error
    merged = dict(o9)
    for key, theirs in (("columns", names.columns), ("measures", names.measures)):
        own = o9.get(key, {})
        if theirs and isinstance(own, dict):
            merged[key] = {**theirs, **own}
    labels = names.time_labels.model_dump(exclude_none=True)
    calendar = values.get("calendar", {})
    if labels and isinstance(calendar, dict) and isinstance(own := calendar.get("labels", {}), dict):
        values = {**values, "calendar": {**calendar, "labels": {**labels, **own}}}
    return {**values, "o9": merged}
