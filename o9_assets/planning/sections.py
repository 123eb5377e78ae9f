"""The sections of the settings but for feeds: what a planner can set, with its defaults.

docs/planning.md explains every key. What a setting does belongs to the room that uses it.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field, field_validator, model_validator

from o9_assets.planning.calendar import label_problems
from o9_assets.planning.cron import cron_problem
from o9_assets.planning.feeds import Feed
from o9_assets.planning.model import Day, Exact, Flag, Model, Number, Whole, Wrong, suggest
from o9_assets.planning.streams import Stream
from o9_assets.planning.transfers import Transfer
from o9_assets.planning.zones import zone_problem

__all__ = [
    "O9",
    "CalendarSettings",
    "Demand",
    "Fiscal",
    "Forecast",
    "Grain",
    "Labels",
    "Outbound",
    "Reconciliation",
    "Root",
    "SampleCompany",
    "Schedules",
    "Segments",
    "ThirdParty",
    "Units",
]

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Dimension = Literal["item", "location", "channel", "time", "version"]
Measure = Literal["orders_quantity", "returns_quantity", "shipments_quantity", "orders_value"]
O9_COLUMN = re.compile(r"[^.\[\]]+\.\[[^\[\]]+\]")


class Grain(Model):
    """What one cell of demand history is. Values are columns of the order feed."""

    item: Literal["item_code"] = Field("item_code", description="Column that holds the item")
    location: Literal["location_code", "customer_code"] = Field(
        "location_code", description="Column that holds the location: location_code or customer_code"
    )
    channel: Literal["channel_code", "customer_code", "location_code"] | None = Field(
        None, description="Column that holds the channel; left out, the channel is ALL"
    )
    demand_date: Literal["order_date", "requested_date"] = Field(
        "order_date", description="Day that demand falls on; a line without a requested date falls on its order date"
    )

    @model_validator(mode="after")
    def _different(self) -> Grain:
        if self.channel == self.location:
            raise Wrong((("channel",), f"{self.channel!r} is the location already"))
        return self


class Fiscal(Model):
    """The fiscal year: calendar months, or months of whole weeks."""

    pattern: Literal["calendar", "4-4-5", "4-5-4", "5-4-4"] = Field(
        "calendar", description="Calendar months, or the weeks of a quarter's three months"
    )
    year_end_month: Whole = Field(12, ge=1, le=12, description="Month in which the fiscal year ends")
    year_end_rule: Literal["last", "nearest"] = Field(
        "last", description="The year's last day is the last such weekday of the month, or the one nearest to its end"
    )
    year_name: Literal["end", "start"] = Field(
        "end", description="A year that touches two calendar years is named after the one it ends or starts in"
    )
    week_start: Weekday | None = Field(
        None, description="First day of a fiscal week, where it is another than the planning week's"
    )
    leap_week: Literal["last_month"] = Field("last_month", description="The 53rd week joins the year's last month")


class Labels(Model):
    """How weeks, partial weeks and months are called: strftime of the first day, and the named fields."""

    week: str = Field("%G-W%V", min_length=1, description="Label of a week")
    bucket: str = Field("%G-W%V{partial}", min_length=1, description="Label of a partial week, as o9's time member")
    month: str = Field("%b-%Y", min_length=1, description="Label of a month (fiscal where weeks are cut at those)")


class CalendarSettings(Model):
    """Weeks, partial weeks and fiscal months."""

    week_start: Weekday = Field("monday", description="First day of a week")
    partial_weeks: Literal["none", "month", "fiscal_month"] = Field(
        "month", description="Where a week is cut: nowhere, at a month's end, or at a fiscal month's end"
    )
    first_day: Day = Field(
        date(1990, 1, 1),
        ge=date(1000, 1, 1),
        description="No order and no shipment is older; an earlier day is taken for a fault",
    )
    last_day: Day = Field(
        # Weeks and fiscal years that begin within the calendar end beyond it, and still before the year 10000.
        date(2050, 12, 31),
        le=date(9900, 12, 31),
        description="No order and no shipment is for later; a later day is taken for a fault",
    )
    fiscal: Fiscal = Field(Fiscal(), description="The fiscal year")
    labels: Labels = Field(Labels(), description="What weeks, partial weeks and months are called")

    @model_validator(mode="after")
    def _labels_work(self) -> CalendarSettings:
        if problems := label_problems(self):
            raise Wrong(*((("labels", kind), message) for kind, message in problems))
        return self

    @model_validator(mode="after")
    def _days_in_order(self) -> CalendarSettings:
        if self.last_day < self.first_day:
            raise Wrong((("last_day",), f"{self.last_day} is before the first day, {self.first_day}"))
        return self


class Units(Model):
    """Units of measure."""

    base_uom: str = Field("EA", min_length=1, description="Planning unit of items whose master names none")
    missing_uom: str | None = Field(
        None, min_length=1, description="Unit of a line that names none; left out, it has an issue and counts nowhere"
    )


class Segments(Model):
    """How series are segmented: ABC by value, XYZ by variation."""

    window_weeks: Whole = Field(52, ge=4, description="Weeks looked back on")
    abc: tuple[Number, Number] = Field((0.8, 0.95), description="Cumulative shares of value where A and B end")
    xyz: tuple[Number, Number] = Field((0.5, 1.0), description="Coefficients of variation where X and Y end")
    min_weeks: Whole = Field(8, ge=1, description="A series with fewer known weeks is new")

    @field_validator("abc", "xyz")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1]:
            raise ValueError(f"must be two rising numbers above 0; found {list(value)}")
        return value

    @model_validator(mode="after")
    def _possible(self) -> Segments:
        if self.abc[1] > 1:
            raise Wrong((("abc",), f"are shares of the whole, at most 1; found {list(self.abc)}"))
        if self.min_weeks > self.window_weeks:
            raise Wrong((("min_weeks",), f"is more than window_weeks, {self.window_weeks}: every series would be new"))
        return self


class Demand(Model):
    """From order lines to demand history."""

    unknown_item: Literal["keep", "set_aside"] = Field(
        "keep", description="Whether lines whose item is not in the master count"
    )
    segments: Segments = Field(Segments(), description="How series are segmented")


class Forecast(Model):
    """Forecasting: grain, horizon, and how methods are compared."""

    grain: tuple[Literal["item", "location", "channel"], ...] = Field(
        ("item", "location"), min_length=1, description="What a series is: item, and location and channel where wanted"
    )
    horizon_weeks: Whole = Field(13, ge=1, le=104, description="Weeks ahead")
    origins: Whole = Field(4, ge=4, le=26, description="Rolling origins of the backtest")
    season_weeks: Whole = Field(
        52, ge=2, le=106, description="Weeks of a season; used where history is two seasons long"
    )
    seed: Whole = Field(7, ge=0, description="The same seed gives the same forecast")
    first_cycle: Day = Field(date(2010, 1, 4), description="No planning cycle is older")
    drivers: tuple[str, ...] | None = Field(
        None, description="Drivers that LightGBM learns from; all that the feed brings where left out"
    )

    @field_validator("grain")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a column twice")
        if "item" not in value:
            raise ValueError(f"needs item: a forecast is of items; found {list(value)}")
        return value


class Outbound(Model):
    """What is fetched from o9 in each cycle, by its API or from its SFTP folder, into the landing zone."""

    measure_group: str = Field("Forecast", min_length=1, description="Measure group that holds o9's forecasts")
    measures: tuple[str, ...] = Field(
        ("Stat Fcst", "Fcst Adjustment 1", "Consensus Fcst"),
        min_length=1,
        description="Its measures: statistical, adjustments, consensus, published, as the tenant calls them",
    )
    by: Literal["facts", "query"] = Field("facts", description="Read as facts, page by page, or by one IBPL query")
    members: tuple[Literal["item", "location", "channel"], ...] = Field(
        ("item", "location"), description="Dimensions whose members are fetched"
    )
    sftp: Flag = Field(False, description="Whether o9 drops files into its SFTP folder that are to be collected")


class Streaming(Model):
    """What o9 calls things where events are forwarded one by one."""

    measure_group: str = Field("DemandEvents", min_length=1, description="Measure group that takes events")
    event: str = Field("Event.[Event Id]", description="o9's column for the event, beside those of o9.columns")
    quantity: str = Field("Event Quantity", min_length=1, description="o9's measure for an event's quantity")

    @field_validator("event")
    @classmethod
    def _column(cls, value: str) -> str:
        if not O9_COLUMN.fullmatch(value):
            raise ValueError(f"{value!r} is no column of o9, such as Event.[Event Id]")
        return value


class O9(Model):
    """What this company's o9 tenant calls things. The profile says how it is spoken to."""

    profile: str = Field("platform", min_length=1, description="Built-in contract profile, or the path of one's own")
    model: str = Field("DemandPlanning", min_length=1, description="o9 model")
    measure_group: str = Field("DemandHistory", min_length=1, description="Measure group that takes history")
    version: str = Field("CurrentWorkingView", min_length=1, description="o9 version")
    columns: dict[Dimension, str] = Field(description="o9's column for each dimension, such as Item.[Planning Item]")
    measures: dict[Measure, str] = Field(min_length=1, description="Measure of demand history: o9's measure")
    plan_measures: tuple[str, ...] = Field(
        ("Stat Fcst",), min_length=1, description="Measures that o9's plan brings back"
    )
    outbound: Outbound = Field(Outbound(), description="What is fetched from o9 in each cycle")
    corrections: Literal["send", "hold"] = Field(
        "send", description="Corrections of published history are sent, or held until a person approves the difference"
    )

    streaming: Streaming | None = Field(None, description="Forwards raw/demand_events event by event")

    @model_validator(mode="after")
    def _names(self) -> O9:
        found: list[tuple[tuple[str | int, ...], str]] = []
        for name in ("item", "location", "time", "version"):
            if name not in self.columns:
                found.append((("columns",), f"needs {name}"))
        for key in ("columns", "measures"):
            above: dict[str, str] = {}
            for name, theirs in getattr(self, key).items():
                if key == "columns" and not O9_COLUMN.fullmatch(theirs):
                    found.append(((key, name), f"{theirs!r} is no column of o9, such as Item.[Planning Item]"))
                if (other := above.setdefault(theirs, name)) != name:
                    found.append(((key, name), f"{theirs!r} is that of {other} already"))
        if found:
            raise Wrong(*found)
        return self


class ThirdParty(Model):
    """What data of others (sell-out, drivers) needs to be read in our terms."""

    regions: dict[str, str] = Field({}, description="Provider's region: our region, where the names differ")
    min_coverage: Number = Field(
        0.5, ge=0, le=1, description="Share of shipped value that sell-out should cover; below it a check warns"
    )


class Reconciliation(Model):
    """How source, platform and o9 are compared (o9/reconciliation)."""

    severity: Literal["error", "warn"] = Field(
        "error", description="A break stops what is downstream (the cycle is not closed), or is only told"
    )
    rounding_quantity: Exact = Field(
        Decimal("0.0001"), ge=0, description="A cell may differ by so much, which is taken for rounding"
    )
    tolerated_share: Exact = Field(
        Decimal(0), ge=0, lt=1, description="Share of a period's volume that may differ without being a break"
    )
    levels: tuple[Literal["item", "location", "channel"], ...] = Field(
        ("location",), description="Levels at which totals are kept, besides that of all"
    )
    full_every_days: Whole = Field(
        7, ge=1, description="So often every period is compared; in between those that something touched"
    )


class Schedules(Model):
    """Cron expressions in the company's time zone."""

    daily: str = Field("0 5 * * *", description="Refresh of demand history and of what o9 holds")
    cycle: str = Field("0 6 * * mon", description="Planning cycle")

    @field_validator("daily", "cycle")
    @classmethod
    def _cron(cls, value: str) -> str:
        if problem := cron_problem(value):
            raise ValueError(problem)
        return value


class SampleCompany(Model):
    """Makes the sample company's files where nothing landed yet."""

    seed: Whole = Field(7, ge=0, description="The same seed makes the same company")
    scale: Number = Field(1, gt=0, description="Size; 1 takes minutes on a laptop")


class Root(Model):
    """Everything that a planner sets, by section."""

    company: str = Field(min_length=1, description="The company's name; its state lies in a folder called after it")
    timezone: str = Field(description="IANA name, such as Europe/Berlin")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code, such as EUR")
    grain: Grain = Field(Grain(), description="What one cell of demand history is")
    calendar: CalendarSettings = Field(CalendarSettings(), description="Weeks, partial weeks, fiscal months, labels")
    units: Units = Field(Units(), description="Units of measure")
    feeds: dict[str, Feed] = Field(min_length=1, description="Raw dataset: how its files come")
    transfers: dict[str, Transfer] = Field({}, description="AWS services that bring files into the landing zone")
    streams: dict[Literal["demand_events"], Stream] = Field({}, description="Raw dataset: the stream it comes from")
    demand: Demand = Field(Demand(), description="From order lines to demand history")
    forecast: Forecast = Field(Forecast(), description="Grain, horizon, and how methods are compared")
    o9: O9 = Field(description="What the o9 tenant calls things")
    third_party: ThirdParty = Field(ThirdParty(), description="How data of others is read in our terms")
    reconciliation: Reconciliation = Field(Reconciliation(), description="How source, platform and o9 are compared")
    schedules: Schedules = Field(Schedules(), description="When jobs start, in the company's time zone")
    sample_company: SampleCompany | None = Field(None, description="Only for the sample company")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if problem := zone_problem(value):
            raise ValueError(problem)
        return value

    @field_validator("feeds")
    @classmethod
    def _orders(cls, value: dict[str, Feed]) -> dict[str, Feed]:
        if "erp_orders" not in value:
            raise ValueError(f"needs erp_orders{suggest('erp_orders', value)}: without orders there is no demand")
        return value
