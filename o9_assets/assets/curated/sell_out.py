"""Sell-out in our terms: what shops sold to consumers, by our item, region and week.

Made from the provider's sell-out and its product reference. A retailer's own code goes before the GTIN; regions are
those of our locations, renamed where the settings say so. What cannot be mapped stays here with its issue and counts
for nothing; a check names it with its volume.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.inputs import session
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.market_inputs import (
    PRODUCTS_FEED,
    SELL_OUT_FEED,
    register_feed,
    register_items,
    register_regions,
)
from o9_assets.assets.curated.masters import replace_if_changed
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.tables import table
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

if TYPE_CHECKING:
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["SELL_OUT", "build", "make"]

SELL_OUT = Dataset(
    "curated.sell_out",
    "One row per retailer, retailer's item, region and week: the newest version, mapped where it can be.",
    (
        Column("week_start", "date", "First day of our week that holds the middle of the provider's", True),
        Column("week_end_date", "date", "Last day of the provider's week", True),
        Column("retailer_code", "string", "Retailer, as the provider calls it", True),
        Column("retailer_item_code", "string", "The retailer's own code of the item", True),
        Column("gtin", "string", "Number on the pack, where the provider gives it"),
        Column("source_region_name", "string", "Region, as the provider calls it", True),
        Column("region_name", "string", "Region of our locations; null where none has the name"),
        Column("item_code", "string", "Our item; null where the product reference names none, or more than one"),
        Column("issue", "string", "unknown_product, ambiguous_product, unknown_item, unknown_region; null where sound"),
        Column("quantity", "decimal(18,4)", "Packs sold to consumers", True),
        Column("base_quantity", "decimal(18,4)", "Base units of our item; null where the row has an issue"),
        Column("sales_value", "decimal(18,4)", "What consumers paid, company currency"),
        Column("known_at", "timestamp", "When this version became known (UTC)", True),
        Column("object_name", "string", "Landed object that holds it", True),
        Column("line", "int64", "Record in that object", True),
    ),
    key=("retailer_code", "retailer_item_code", "source_region_name", "week_end_date"),
)


def make(settings: Settings, lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Bring the table up to date; returns what there is to tell."""
    from o9_assets.market.queries import product_map, sell_out

    with session(engine) as con:
        register_feed(con, lake, settings, SELL_OUT_FEED, "sell_out_versions")
        register_feed(con, lake, settings, PRODUCTS_FEED, "product_versions")
        register_items(con, lake)
        register_regions(con, lake, settings)
        product_map(con)
        sell_out(con, settings.calendar.week_start)
        changed = replace_if_changed(con, lake, SELL_OUT, "sell_out")
        rows = con.execute(
            "SELECT coalesce(issue, 'mapped'), count(*), sum(quantity) FROM sell_out GROUP BY 1 ORDER BY 1"
        ).fetchall()
        [(first, last)] = con.execute("SELECT min(week_start), max(week_start) FROM sell_out").fetchall()
    count = Counter({issue: rows_ for issue, rows_, _ in rows})
    return {
        "dagster/row_count": count.total(),
        "mapped rows": count["mapped"],
        "rows with an issue": count.total() - count["mapped"],
        "rows changed": changed,
        "weeks": f"{first} to {last}",
        "rows by issue": table(
            {"what": "string", "rows": "int", "packs": "float"}, [(i, n, float(q)) for i, n, q in rows]
        ),
    }


def build(settings: Settings) -> list[Any]:
    """The asset and its checks, where the company has the feed."""
    if SELL_OUT_FEED not in settings.feeds:
        return []
    feeds = [feed for feed in (SELL_OUT_FEED, PRODUCTS_FEED) if feed in settings.feeds]

    @dataset_asset(
        SELL_OUT,
        kinds={"iceberg", "duckdb"},
        deps=[*(["raw", feed] for feed in feeds), ITEMS.asset_key, LOCATIONS.asset_key],
        automation=after_new_input(),
    )
    def sell_out(context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=make(settings, lake.open(), engine.open()))

    @dg.asset_check(
        asset=sell_out,
        name="every_row_accounted_for",
        blocking=True,
        description="accepted = rows that stand + versions that a later one took the place of + deleted rows.",
    )
    def every_row_accounted_for(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        room = lake.open()
        with session(engine.open()) as con:
            register_feed(con, room, settings, SELL_OUT_FEED, "accepted")
            room.view(con, "sell_out", SELL_OUT)
            [(accepted, keys, deleted)] = con.execute(
                """
                SELECT coalesce(sum(versions), 0), count(*), count(*) FILTER (WHERE last_op = 'D') FROM (
                    SELECT count(*) AS versions, arg_max(op, (changed_at, change_seq, known_at, object_name, line,
                        object_id)) AS last_op
                    FROM accepted GROUP BY retailer_code, retailer_item_code, region_name, week_end_date
                )
                """
            ).fetchall()
            [(rows, distinct)] = con.execute(
                "SELECT count(*), count(DISTINCT (retailer_code, retailer_item_code, source_region_name, "
                "week_end_date)) FROM sell_out"
            ).fetchall()
        return dg.AssetCheckResult(
            passed=rows == distinct == keys - deleted,
            description=f"{accepted:,} accepted = {rows:,} that stand + {accepted - keys:,} superseded + {deleted:,} "
            f"deleted; {rows - distinct:,} are there more than once",
        )

    @dg.asset_check(
        asset=sell_out,
        name="products_and_regions_known",
        description="Every row is of a product and a region that we know; others are named with their volume.",
    )
    def products_and_regions_known(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with session(engine.open()) as con:
            lake.open().view(con, "sell_out", SELL_OUT)
            unmapped = con.execute(
                """
                SELECT issue, CASE WHEN issue = 'unknown_region' THEN source_region_name
                    ELSE retailer_code || ' ' || retailer_item_code || coalesce(' (GTIN ' || gtin || ')', '') END,
                    count(*), sum(quantity), sum(sales_value)
                FROM sell_out WHERE issue IS NOT NULL GROUP BY ALL ORDER BY abs(sum(quantity)) DESC, 2
                """
            ).fetchall()
        packs = sum(row[3] for row in unmapped)
        named = ", ".join(f"{which} ({quantity:,.0f} packs)" for _, which, _, quantity, _ in unmapped[:5])
        return dg.AssetCheckResult(
            passed=not unmapped,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{packs:,.0f} packs of {len(unmapped):,} products or regions are not mapped: {named}"
            if unmapped
            else None,
            metadata={
                "unmapped": table(
                    {"issue": "string", "which": "string", "rows": "int", "packs": "float", "value": "float"},
                    [
                        (issue, which, rows, float(quantity), None if value is None else float(value))
                        for issue, which, rows, quantity, value in unmapped[:200]
                    ],
                )
            },
        )

    return [sell_out, every_row_accounted_for, products_and_regions_known]
