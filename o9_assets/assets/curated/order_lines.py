"""Order lines in their latest version, each with its kind and its quantity in base units.

The table holds current versions. A run merges what came since the last one and rewrites the months of `order_date` that
hold a changed line; it makes the whole anew when settings, queries or the engine are others, or when it is asked to.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.curated import order_line_checks
from o9_assets.assets.curated.inputs import (
    feed_view,
    fingerprint,
    keep_factors,
    log_settings,
    raw_deps,
    session,
    stored_factors,
)
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.parts import in_parts
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.tables import table
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

if TYPE_CHECKING:
    from datetime import date, datetime

    import duckdb

    from o9_assets.landing.accepted import Changes
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

ORDER_LINES = Dataset(
    "curated.order_lines",
    "One row per order line that stands: its latest version, deletions honoured. A line that cannot count as demand "
    "is kept and says why in `issue`.",
    (
        Column("order_month", "date", "First day of the month of `order_date`; the partition", True),
        Column("key_hash", "int64", "Hash of order_id and order_line, by which changes find a line's partition", True),
        Column("order_id", "string", "Order or invoice number", True),
        Column("order_line", "string", "Line within the order", True),
        Column(
            "kind_rule", "int32", "Rule of the settings it meets; 0 none, -1 negative, -2 names a cancelled line", True
        ),
        Column("kind", "string", "sale, return, cancellation, cancelled, or a kind that the settings name", True),
        Column("counts_as", "string", "orders, returns or none: the demand measure it adds to", True),
        Column("item_code", "string", "Item as ordered", True),
        Column("location_code", "string", "Planning location", True),
        Column("channel_code", "string", "Channel; ALL where the company plans without", True),
        Column("customer_code", "string", "Customer; null where the source has none"),
        Column("order_date", "date", "Day of the order", True),
        Column("demand_date", "date", "Day the demand falls on: the settings choose order or requested date", True),
        Column("quantity", "decimal(18,4)", "As ordered, in `uom_code`", True),
        Column("uom_code", "string", "Unit of measure as ordered"),
        Column("base_quantity", "decimal(18,4)", "Quantity in base units; null where it cannot be converted"),
        Column("value", "decimal(18,4)", "quantity × unit price, company currency; null without a price"),
        Column("issue", "string", "Why the line does not count, such as unknown_uom; null where it counts"),
        Column("cancels_order_id", "string", "Order whose line this one cancels, where the source names it"),
        Column("cancels_order_line", "string", "Line that this one cancels"),
        Column("changed_at", "timestamp", "Change time of this version (UTC)", True),
        Column("change_seq", "int64", "Sequence among equal change times", True),
        Column("known_at", "timestamp", "When this version became known (UTC)", True),
        Column("object_id", "string", "Landed object it came from", True),
        Column("object_name", "string", "Name of that object", True),
        Column("line", "int64", "Record in that object", True),
    ),
    key=("order_id", "order_line"),
    partition_by=("order_month",),
)

TOUCHED = "touched."
"""Marks that tell demand history which days changed, by the number of the run that changed them."""
ALL_DAYS = "all"


class OrderLinesConfig(dg.Config):
    """What a person can ask for."""

    rebuild: bool = Field(False, description="Make the whole from raw rows, though nothing asks for it")


@dataclass
class Made:
    """What a run did."""

    rebuilt: bool
    months: "list[date]" = field(default_factory=list)
    demand_days: "list[date]" = field(default_factory=list)
    lines_changed: int = 0


def make(settings: Settings, lake: "Lake", engine: "Engine", now: "datetime", *, rebuild: bool = False) -> Made:
    """Bring the table up to date with the raw rows. Raises CommitConflict when another run did so meanwhile."""
    from o9_assets.demand import order_lines as pure
    from o9_assets.demand.datasets import DELETED_LINES
    from o9_assets.demand.parameters import parameters
    from o9_assets.landing.accepted import changes_since, listed_as
    from o9_assets.resources.lake import everything, isin

    log_settings(lake, settings, now)
    # Snapshots before marks: what another run writes in between is then refused, and not taken for what it was made of.
    base, deletions = lake.snapshot_id(ORDER_LINES), lake.snapshot_id(DELETED_LINES)
    marks = lake.marks(ORDER_LINES)
    made_with = fingerprint(settings)
    run = int(marks.get("run", "0")) + 1
    rebuild = rebuild or base is None or marks.get("fingerprint") != made_with
    given = parameters(settings)
    # Every reader of a run sees the objects of one moment.
    landed = listed_as("erp_orders")
    with session(engine) as con:
        rebuild = not stored_factors(con, lake, ORDER_LINES.name, marks) or rebuild
        changes = changes_since(con, lake, "erp_orders", 0 if rebuild else int(marks["erp_orders.seq"]))
        new_marks: dict[str, str | None] = {
            "fingerprint": made_with,
            "run": str(run),
            "erp_orders.seq": str(changes.seq),
            "erp_orders.objects": str(changes.listed),
            **dict.fromkeys(_consumed(lake, marks), None),
        }
        feed_view(con, lake, settings, "uom_conversions", "conversion_versions")
        lake.view(con, "items", ITEMS)
        if rebuild:
            feed_view(con, lake, settings, "erp_orders", "accepted_orders", manifest=landed)
            months = pure.build(con, given)
            lake.view(con, "stored_lines", ORDER_LINES)
            lake.overwrite(DELETED_LINES, con.table("deleted_lines"), everything(), based_on=deletions)
            new_marks[f"{TOUCHED}{run}"] = ALL_DAYS
            new_marks["factors"] = keep_factors(con, lake, ORDER_LINES.name, marks)
            rows = in_parts(con, months.values(), "stored_lines")
            lake.overwrite(ORDER_LINES, rows, everything(), marks=new_marks, based_on=base)
            return Made(rebuilt=True, lines_changed=lake.row_count(ORDER_LINES))
        _changes(con, lake, settings, changes, marks)
        lake.view(con, "stored_lines", ORDER_LINES, snapshot_id=base)
        lake.view(con, "stored_deletions", DELETED_LINES, snapshot_id=deletions)
        merge = pure.merge(
            con,
            given,
            changes.new_rows,
            lambda: feed_view(con, lake, settings, "erp_orders", "all_orders", manifest=landed),
        )
        new_marks["factors"] = keep_factors(con, lake, ORDER_LINES.name, marks)
        # A crash after this leaves deletions that the lines do not know; the next run looks at the same lines again.
        if merge.undeleted:
            lake.overwrite(DELETED_LINES, con.table("deleted_lines"), everything(), based_on=deletions)
        elif merge.deleted:
            lake.overwrite(DELETED_LINES, con.table("newly_deleted"), isin("key_hash", []), based_on=deletions)
        if merge.demand_days:
            new_marks[f"{TOUCHED}{run}"] = ",".join(day.isoformat() for day in merge.demand_days)
        if merge.months or any(new_marks[mark] != marks.get(mark) for mark in ("erp_orders.seq", "factors")):
            where = isin("order_month", merge.months)
            rows = in_parts(con, merge.months.values(), "stored_lines")
            lake.overwrite(ORDER_LINES, rows, where, marks=new_marks, based_on=base)
    return Made(False, list(merge.months), merge.demand_days, merge.lines_changed)


def _changes(
    con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings, changes: "Changes", marks: dict[str, str]
) -> None:
    """Register new rows and rows that became void."""
    from o9_assets.assets.raw.erp_orders import ERP_ORDERS
    from o9_assets.landing.accepted import listed_as
    from o9_assets.resources.lake import isin

    after, landed = int(marks["erp_orders.seq"]), listed_as("erp_orders")
    feed_view(con, lake, settings, "erp_orders", "accepted_orders", after_seq=after, manifest=landed)
    # Of one that came and was replaced since, a run that died may have left deletions, or taken some back.
    void = [*changes.replaced_objects, *changes.passed_objects]
    lake.view(con, "replaced_orders", ERP_ORDERS, where=isin("object_id", void))
    objects = [*changes.new_objects, *changes.passed_objects]
    # A lake of an earlier version does not say how many there were; then any may have been read again.
    none_again = changes.listed_before == int(marks.get("erp_orders.objects", "-1"))
    for name, listed in (("new_objects", objects), ("reread_objects", [] if none_again else objects)):
        con.execute(f"CREATE TEMP TABLE {name} AS SELECT unnest($1::VARCHAR[]) AS object_id", [listed]).fetchall()


def _consumed(lake: "Lake", marks: dict[str, str]) -> list[str]:
    """Marks of touched days that demand history has taken up."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY

    taken = int(lake.marks(DEMAND_HISTORY).get("order_lines.run", "0"))
    return [key for key in marks if key.startswith(TOUCHED) and int(key.removeprefix(TOUCHED)) <= taken]


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        ORDER_LINES,
        kinds={"iceberg", "duckdb"},
        deps=[*raw_deps(settings, "erp_orders", "uom_conversions"), ITEMS.asset_key],
        automation=after_new_input(),
    )
    def order_lines(
        context: dg.AssetExecutionContext,
        config: OrderLinesConfig,
        lake: LakeResource,
        engine: EngineResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        room = lake.open()
        made = make(settings, room, engine.open(), clock.now(), rebuild=config.rebuild)
        return dg.MaterializeResult(metadata={**_told(made), **_account(room, engine.open())})

    return [order_lines, *order_line_checks.build(settings, ORDER_LINES, order_lines)]


def _told(made: Made) -> dict[str, Any]:
    if made.rebuilt:
        return {"made": "the whole, from raw rows"}
    return {
        "made": "merged what came since the last run",
        "lines changed": made.lines_changed,
        "months rewritten": ", ".join(f"{month:%Y-%m}" for month in made.months) or "none",
        "days of demand changed": len(made.demand_days),
    }


def _account(lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Lines by kind and by issue."""
    with engine.connect() as con:
        lake.view(con, "lines", ORDER_LINES, columns=["kind", "counts_as", "issue", "base_quantity"])
        rows = con.execute(
            """
            SELECT kind, counts_as, issue, count(*), CAST(sum(base_quantity) AS DOUBLE)
            FROM lines GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()
    issues: Counter[str] = Counter()
    for _, _, issue, lines, _ in rows:
        if issue is not None:
            issues[issue] += lines
    found: dict[str, Any] = {
        "dagster/row_count": sum(row[3] for row in rows),
        "lines by kind": table(
            {"kind": "string", "counts as": "string", "issue": "string", "lines": "int", "base units": "float"},
            [(kind, counts_as, issue or "", lines, units or 0.0) for kind, counts_as, issue, lines, units in rows],
        ),
    }
    for issue, lines in sorted(issues.items()):
        found[f"issue {issue}"] = lines
    return found
