"""The warehouse: a DuckDB file with one table per dataset, opened for one asset at a time.

DuckDB's file locks out every other process, readers too; so it is attached, used and let go. What the tables hold is
declared in assets/warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from o9_assets.dataset import Dataset
from o9_assets.failures import Passing, Permanent

__all__ = ["Loaded", "Warehouse", "WarehouseBusy", "WarehouseContract", "table_name"]

REBUILD = "The warehouse is made from the lake: delete the file and materialise warehouse/* to rebuild it."


class WarehouseBusy(Passing):
    """Somebody else holds the file."""


class WarehouseContract(Permanent):
    """Rows or a table are not what the dataset declares."""


@dataclass(frozen=True)
class Loaded:
    """What a load did: rows of the slice afterwards, rows deleted and inserted, groups of rows that differed."""

    row_count: int
    rows_deleted: int
    rows_inserted: int
    groups_changed: int


def table_name(dataset: Dataset) -> str:
    """`warehouse.demand` is the table `demand` of the file."""
    return dataset.asset_key[-1]


@dataclass(frozen=True)
class Warehouse:
    """The warehouse file at `path`; made when first written to."""

    path: Path

    @contextmanager
    def attached(self, con: duckdb.DuckDBPyConnection, *, read_only: bool = False) -> Iterator[None]:
        """The file as database `warehouse` of `con`, within the block. Raises WarehouseBusy where it is held."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        quoted = str(self.path).replace("'", "''")
        try:
            con.execute(f"ATTACH '{quoted}' AS warehouse{' (READ_ONLY)' if read_only else ''}")
        except duckdb.Error as error:
            if "lock on file" in str(error) or "already attached" in str(error):
                raise WarehouseBusy(
                    f"{self.path} is held by another process or run: {error}",
                    remedy="It is tried again; close other readers of the file.",
                ) from error
            raise WarehouseContract(f"{self.path} cannot be opened: {error}", remedy=REBUILD) from error
        try:
            yield
        finally:
            con.execute("DETACH warehouse")

    def load(
        self,
        con: duckdb.DuckDBPyConnection,
        dataset: Dataset,
        source: str,
        *,
        where: str = "true",
        by: str | None = None,
    ) -> Loaded:
        """Make the slice `where` of the dataset's table equal to the rows of the query `source`, in one transaction.

        `by` names a column; only its values whose rows differ are replaced, and equal rows are left alone. The file
        must be attached. Raises WarehouseContract for rows outside the slice, a repeated key, a missing required
        value, or a table that is not as declared.
        """
        con.execute(f"CREATE OR REPLACE TEMP TABLE loading AS SELECT {dataset.select_list()} FROM ({source})")
        try:
            self._validate(con, dataset, where)
            con.execute("BEGIN TRANSACTION")
            try:
                self._ensure(con, dataset)
                loaded = self._replace(con, dataset, where, by)
                con.execute("COMMIT")
            except BaseException:
                con.execute("ROLLBACK")
                raise
            return loaded
        finally:
            con.execute("DROP TABLE loading")

    def _validate(self, con: duckdb.DuckDBPyConnection, dataset: Dataset, where: str) -> None:
        if outside := _scalar(con, f"SELECT count(*) FROM loading WHERE ({where}) IS NOT TRUE"):
            raise WarehouseContract(f"{dataset.name}: {outside:,} rows lie outside the slice {where}.")
        for column in dataset.columns:
            if column.required and (
                nulls := _scalar(con, f'SELECT count(*) FROM loading WHERE "{column.name}" IS NULL')
            ):
                raise WarehouseContract(f"{dataset.name}: {column.name} is required and missing in {nulls:,} rows.")
        if dataset.key:
            key = ", ".join(f'"{name}"' for name in dataset.key)
            twice = con.execute(
                f"SELECT {key}, count(*) FROM loading GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
            ).fetchall()
            for *found, times in twice:
                raise WarehouseContract(
                    f"{dataset.name}: {tuple(found)} stands {times} times; {dataset.key} is its key."
                )

    def _ensure(self, con: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
        """Create the table, or add the columns that are new."""
        table = table_name(dataset)
        columns = ", ".join(f'"{c.name}" {c.duckdb_type}{" NOT NULL" if c.required else ""}' for c in dataset.columns)
        con.execute(f'CREATE TABLE IF NOT EXISTS warehouse."{table}" ({columns})')
        there: dict[str, str] = dict(
            con.execute(
                "SELECT column_name, data_type FROM duckdb_columns() "
                "WHERE database_name = 'warehouse' AND table_name = ?",
                [table],
            ).fetchall()
        )
        for column in dataset.columns:
            kind = there.pop(column.name, None)
            if kind is None and column.required:
                raise WarehouseContract(f"{dataset.name}: the new column {column.name} is required.", remedy=REBUILD)
            if kind is None:
                con.execute(f'ALTER TABLE warehouse."{table}" ADD COLUMN "{column.name}" {column.duckdb_type}')
            elif kind != column.duckdb_type:
                raise WarehouseContract(
                    f"{dataset.name}: {column.name} is {kind} in the file and {column.duckdb_type} as declared.",
                    remedy=REBUILD,
                )
        if there:
            raise WarehouseContract(f"{dataset.name}: {', '.join(there)} is in the file only.", remedy=REBUILD)

    def _replace(self, con: duckdb.DuckDBPyConnection, dataset: Dataset, where: str, by: str | None) -> Loaded:
        """Replace the groups of the slice whose rows differ."""
        table, names = f'warehouse."{table_name(dataset)}"', ", ".join(f'"{n}"' for n in dataset.column_names)
        group = f'"{by}"' if by else "true"

        def fingerprints(relation: str) -> str:
            return (
                f"SELECT {group} AS grp, count(*) AS n, bit_xor(hash({names})) AS h "
                f"FROM {relation} WHERE {where} GROUP BY grp"
            )

        con.execute(
            f"CREATE OR REPLACE TEMP TABLE differing AS SELECT coalesce(a.grp, b.grp) AS grp "
            f"FROM ({fingerprints('loading')}) a FULL JOIN ({fingerprints(table)}) b USING (grp) "
            f"WHERE a.n IS DISTINCT FROM b.n OR a.h IS DISTINCT FROM b.h"
        )
        differs = f"({where}) AND {group} IN (SELECT grp FROM differing)"
        deleted = _scalar(con, f"DELETE FROM {table} WHERE {differs}")
        inserted = _scalar(con, f"INSERT INTO {table} ({names}) SELECT {names} FROM loading WHERE {differs}")
        groups = _scalar(con, "SELECT count(*) FROM differing")
        con.execute("DROP TABLE differing")
        return Loaded(_scalar(con, f"SELECT count(*) FROM {table} WHERE {where}"), deleted, inserted, groups)


def _scalar(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
