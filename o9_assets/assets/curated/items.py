"""Items as planning sees them: one current row each, with what replaces what.

Made from the item master, the item transitions and the items that orders name. Where the company has no master, or it
lacks an item, the item is here all the same with `in_master` false: an order for it is demand.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.inputs import feed_view, log_settings, raw_deps, session
from o9_assets.assets.curated.masters import replace_if_changed
from o9_assets.assets.declare import dataset_asset
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

ITEMS = Dataset(
    "curated.items",
    "One row per item that a master or an order names.",
    (
        Column("item_code", "string", "Item", True),
        Column("item_name", "string", "Text"),
        Column("brand_name", "string", "Brand"),
        Column("category_name", "string", "Category"),
        Column("base_uom_code", "string", "Unit that planning counts in"),
        Column("list_price", "decimal(18,4)", "List price per base unit, company currency"),
        Column("listed_from_date", "date", "First day on which it can be ordered"),
        Column("delisted_from_date", "date", "First day on which it can no longer be ordered"),
        Column("successor_item_code", "string", "Item that replaces it, followed to the end of the chain"),
        Column("succeeded_from_date", "date", "First day on which the direct successor is ordered"),
        Column("in_master", "boolean", "False where only orders name the item", True),
        Column("known_at", "timestamp", "When this version became known (UTC)", True),
    ),
    key=("item_code",),
)


def register(
    con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings, *, as_of: "datetime | None" = None
) -> None:
    """Leave the table `items` of a connection, as known at a moment or now. Raises TransitionCycle."""
    import pyarrow as pa

    from o9_assets.demand.parameters import parameters
    from o9_assets.demand.queries import query
    from o9_assets.demand.steps import table, view
    from o9_assets.demand.transitions import follow

    given = parameters(settings)
    feed_view(con, lake, settings, "erp_items", "item_versions", as_of=as_of)
    feed_view(con, lake, settings, "erp_orders", "accepted_orders", as_of=as_of)
    feed_view(con, lake, settings, "item_transitions", "transition_versions", as_of=as_of)
    view(con, "order_items", query("order_items", given))
    found = follow(con.execute(query("transitions", given)).fetchall())
    successors = pa.table(
        {
            "item_code": pa.array(list(found), pa.string()),
            "successor_item_code": pa.array([s.item_code for s in found.values()], pa.string()),
            "succeeded_from_date": pa.array([s.succeeded_from for s in found.values()], pa.date32()),
        }
    )
    con.register("successors__arrow", successors)
    table(
        con,
        "items",
        f"SELECT i.*, s.successor_item_code, s.succeeded_from_date FROM ({query('items', given)}) AS i "
        "LEFT JOIN successors__arrow AS s USING (item_code)",
    )
    con.unregister("successors__arrow")


def make(settings: Settings, lake: "Lake", engine: "Engine", now: "datetime") -> dict[str, Any]:
    """Bring the table up to date; returns what there is to tell."""
    log_settings(lake, settings, now)
    with session(engine) as con:
        register(con, lake, settings)
        changed = replace_if_changed(con, lake, ITEMS, "items")
        rows = con.execute("SELECT in_master, successor_item_code IS NOT NULL FROM items").fetchall()
    masters = Counter(row[0] for row in rows)
    return {
        "dagster/row_count": len(rows),
        "in a master": masters[True],
        "named by orders only": masters[False],
        "replaced by another": sum(row[1] for row in rows),
        "rows changed": changed,
    }


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        ITEMS,
        kinds={"iceberg", "duckdb"},
        deps=raw_deps(settings, "erp_items", "item_transitions", "erp_orders"),
        automation=after_new_input(),
    )
    def items(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, clock: ClockResource
    ) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=make(settings, lake.open(), engine.open(), clock.now()))

    @dg.asset_check(
        asset=items,
        name="one_row_per_item",
        blocking=True,
        description="No item twice, and every item that an order names is there.",
    )
    def one_row_per_item(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.demand.parameters import parameters
        from o9_assets.demand.queries import query

        room = lake.open()
        with session(engine.open()) as con:
            room.view(con, "items", ITEMS)
            feed_view(con, room, settings, "erp_orders", "accepted_orders")
            twice = con.execute("SELECT item_code FROM items GROUP BY ALL HAVING count(*) > 1 LIMIT 10").fetchall()
            absent = con.execute(
                f"SELECT item_code FROM ({query('order_items', parameters(settings))}) "
                "ANTI JOIN items USING (item_code) LIMIT 10"
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not twice and not absent,
            description="; ".join(
                [f"{code} is there more than once" for (code,) in twice]
                + [f"{code} is ordered but not there" for (code,) in absent]
            )
            or None,
        )

    return [items, one_row_per_item]
