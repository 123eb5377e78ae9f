"""Keeps the lake small and quick: every night, and whenever somebody asks.

Small files of a table are written as one, snapshots that no cycle's tag holds are forgotten a week after they were
replaced, and files that nothing refers to any more are deleted the night after that was first seen, by when no run
reads or is about to commit them. What a reader sees stays the same.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, LakeResource

__all__ = ["MAINTENANCE", "MaintenanceConfig", "build"]

MAINTENANCE = Dataset(
    "lake.maintenance",
    "One row per table of the lake: what its latest maintenance did.",
    (
        Column("table_name", "string", "Table, such as curated.demand_history", True),
        Column("maintained_at", "timestamp", "When (UTC)", True),
        Column("row_count", "int64", "Its rows", True),
        Column("files_compacted", "int64", "Small files that were written as one", True),
        Column("files_written", "int64", "Files that they became", True),
        Column("snapshots_expired", "int64", "Snapshots forgotten", True),
        Column("files_removed", "int64", "Files deleted that nothing referred to", True),
        Column("bytes_removed", "int64", "Their size", True),
    ),
    key=("table_name",),
)


class MaintenanceConfig(dg.Config):
    """How long what nobody holds is kept."""

    keep_days: float = Field(7, ge=0, description="Snapshots without a tag are readable for so many days")
    # Less than a day, so that a night's maintenance removes what the night before it saw, whichever began later.
    longest_run_hours: float = Field(
        20,
        gt=0,
        description="A run may read, or be about to commit, files that nothing refers to for so long",
    )


def build(settings: Settings) -> list[Any]:
    @dataset_asset(MAINTENANCE, kinds={"iceberg"})
    def maintenance(
        context: dg.AssetExecutionContext, config: MaintenanceConfig, lake: LakeResource, clock: ClockResource
    ) -> dg.MaterializeResult:
        from dataclasses import asdict
        from datetime import timedelta

        import pyarrow as pa

        from o9_assets.assets.lake.tables import lake_tables
        from o9_assets.resources.lake import everything

        opened, now = lake.open(), clock.now()
        rows = []
        for dataset in lake_tables(settings):
            if not opened.exists(dataset):
                continue
            report = opened.maintain(
                dataset,
                now=now,
                keep_for=timedelta(days=config.keep_days),
                orphan_age=timedelta(hours=config.longest_run_hours),
            )
            done = asdict(report)
            rows.append(
                {"table_name": dataset.name, "maintained_at": now, "row_count": opened.row_count(dataset), **done}
            )
            context.log.info(f"{dataset.name}: {', '.join(f'{n:,} {what}' for what, n in done.items() if n) or 'fine'}")
        opened.overwrite(MAINTENANCE, pa.Table.from_pylist(rows, schema=MAINTENANCE.arrow_schema), everything())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "files compacted": sum(row["files_compacted"] for row in rows),
                "snapshots expired": sum(row["snapshots_expired"] for row in rows),
                "files removed": sum(row["files_removed"] for row in rows),
                "bytes removed": sum(row["bytes_removed"] for row in rows),
            }
        )

    return [maintenance]
