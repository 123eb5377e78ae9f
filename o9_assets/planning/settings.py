"""The planner's settings: the typed model of planning.yaml, and how it is read.

docs/planning.md explains every key to a planner. What a setting does belongs to the room that uses it.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, field_validator, model_validator

from o9_assets.dataset import Dataset
from o9_assets.planning.errors import Problem, SettingsError
from o9_assets.planning.feeds import Feed, Model, bind_problems, suggest
from o9_assets.planning.source import Lines, read, read_file

__all__ = ["Settings", "SettingsError", "bind", "load", "parse"]

GrainColumn = Literal["item", "location", "channel"]


class Grain(Model):
    """What one cell of demand history is. Values are columns of the order feed."""

    item: str = Field("item_code", description="Column that holds the item")
    location: str = Field("location_code", description="Column that holds the location: location_code or customer_code")
    channel: str | None = Field(None, description="Column that holds the channel; left out, the channel is ALL")
    demand_date: Literal["order_date", "requested_date"] = Field(
        "order_date", description="Day that demand falls on; a line without a requested date falls on its order date"
    )

    @field_validator("item", "location", "channel")
    @classmethod
    def _column(cls, value: str | None) -> str | None:
        known = ("item_code", "location_code", "customer_code", "channel_code")
        if value is not None and value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}{suggest(value, known)}")
        return value


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Fiscal(Model):
    """The fiscal year: calendar months, or months of whole weeks."""

    pattern: Literal["calendar", "4-4-5", "4-5-4", "5-4-4"] = "calendar"
    year_end_month: int = Field(12, ge=1, le=12, description="Month in which the fiscal year ends")
    year_end_rule: Literal["last", "nearest"] = Field(
        "last", description="The year's last day is the last such weekday of the month, or the one nearest to its end"
    )
    year_name: Literal["end", "start"] = Field("end", description="A year is named after the one it ends or starts in")
    leap_week: Literal["last_month"] = Field("last_month", description="The 53rd week joins the year's last month")


class Labels(Model):
    """How weeks, partial weeks and months are called: strftime of the first day, and the named fields."""

    week: str = "%G-W%V"
    bucket: str = "%G-W%V{partial}"
    month: str = "%b-%Y"


class CalendarSettings(Model):
    """Weeks, partial weeks and fiscal months."""

    week_start: Weekday = "monday"
    partial_weeks: Literal["none", "month", "fiscal_month"] = Field(
        "month", description="Where a week is cut: nowhere, at a month's end, or at a fiscal month's end"
    )
    fiscal: Fiscal = Fiscal()
    labels: Labels = Labels()

    @model_validator(mode="after")
    def _labels_work(self) -> CalendarSettings:
        from o9_assets.planning.calendar import Calendar

        Calendar(self).check_labels()
        return self


class Units(Model):
    """Units of measure."""

    base_uom: str = Field("EA", min_length=1, description="Planning unit of items whose master names none")
    missing_uom: str | None = Field(None, description="Unit of a line that names none; left out, it has an issue")


class Segments(Model):
    """How series are segmented."""

    window_weeks: int = Field(52, ge=4, description="Weeks looked back on")
    abc: tuple[float, float] = Field((0.8, 0.95), description="Cumulative shares of value where A and B end")
    xyz: tuple[float, float] = Field((0.5, 1.0), description="Coefficients of variation where X and Y end")
    min_weeks: int = Field(8, ge=1, description="A series with fewer known weeks is new")

    @field_validator("abc", "xyz")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1]:
            raise ValueError("must be two rising numbers above 0")
        return value


class Demand(Model):
    """From order lines to demand history."""

    unknown_item: Literal["keep", "set_aside"] = Field("keep", description="Lines whose item is not in the master")
    segments: Segments = Segments()


class Forecast(Model):
    """Forecasting: grain, horizon, and how methods are compared."""

    grain: tuple[GrainColumn, ...] = Field(("item", "location"), min_length=1, description="By item, location, channel")
    horizon_weeks: int = Field(13, ge=1, le=104)
    origins: int = Field(4, ge=4, le=26, description="Rolling origins of the backtest")
    season_weeks: int = Field(52, ge=2, le=106)
    seed: int = 7
    first_cycle: date = Field(date(2010, 1, 4), description="No planning cycle is older")

    @field_validator("grain")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a column twice")
        return value


class O9(Model):
    """What this company's o9 tenant calls things. The profile says how it is spoken to."""

    profile: str = Field("platform", description="Built-in contract profile, or the path of one's own")
    model: str = Field("DemandPlanning", description="o9 model")
    measure_group: str = Field("DemandHistory", description="Measure group that takes history")
    version: str = Field("CurrentWorkingView", description="o9 version")
    columns: dict[Literal["item", "location", "channel", "time", "version"], str] = Field(
        description="o9's column for each dimension, such as Item.[Planning Item]"
    )
    measures: dict[Literal["orders_quantity", "returns_quantity", "shipments_quantity", "orders_value"], str] = Field(
        min_length=1, description="Measure of demand history: o9's measure"
    )
    plan_measures: tuple[str, ...] = Field(("Stat Fcst",), description="Measures that o9's plan brings back")

    @field_validator("columns")
    @classmethod
    def _dimensions(cls, value: dict[str, str]) -> dict[str, str]:
        for name in ("item", "location", "time", "version"):
            if name not in value:
                raise ValueError(f"needs {name!r}")
        return value


class Schedules(Model):
    """Cron expressions in the company's time zone."""

    daily: str = Field("0 5 * * *", description="Refresh of demand history")
    cycle: str = Field("0 6 * * mon", description="Planning cycle")

    @field_validator("daily", "cycle")
    @classmethod
    def _cron(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError("must be a cron expression of five fields, such as '0 5 * * *'")
        return value


class SampleCompany(Model):
    """Makes the sample company's files where nothing landed yet."""

    seed: int = 7
    scale: float = Field(1, gt=0)


class Settings(Model):
    """Everything that a planner sets."""

    company: str = Field(min_length=1)
    timezone: str = Field(description="IANA name, such as Europe/Berlin")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")
    grain: Grain = Grain()
    calendar: CalendarSettings = CalendarSettings()
    units: Units = Units()
    feeds: dict[str, Feed] = Field(min_length=1)
    demand: Demand = Demand()
    forecast: Forecast = Forecast()
    o9: O9
    schedules: Schedules = Schedules()
    sample_company: SampleCompany | None = Field(None, description="Only for the sample company")

    _file: str = PrivateAttr("settings")
    _text: str = PrivateAttr("")
    _lines: Lines | None = PrivateAttr(None)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone such as Europe/Berlin") from error
        return value

    @field_validator("feeds")
    @classmethod
    def _orders(cls, value: dict[str, Feed]) -> dict[str, Feed]:
        if "erp_orders" not in value:
            raise ValueError("needs the feed erp_orders: without orders there is no demand history")
        return value

    @property
    def text(self) -> str:
        """The file as read."""
        return self._text

    @property
    def slug(self) -> str:
        """The company's name as a folder name."""
        return re.sub(r"[^a-z0-9]+", "_", self.company.lower()).strip("_") or "company"

    @property
    def hash(self) -> str:
        """Changes with any setting; not with comments or layout."""
        return fingerprint(self)

    def error(self, key: str, message: str) -> SettingsError:
        """An error about the setting at a dotted key, with its line."""
        line = self._lines.of(tuple(key.split("."))) if self._lines else None
        return SettingsError(self._file, [Problem(key, line, message)])


def fingerprint(*models: BaseModel) -> str:
    """A short hash of parts of the settings, by which a dataset knows that it was made with others."""
    text = json.dumps([m.model_dump(mode="json", by_alias=True) for m in models], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: Path) -> Settings:
    """Read a settings file. Raises SettingsError with every wrong key, its line, and what would be right."""
    return parse(read_file(path), str(path))


def parse(text: str, file: str = "settings") -> Settings:
    """Settings from YAML text; `file` is named in errors."""
    values, lines = read(text, file)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems = [_problem(dict(found), lines) for found in error.errors()]
        raise SettingsError(file, problems) from error
    settings._file, settings._text, settings._lines = file, text, lines
    return settings


def bind(settings: Settings, dataset: Dataset) -> Feed:
    """The feed that `dataset` takes, its mapping checked against the dataset's columns.

    Raises SettingsError naming each mapped column that the dataset does not have, and each that it needs.
    """
    name = dataset.asset_key[-1]
    feed = settings.feeds[name]
    problems = []
    for key, message in bind_problems(feed, dataset):
        whole = ("feeds", name, *key)
        line = settings._lines.of(whole) if settings._lines else None
        problems.append(Problem(".".join(map(str, whole)), line, message))
    if problems:
        raise SettingsError(settings._file, problems)
    return feed


def _problem(found: dict[str, Any], lines: Lines) -> Problem:
    """pydantic's error as a planner reads it."""
    # pydantic puts the names of union members and validators into the path; they are no keys of the file.
    key = tuple(part for part in found["loc"] if not (isinstance(part, str) and re.search(r"[\[\](),]", part)))
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        model: Any = _model_at(key[:-1])
        known = [f.alias or n for n, f in model.model_fields.items()] if model else []
        message = f"there is no such key{suggest(str(key[-1]), known)}" + (f" ({', '.join(known)})" if known else "")
    elif found["type"] == "missing":
        message = "is missing"
    elif found["type"] == "literal_error":
        given = found["input"]
        expected = found["ctx"]["expected"]
        near = suggest(str(given), re.findall(r"'([^']*)'", expected))
        message = f"{given!r} is none of {expected}{near}"
    elif found["type"] not in ("value_error",):
        message = f"{message[0].lower()}{message[1:]}; found {found['input']!r}"
    return Problem(".".join(map(str, key)), lines.of(key), message)


def _model_at(key: tuple[Any, ...]) -> type[BaseModel] | None:
    """The model that holds the keys below `key`."""
    from typing import get_args

    model: Any = Settings
    for part in key:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
            if field is None:
                return None
            model = field.annotation
        candidates = [a for a in get_args(model) if a is not type(None)]
        while candidates and not (isinstance(model, type) and issubclass(model, BaseModel)):
            models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
            if models:
                model = models[-1]
                break
            candidates = [a for c in candidates for a in get_args(c)]
        else:
            continue
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None
