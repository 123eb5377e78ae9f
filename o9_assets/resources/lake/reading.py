"""Reading a table's planned files: DuckDB reads Parquet directly on this machine, and through Arrow from S3."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from o9_assets.dataset import Dataset
from o9_assets.resources.lake.errors import ContractBroken, SnapshotGone
from o9_assets.resources.lake.files import local_path
from o9_assets.resources.lake.slices import columns_of, to_sql

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

__all__ = ["empty_view", "parquet_sql", "snapshot_for", "view"]


def snapshot_for(
    table: Table, name: str, *, as_of: datetime | None, tag: str | None, snapshot_id: int | None
) -> int | None:
    """The snapshot to read: the current one, a tag's, or the one that held at a moment (UTC); None for an empty table.

    Raises SnapshotGone for an unknown tag or snapshot, and for a moment whose snapshot was expired.
    """
    from datetime import UTC

    if snapshot_id is not None:
        if table.snapshot_by_id(snapshot_id) is None:
            raise SnapshotGone(f"{name} has no snapshot {snapshot_id}.", remedy="It was expired; read a cycle's tag.")
        return snapshot_id
    if tag is not None:
        ref = table.refs().get(tag)
        if ref is None:
            known = ", ".join(sorted(r for r in table.refs() if r != "main")) or "none"
            raise SnapshotGone(f"{name} has no tag {tag!r}.", remedy=f"There are: {known}.")
        return ref.snapshot_id
    current = table.current_snapshot()
    if as_of is None or current is None:
        return current.snapshot_id if current else None
    moment = int(as_of.replace(tzinfo=UTC).timestamp() * 1000)
    if current.timestamp_ms <= moment:
        return current.snapshot_id
    # Every commit has the next sequence number, so a gap in the numbers means that what held then was expired.
    kept = sorted(table.metadata.snapshots, key=lambda s: s.sequence_number or 0)
    # Writers' clocks differ, so that a later commit may have an earlier time: the last one of that time counts.
    earlier = kept[: max((place for place, s in enumerate(kept, 1) if s.timestamp_ms <= moment), default=0)]
    following = kept[len(earlier)].sequence_number or 0
    if following != ((earlier[-1].sequence_number or 0) if earlier else 0) + 1:
        raise SnapshotGone(
            f"What {name} held at {as_of} UTC was expired.", remedy="Read a cycle's tag, or what was known then."
        )
    return earlier[-1].snapshot_id if earlier else None


def parquet_sql(schema: Schema, paths: Sequence[str]) -> str:
    """DuckDB's read of files by field id: a column that a file lacks is a typed null."""

    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    fields = ", ".join(
        f"{field.field_id}: {{name: {text(field.name)}, type: {text(_duckdb(field.field_type))}, default_value: NULL}}"
        for field in schema.fields
    )
    return f"read_parquet([{', '.join(map(text, paths))}], schema = MAP {{{fields}}}, hive_partitioning = false)"


def _duckdb(kind: object) -> str:
    name = str(kind)
    simple = {"string": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP", "int": "INTEGER", "long": "BIGINT"}
    return {**simple, "double": "DOUBLE", "boolean": "BOOLEAN"}.get(name, name.upper().replace(" ", ""))


def empty_view(con: duckdb.DuckDBPyConnection, name: str, dataset: Dataset, columns: Sequence[str]) -> None:
    typed = ", ".join(f'CAST(NULL AS {dataset.column(c).duckdb_type}) AS "{c}"' for c in columns)
    con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT {typed} WHERE false')


def view(
    con: duckdb.DuckDBPyConnection,
    name: str,
    table: Table,
    dataset: Dataset,
    *,
    columns: Sequence[str],
    where: BooleanExpression,
    snapshot_id: int,
) -> None:
    """Register the snapshot's rows as a view; nothing is read before a query does, and then only what it needs."""
    if not columns_of(where) <= {field.name for field in table.schema().fields}:
        # Declared since the table was last written: no row has a value there that could meet the condition.
        empty_view(con, name, dataset, columns)
        return
    scan = table.scan(row_filter=where, snapshot_id=snapshot_id)
    tasks = list(scan.plan_files())
    listed = _listed(table, dataset, columns)
    condition = to_sql(where)
    if not tasks:
        empty_view(con, name, dataset, columns)
    elif any(task.delete_files for task in tasks):
        # Another engine deleted rows by position or equality; pyiceberg applies that.
        con.register(f"{name}__arrow", scan.to_arrow())
        con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT {listed} FROM "{name}__arrow"')
    elif all(local_path(task.file.file_path) for task in tasks):
        source = parquet_sql(table.schema(), [str(local_path(task.file.file_path)) for task in tasks])
        con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT {listed} FROM {source} WHERE {condition}')
    else:
        con.register(f"{name}__arrow", _remote(table, [task.file for task in tasks]))
        con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT {listed} FROM "{name}__arrow" WHERE {condition}')


def _listed(table: Table, dataset: Dataset, columns: Sequence[str]) -> str:
    """The columns as SQL. One that was declared since the table was last written is null: no reader waits for a writer
    to add it. Raises ContractBroken where rows that are in could not be without it."""
    there = {field.name for field in table.schema().fields}
    for column in columns:
        if column not in there and dataset.column(column).required:
            raise ContractBroken(
                f"{dataset.name} is read for the required column {column}, which its table lacks.",
                remedy="Make the column optional, or rebuild the dataset.",
            )
    return ", ".join(
        f'"{column}"' if column in there else f'CAST(NULL AS {dataset.column(column).duckdb_type}) AS "{column}"'
        for column in columns
    )


def _remote(table: Table, data_files: Sequence[DataFile]) -> object:
    """The files as an Arrow dataset, which DuckDB scans with its filters pushed down. Columns go by name: the contract
    never renames one."""
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    store: Any = table.io  # s3.S3FileIO
    form = ds.ParquetFileFormat()
    fragments = [
        form.make_fragment(pa.PythonFile(store.opened(file.file_path, file.file_size_in_bytes), mode="r"))
        for file in data_files
    ]
    return ds.FileSystemDataset(fragments, schema_to_pyarrow(table.schema(), include_field_ids=False), form)


def files_view(
    con: duckdb.DuckDBPyConnection, name: str, table: Table, dataset: Dataset, data_files: Sequence[DataFile]
) -> None:
    """Register data files as a view with the table's present columns."""
    listed = _listed(table, dataset, dataset.column_names)
    paths = [local_path(file.file_path) for file in data_files]
    if all(paths):
        source = parquet_sql(table.schema(), [str(path) for path in paths])
    else:
        con.register(f"{name}__arrow", _remote(table, data_files))
        source = f'"{name}__arrow"'
    con.execute(f'CREATE TEMP VIEW "{name}" AS SELECT {listed} FROM {source}').fetchall()
