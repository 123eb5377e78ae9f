"""A deployment that runs the whole cycle, and everything that it left: the lake's tables, the warehouse, o9's cells.

Two sides are compared row for row; what names a copy of an object or a delivery is left out.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa

from o9_assets.assets.lake.tables import lake_tables
from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment
from o9_assets.exchange.reconciliation.tables import RECONCILIATION
from o9_assets.resources.configured import ClockResource
from o9_assets.run.cycle import latest_cycle
from o9_assets.run.files import bring_in

__all__ = ["PLANNING", "Side", "differing", "settled"]

PLANNING = (Path(__file__).resolve().parents[1] / "planning.yaml").read_text(encoding="utf-8")
# What names a copy of an object, a delivery, o9's answer to it, or a state of a table.
IDS = {"object_id", "object_version", "delivery_id", "receipt", "snapshot_id"}


@dataclass
class Side:
    """A deployment that ran a cycle, and the file with what its o9 holds."""

    deployment: Deployment
    o9: Path

    def refresh(self, files: Path) -> None:
        """Files brought in → demand history → o9."""
        bring_in(files, self.deployment)
        self._run("refresh")

    def cycle(self, files: Path) -> None:
        """All of that, and forecast → o9's plan → warehouse."""
        self.refresh(files)
        self._run("cycle", latest_cycle(self.deployment))

    def _run(self, job: str, partition_key: str | None = None) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            found = build_defs(self.deployment).resolve_job_def(job)
            assert found.execute_in_process(instance=instance, partition_key=partition_key).success

    def tables(self) -> dict[str, pa.Table]:
        """Every table of the lake, in order and without ids."""
        lake, found = self.deployment.resources["lake"].open(), {}
        for dataset in lake_tables(self.deployment.settings):
            table = lake.read(dataset)
            if dataset is RECONCILIATION:
                # The hash of files is one of their objects' ids, which S3's versions are part of.
                hidden = "if(slice LIKE 'files %', '', content_hash) AS content_hash"
                table = duckdb.from_arrow(table).project(f"* REPLACE ({hidden})").to_arrow_table()
            table = table.drop_columns([name for name in table.column_names if name in IDS])
            found[dataset.name] = table.sort_by([(name, "ascending") for name in table.column_names])
        return found

    def warehouse(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table of the warehouse, in order; none where nothing was loaded."""
        path = Path(self.deployment.resources["warehouse"].path)
        if not path.exists():
            return {}
        with duckdb.connect(path, read_only=True) as con:
            names = con.execute(
                "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
            ).fetchall()
            return {f"{s}.{t}": con.execute(f'FROM "{s}"."{t}" ORDER BY ALL').fetchall() for s, t in names}

    def held(self) -> list[tuple[Any, ...]]:
        """What o9 holds: every cell of every measure group, digit for digit."""
        with sqlite3.connect(self.o9) as con:
            return con.execute("SELECT measure_group, start_date, cell, row FROM facts ORDER BY 1, 2, 3").fetchall()


def settled(deployment: Deployment) -> Deployment:
    """With a clock that stands still."""
    clock = ClockResource(fixed_at="2026-07-01T06:00:00")
    return replace(deployment, resources={**deployment.resources, "clock": clock})


def differing(ours: dict[str, pa.Table], theirs: dict[str, pa.Table]) -> set[str]:
    """The columns that are not the same on both sides, as table.column."""
    return {
        f"{name}.{column}"
        for name, table in ours.items()
        for column in table.column_names
        if not theirs[name][column].equals(table[column])
    }
