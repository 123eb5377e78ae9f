"""Closes a planning cycle: what curated and forecast tables hold at that moment stays readable for ever.

Every table gets the tag `cycle-<date>`, which outlives expiry, so that a cycle can be read again as it was and accuracy
is measured against what was really forecast. What is closed stays as it was: closing again tags only tables that lack
the tag, unless the run is configured to reopen the cycle.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.demand_segments import DEMAND_SEGMENTS
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.cycles import cycle_partitions
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.forecast.backtest import BACKTEST
from o9_assets.assets.forecast.predictions import PREDICTIONS
from o9_assets.dataset import Column, Dataset
from o9_assets.exchange.reconciliation.tables import RECONCILIATION
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, LakeResource

__all__ = ["CYCLE_CLOSE", "CloseConfig", "build", "tag_of"]

LAST_WRITTEN = (ITEMS, LOCATIONS, ORDER_LINES, DEMAND_HISTORY, DEMAND_SEGMENTS, BACKTEST, PREDICTIONS)
CYCLE_CLOSE = Dataset(
    "lake.cycle_close",
    "One row per closed cycle and table: the snapshot that its tag holds, and the settings of that moment.",
    (
        Column("cycle", "string", "Planning cycle, the ISO date of its first day", True),
        Column("table_name", "string", "Table, such as curated.demand_history", True),
        Column("snapshot_id", "int64", "Snapshot that the tag `cycle-<date>` holds", True),
        Column("row_count", "int64", "Its rows", True),
        Column("closed_at", "timestamp", "When it was tagged (UTC)", True),
        Column("settings_hash", "string", "Hash of the planner's settings then", True),
        Column("settings_text", "string", "The planner's settings then, as written", True),
    ),
    key=("cycle", "table_name"),
    partition_by=("cycle",),
)


class CloseConfig(dg.Config):
    """`reopen` moves the tags of a cycle that is closed to what its tables hold now."""

    reopen: bool = False


def tag_of(cycle: str) -> str:
    """The tag under which a cycle's tables are read: `lake.view(..., tag=tag_of("2026-06-29"))`."""
    return f"cycle-{cycle}"


def build(settings: Settings) -> list[Any]:
    @dataset_asset(
        CYCLE_CLOSE,
        kinds={"iceberg"},
        # A break in the numbers that blocks keeps the cycle open (settings, reconciliation.severity).
        deps=[dataset.asset_key for dataset in (*LAST_WRITTEN, RECONCILIATION)],
        partitions_def=cycle_partitions(settings),
    )
    def cycle_close(
        context: dg.AssetExecutionContext, config: CloseConfig, lake: LakeResource, clock: ClockResource
    ) -> dg.MaterializeResult:
        import pyarrow as pa

        from o9_assets.assets.lake.tables import lake_tables
        from o9_assets.resources.lake import equal

        cycle, opened = context.partition_key, lake.open()
        before = opened.read(CYCLE_CLOSE, where=equal("cycle", cycle)).to_pylist()
        if before and config.reopen:
            # Open until all is tagged anew: a close after a run that died half way must not take it for closed.
            opened.overwrite(CYCLE_CLOSE, CYCLE_CLOSE.arrow_schema.empty_table(), equal("cycle", cycle))
            before = []
        rows = {row["table_name"]: row for row in before}
        for dataset in lake_tables(settings, "curated", "forecast"):
            is_closed = dataset.name in rows and tag_of(cycle) in opened.tags(dataset)
            if is_closed:
                continue
            snapshot = opened.tag(dataset, tag_of(cycle))
            if snapshot is not None:
                rows[dataset.name] = {
                    "cycle": cycle,
                    "table_name": dataset.name,
                    "snapshot_id": snapshot,
                    "row_count": opened.row_count(dataset, tag=tag_of(cycle)),
                    "closed_at": clock.now(),
                    "settings_hash": settings.hash,
                    "settings_text": settings.text,
                }
        after = sorted(rows.values(), key=lambda row: str(row["table_name"]))
        if after != sorted(before, key=lambda row: str(row["table_name"])):
            table = pa.Table.from_pylist(after, schema=CYCLE_CLOSE.arrow_schema)
            opened.overwrite(CYCLE_CLOSE, table, equal("cycle", cycle))
        listed = "\n".join(f"| {r['table_name']} | {r['snapshot_id']} | {r['row_count']:,} |" for r in after)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(after),
                "tag": tag_of(cycle),
                "tables": dg.MetadataValue.md(f"| table | snapshot | rows |\n|---|---|---|\n{listed}"),
            }
        )

    return [cycle_close]
