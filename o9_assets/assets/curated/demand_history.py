"""Demand history: what was ordered, shipped and returned, on a complete spine of partial weeks.

A series begins with the first thing that moved and ends with the last delivery, or with a demand ahead of it. A run
makes only the partial weeks anew that something touched (docs/demand_history.md) and carries the others over as they
were; it makes the whole anew when settings, queries or the engine are others, when shipments, stock or promotions were
read again, or when it is asked to.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.curated import demand_history_checks
from o9_assets.assets.curated.inputs import (
    changed_rows,
    feed_view,
    fingerprint,
    keep_factors,
    known_of,
    log_settings,
    raw_deps,
    session,
    stored_factors,
)
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.order_lines import ALL_DAYS, ORDER_LINES, TOUCHED
from o9_assets.assets.curated.parts import in_parts
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.raw.uom_conversions import UOM_CONVERSIONS
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.failures import Permanent
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from o9_assets.demand.delivery import Known
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

DEMAND_HISTORY = Dataset(
    "curated.demand_history",
    "One row per item, location, channel and partial week from the first movement to the last delivery. "
    "A measure is null, never zero, where it is unknown or the company has no such feed. Weeks are sums of these rows.",
    (
        Column("month_start", "date", "First day of the (fiscal) month that holds the bucket; the partition", True),
        Column("bucket_start", "date", "First day of the partial week", True),
        Column("week_start", "date", "First day of the week that holds it", True),
        Column("item_code", "string", "Item", True),
        Column("location_code", "string", "Planning location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column("state", "string", "sold, true_zero, missing, out_of_stock, not_yet_listed or delisted", True),
        Column("orders_quantity", "decimal(18,4)", "Ordered, base units, without returns; null where missing"),
        Column(
            "returns_quantity", "decimal(18,4)", "Returned, base units, as booked; null where missing and none known"
        ),
        Column("shipments_quantity", "decimal(18,4)", "Shipped, base units; null without a shipment feed"),
        Column("orders_value", "decimal(18,4)", "Value of orders, company currency; null where missing"),
        Column("order_line_count", "int64", "Order lines behind orders_quantity and returns_quantity", True),
        Column("is_complete", "boolean", "Every object that the delivery calendar expects is in", True),
        Column("out_of_stock_days", "int32", "Days without stock; null without an inventory feed"),
        Column("promotion_days", "int32", "Days on promotion; null without a promotion feed"),
        Column("days", "int32", "Days in the partial week", True),
    ),
    key=("bucket_start", "item_code", "location_code", "channel_code"),
    partition_by=("month_start",),
)

FEEDS = ("erp_shipments", "inventory", "promotions")
"""Feeds whose new rows touch partial weeks; changed orders come from the marks of curated.order_lines."""


class Weeks(dg.Config):
    """Days whose partial weeks are made anew, both included."""

    from_: str = Field(alias="from", description="First day, such as 2025-03-01")
    to: str = Field(description="Last day")

    def days(self) -> tuple[date, date]:
        """First and last day. Raises Permanent for a text that is no day."""
        try:
            return date.fromisoformat(self.from_), date.fromisoformat(self.to)
        except ValueError as error:
            raise Permanent(f"weeks: {error}.", remedy="Give days as 2025-03-01.") from error


class DemandHistoryConfig(dg.Config):
    """What a person can ask for."""

    rebuild: bool = Field(False, description="Make the whole anew, though nothing asks for it")
    weeks: Weeks | None = Field(None, description="Make these weeks anew, though nothing asks for it")


@dataclass
class Made:
    """What a run did: partial weeks made anew (None for all of them), and the months that hold them."""

    buckets: list[date] | None = None
    months: list[date] = field(default_factory=list)


def make(
    settings: Settings,
    lake: "Lake",
    engine: "Engine",
    now: "datetime",
    *,
    rebuild: bool = False,
    weeks: tuple[date, date] | None = None,
) -> Made:
    """Bring the table up to date with lines and feeds. Raises CommitConflict when another run did so meanwhile."""
    from o9_assets.demand import history as pure
    from o9_assets.demand.delivery import Known
    from o9_assets.demand.parameters import parameters
    from o9_assets.landing.accepted import listed_as
    from o9_assets.resources.lake import everything, isin

    log_settings(lake, settings, now)
    # The snapshot before its marks: what another run writes in between is then refused.
    base = lake.snapshot_id(DEMAND_HISTORY)
    marks = lake.marks(DEMAND_HISTORY)
    # Marks before rows: what a run in between adds is told again next time.
    line_marks = lake.marks(ORDER_LINES)
    days = _touched(line_marks, int(marks.get("order_lines.run", "0")))
    given = parameters(settings)
    with session(engine) as con:
        new_marks: dict[str, str | None] = {"order_lines.run": line_marks.get("run", "0")}
        # Watermarks before rows, for the same reason.
        for feed in FEEDS:
            changes = changed_rows(con, lake, settings, feed, f"new_{short(feed)}", marks)
            new_marks |= {f"{feed}.seq": str(changes.seq), f"{feed}.objects": str(changes.listed)}
            # What an object said before it was read again is gone, and with it the weeks that it touched.
            rebuild = rebuild or changes.listed_before < int(marks.get(f"{feed}.objects", "0"))
        new_marks["fingerprint"] = f"{fingerprint(settings)}/{_inputs(con, lake, settings)}"
        new_marks["items.snapshot"] = str(lake.view(con, "items", ITEMS))
        rebuild = rebuild or base is None or marks.get("fingerprint") != new_marks["fingerprint"]
        rebuild = not stored_factors(con, lake, DEMAND_HISTORY.name, marks) or rebuild
        lake.view(con, "stored_history", DEMAND_HISTORY, snapshot_id=base)
        known = {
            "erp_orders": known_of(con, lake, settings, "erp_orders"),
            "erp_shipments": known_of(con, lake, settings, "erp_shipments", manifest=listed_as("erp_shipments")),
        }
        new_marks |= {f"{feed}.known": str(those) for feed, those in known.items()}
        before = {f: Known.parse(marks.get(f"{f}.known", "none"), those.delivery) for f, those in known.items()}
        register_calendar(con, settings, known, before, None if rebuild else days)
        if rebuild or days is None:
            months = pure.build(con, given)
            new_marks["factors"] = keep_factors(con, lake, DEMAND_HISTORY.name, marks)
            rows = in_parts(con, months.values(), "stored_history")
            lake.overwrite(DEMAND_HISTORY, rows, everything(), marks=new_marks, based_on=base)
            return Made()
        if weeks is not None:
            days += [weeks[0] + timedelta(days=n) for n in range((weeks[1] - weeks[0]).days + 1)]
        con.execute("CREATE TEMP TABLE other_days AS SELECT unnest($1::DATE[]) AS date", [days]).fetchall()
        refreshed = pure.refresh(con, given, items_changed=marks.get("items.snapshot") != new_marks["items.snapshot"])
        new_marks["factors"] = keep_factors(con, lake, DEMAND_HISTORY.name, marks)
        if refreshed.months or any(marks.get(key) != value for key, value in new_marks.items()):
            rows = in_parts(con, refreshed.months.values(), "stored_history")
            where = isin("month_start", refreshed.months)
            lake.overwrite(DEMAND_HISTORY, rows, where, marks=new_marks, based_on=base)
    return Made(refreshed.buckets, list(refreshed.months))


def register_calendar(
    con: "duckdb.DuckDBPyConnection",
    settings: Settings,
    known: "dict[str, Known]",
    before: "dict[str, Known] | None" = None,
    changed: list[date] | None = None,
) -> None:
    """Register days and partial weeks from the first to the last day of anything on the connection.

    `changed` are the days whose lines changed since history was stored, which holds those of all others; without it,
    every line is asked.
    """
    from o9_assets.demand.spine import calendar_tables
    from o9_assets.planning.calendar import Calendar

    found = con.execute(
        f"""
        SELECT min(demand_date), max(demand_date) FROM lines WHERE {changed is None}
        UNION ALL SELECT min(ship_date), max(ship_date) FROM accepted_shipments
        UNION ALL SELECT min(bucket_start), max(bucket_start) FROM stored_history
        """
    ).fetchall()
    orders, shipments = known["erp_orders"], known["erp_shipments"]
    told = (*found, (orders.first, orders.last), changed or ())
    days = [day for some in told for day in some if day is not None]
    first, last = (min(days), max(days)) if days else (date(2000, 1, 1), date(2000, 1, 1))
    calendar_tables(
        con,
        Calendar(settings.calendar),
        first,
        last,
        orders=orders,
        shipments=shipments,
        orders_before=before["erp_orders"] if before else None,
        shipments_before=before["erp_shipments"] if before else None,
    )


def short(feed: str) -> str:
    """A feed's name in the queries."""
    return feed.removeprefix("erp_")


def _inputs(con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings) -> str:
    """Register order lines, places and, as `changed_rows` found them listed, feeds; returns a hash of places where
    planning is by customer."""
    from o9_assets.landing.accepted import listed_as
    from o9_assets.resources.lake import equal, isin

    lake.view(con, "lines", ORDER_LINES)
    lake.view(con, "locations", LOCATIONS, where=equal("is_current", True))
    con.execute("CREATE TEMP TABLE places AS SELECT location_code, customer_code FROM locations")
    for feed in FEEDS:
        feed_view(con, lake, settings, feed, f"accepted_{short(feed)}", manifest=listed_as(feed))
    if "erp_shipments" in settings.feeds:
        feed_view(con, lake, settings, "uom_conversions", "conversion_versions")
    else:  # lines come in base units
        lake.view(con, "conversion_versions", UOM_CONVERSIONS, where=isin("object_id", []))
    if "customer_code" not in (settings.grain.location, settings.grain.channel):
        return ""
    from hashlib import sha256

    rows = con.execute("SELECT * FROM places ORDER BY ALL").fetchall()
    return sha256(repr(rows).encode()).hexdigest()[:16]


def _touched(line_marks: dict[str, str], taken: int) -> list[date] | None:
    """Days whose order lines changed since run `taken` of curated.order_lines; None where all may have."""
    if int(line_marks.get("run", "0")) < taken:
        return None
    days: list[date] = []
    for key, value in line_marks.items():
        if key.startswith(TOUCHED) and int(key.removeprefix(TOUCHED)) > taken:
            if value == ALL_DAYS:
                return None
            days += [date.fromisoformat(day) for day in value.split(",")]
    return days


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        DEMAND_HISTORY,
        kinds={"iceberg", "duckdb"},
        deps=[
            ORDER_LINES.asset_key,
            ITEMS.asset_key,
            LOCATIONS.asset_key,
            *raw_deps(settings, *FEEDS, "uom_conversions"),
        ],
        automation=after_new_input(),
    )
    def demand_history(
        context: dg.AssetExecutionContext,
        config: DemandHistoryConfig,
        lake: LakeResource,
        engine: EngineResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.assets.curated.demand_history_report import told

        room = lake.open()
        weeks = config.weeks.days() if config.weeks else None
        made = make(settings, room, engine.open(), clock.now(), rebuild=config.rebuild, weeks=weeks)
        return dg.MaterializeResult(metadata=told(settings, room, engine.open(), made.buckets, made.months))

    return [demand_history, *demand_history_checks.build(settings, demand_history)]
