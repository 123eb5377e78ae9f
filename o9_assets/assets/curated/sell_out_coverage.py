"""How much of what we ship the sell-out sees: by item and region, over the last year that it reaches.

A forecast that leans on sell-out is as good as its coverage. Where the company has no shipment feed there is nothing
to compare with, and the table is empty but for what was sold.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.inputs import session
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.market_inputs import SELL_OUT_FEED, places
from o9_assets.assets.curated.masters import replace_if_changed
from o9_assets.assets.curated.sell_out import SELL_OUT
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.assets.tables import table
from o9_assets.automation import after_new_input
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["SELL_OUT_COVERAGE", "build", "make"]

SELL_OUT_COVERAGE = Dataset(
    "curated.sell_out_coverage",
    "One row per item and region with shipments or sell-out in the last 52 weeks that the sell-out reaches.",
    (
        Column("item_code", "string", "Item", True),
        Column("region_name", "string", "Region; UNKNOWN where a location has none", True),
        Column("shipped_weeks", "int64", "Weeks in which we shipped", True),
        Column("covered_weeks", "int64", "Of these, weeks with sell-out", True),
        Column("shipped_quantity", "decimal(38,4)", "What we shipped, base units", True),
        Column("covered_quantity", "decimal(38,4)", "Of this, in weeks with sell-out", True),
        Column("covered_share", "double", "covered_quantity / shipped_quantity; null where nothing was shipped"),
        Column("sell_out_quantity", "decimal(38,4)", "What shops sold, base units", True),
        Column("sell_out_ratio", "double", "sell_out_quantity / covered_quantity; null where nothing is covered"),
    ),
    key=("item_code", "region_name"),
)
# Shares over items add up in value, since base units differ; without prices they add up in base units.
SHARE = """
    sum(covered_quantity * {price}) / nullif(sum(shipped_quantity * {price}), 0)
"""


def make(settings: Settings, lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Bring the table up to date; returns what there is to tell."""
    from o9_assets.market.queries import coverage

    with session(engine) as con:
        lake.view(con, "history", DEMAND_HISTORY)
        lake.view(con, "sell_out", SELL_OUT)
        lake.view(con, "locations", LOCATIONS)
        lake.view(con, "items", ITEMS)
        places(con, settings)
        coverage(con)
        changed = replace_if_changed(con, lake, SELL_OUT_COVERAGE, "coverage")
        share = _share(con)
        regions = _by(con, "region_name")
        top = _by(con, "item_code")
        cells = con.execute("SELECT item_code, region_name, covered_share FROM coverage").fetchall()
    metadata: dict[str, Any] = {
        "dagster/row_count": len(cells),
        "rows changed": changed,
        "share of shipped value covered": "nothing was shipped" if share is None else round(share, 4),
        "by region": table(
            {"region": "string", "share": "float", "packs to shipments": "float"},
            [(r, _rounded(s), _rounded(q)) for r, _, s, q in regions],
        ),
        "by item": table(
            {"item": "string", "share": "float", "sold to shipped": "float"},
            [(i, _rounded(s), _rounded(q)) for i, _, s, q in top[:200]],
        ),
    }
    if share is not None:
        metadata["coverage"] = _picture([i for i, *_ in top[:30]], [r for r, *_ in regions], cells)
    return metadata


def _price(con: "duckdb.DuckDBPyConnection") -> str:
    [(priced,)] = con.execute(
        "SELECT count(*) FROM coverage JOIN items USING (item_code) WHERE list_price > 0"
    ).fetchall()
    return "list_price" if priced else "1"


def _share(con: "duckdb.DuckDBPyConnection") -> float | None:
    sql = SHARE.format(price=_price(con))
    [(share,)] = con.execute(f"SELECT {sql} FROM coverage LEFT JOIN items USING (item_code)").fetchall()
    return None if share is None else float(share)


def _by(con: "duckdb.DuckDBPyConnection", column: str) -> list[tuple[str, Any, Any, Any]]:
    """Name, shipped, covered share and ratio of sell-out to covered shipments; the most shipped first."""
    price = _price(con)
    return con.execute(
        f"""
        SELECT {column}, sum(shipped_quantity * {price}) AS shipped, {SHARE.format(price=price)},
            sum(sell_out_quantity * {price}) / nullif(sum(covered_quantity * {price}), 0)
        FROM coverage LEFT JOIN items USING (item_code) GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1
        """
    ).fetchall()


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 4)


def _picture(items: list[str], regions: list[str], cells: list[tuple[str, str, float | None]]) -> Any:
    """Coverage of the most shipped items by region; white where nothing was shipped."""
    share = {(item, region): covered for item, region, covered in cells}
    grid = [[share.get((item, region)) for item in items] for region in regions]
    figure = new_figure(max(6, 0.28 * len(items) + 2), 0.35 * len(regions) + 1.4)
    axes = figure.subplots()
    values = [[float("nan") if value is None else value for value in row] for row in grid]
    image = axes.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(items)), items, rotation=90, fontsize=7)
    axes.set_yticks(range(len(regions)), regions, fontsize=8)
    figure.colorbar(image, ax=axes, label="share of shipments covered")
    return picture(figure, "Share of shipped volume that sell-out covers, by item and region")


def build(settings: Settings) -> list[Any]:
    """The asset and its check, where the company has the feed."""
    if SELL_OUT_FEED not in settings.feeds:
        return []

    @dataset_asset(
        SELL_OUT_COVERAGE,
        kinds={"iceberg", "duckdb"},
        deps=[SELL_OUT.asset_key, DEMAND_HISTORY.asset_key, LOCATIONS.asset_key, ITEMS.asset_key],
        automation=after_new_input(),
    )
    def sell_out_coverage(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource
    ) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=make(settings, lake.open(), engine.open()))

    @dg.asset_check(
        asset=sell_out_coverage,
        name="sell_out_covers_shipments",
        description="The sell-out covers as large a share of what we ship as the settings ask for.",
    )
    def sell_out_covers_shipments(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        wanted = settings.third_party.min_coverage
        with session(engine.open()) as con:
            room = lake.open()
            room.view(con, "coverage", SELL_OUT_COVERAGE)
            room.view(con, "items", ITEMS)
            share = _share(con)
        if share is None:
            said = "nothing was shipped in the weeks of the sell-out, so there is nothing to compare with"
        else:
            said = f"{share:.1%} of shipped value is covered; {wanted:.0%} is asked for"
        return dg.AssetCheckResult(
            passed=share is None or share >= wanted, severity=dg.AssetCheckSeverity.WARN, description=said
        )

    return [sell_out_coverage, sell_out_covers_shipments]
