"""Parquet files of the lake: DuckDB writes them in parallel, and their footers say what Iceberg wants to know.

Why not pyiceberg's own writer: see benchmarks/lake.py. Every field carries its Iceberg field id, so any engine
that reads Iceberg reads them.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, unquote, urlparse

from o9_assets.dataset import Dataset
from o9_assets.resources.lake.errors import ContractBroken
from o9_assets.resources.spills import spill_folder

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    Rows: TypeAlias = pa.Table | pa.RecordBatchReader | duckdb.DuckDBPyRelation

__all__ = ["Rows", "local_path", "location_of", "write"]

PLAIN = "/=:@!$&'()*+,~"


def local_path(location: str) -> Path | None:
    """The path of a file:// location (or a bare path); None for anything remote."""
    parts = urlparse(location)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path))
    return None


def location_of(path: Path) -> str:
    """The file:// location of a path. Signs that mean nothing in it stay as they are, `=` of a partition's folder above
    all: not every engine takes escapes back."""
    return f"file://{quote(path.as_posix(), safe=PLAIN)}"


def write(table: Table, dataset: Dataset, rows: Rows) -> list[DataFile]:
    """Write rows as new data files of the table, uncommitted. Memory stays flat for readers and relations.

    Raises ContractBroken where a declared column is missing, cannot be cast, or is null though required.
    """
    import duckdb
    import pyarrow as pa

    if isinstance(rows, pa.Table | pa.RecordBatchReader):
        if isinstance(rows, pa.Table) and rows.num_rows == 0:
            return []
        with duckdb.connect(":memory:") as con:
            return _write(table, dataset, con.from_arrow(rows))
    return _write(table, dataset, rows)


def _write(table: Table, dataset: Dataset, rows: duckdb.DuckDBPyRelation) -> list[DataFile]:
    missing = [name for name in dataset.column_names if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in dataset.column_names]
    if missing or unknown:
        said = [f"lack the column {name}" for name in missing] + [
            f"hold an undeclared column {name}" for name in unknown
        ]
        raise ContractBroken(
            f"Rows for {dataset.name} {', '.join(said)}.", remedy="Make the rows as the dataset declares them."
        )
    folder = f"{table.location()}/data/{uuid.uuid4()}"
    target = local_path(folder)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        written = _copy(table, dataset, rows, target)
        return [_data_file(table, dataset, str(path), path.as_posix()) for path in written]
    with spill_folder() as spool:
        found = []
        for path in _copy(table, dataset, rows, spool / "files"):
            location = f"{folder}/{path.relative_to(spool / 'files').as_posix()}"
            store: Any = table.io  # s3.S3FileIO
            store.put_file(path, location)
            found.append(_data_file(table, dataset, str(path), location))
        return found


def _copy(table: Table, dataset: Dataset, rows: duckdb.DuckDBPyRelation, folder: Path) -> list[Path]:
    """The files that DuckDB wrote into `folder`, without those that hold no row."""
    import pyarrow.parquet as pq

    ids = {field.name: field.field_id for field in table.schema().fields}
    options: dict[str, Any] = {"field_ids": ids, "compression": "zstd", "filename_pattern": "{uuid}"}
    if dataset.partition_by:
        options |= {"partition_by": list(dataset.partition_by), "write_partition_columns": True}
    else:
        options |= {"file_size_bytes": "256MB"}
    rows.project(dataset.select_list()).to_parquet(str(folder), **options)
    written = sorted(folder.rglob("*.parquet"))
    for path in written:
        if pq.read_metadata(path).num_rows == 0:  # of no rows at all, DuckDB writes a file too
            path.unlink()
    return [path for path in written if path.exists()]


def _data_file(table: Table, dataset: Dataset, path: str, location: str) -> DataFile:
    """What Iceberg keeps of a file, from its footer: rows, sizes, nulls and bounds of every column."""
    import pyarrow.parquet as pq
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat

    schema, footer = table.schema(), pq.read_metadata(path)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, table.metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    for column in dataset.columns:
        if column.required and statistics.null_value_counts.get(schema.find_field(column.name).field_id, 0):
            raise ContractBroken(
                f"Rows for {dataset.name} hold nulls in the required column {column.name}.",
                remedy="Give every row a value, or quarantine it.",
            )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location if "://" in location else location_of(Path(location)),
        file_format=FileFormat.PARQUET,
        partition=statistics.partition(table.spec(), schema),
        file_size_in_bytes=Path(path).stat().st_size,
        sort_order_id=None,
        spec_id=table.metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
