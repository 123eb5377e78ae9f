"""What a crawler finds below an S3 path: tables, their columns, formats and partitions.

One folder with files is one table, named after it. `key=value` folders are partitions. Where every folder below the
path holds files of one format and one schema, all of them are one table of the path's own name, with partition_0 and so
on, as Glue does it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from o9_assets.sandbox.aws.services.crawl_shapes import Columns, Shape, identifier, merged, shape_of

__all__ = ["Found", "find_tables"]

_HIVE = "org.apache.hadoop"
_TEXT = (f"{_HIVE}.mapred.TextInputFormat", f"{_HIVE}.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
_FORMATS = {
    "parquet": (
        f"{_HIVE}.hive.ql.io.parquet.MapredParquetInputFormat",
        f"{_HIVE}.hive.ql.io.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "csv": (*_TEXT, f"{_HIVE}.hive.serde2.lazy.LazySimpleSerDe"),
    "json": (*_TEXT, "org.openx.data.jsonserde.JsonSerDe"),
}


@dataclass
class Found:
    """A table. `partitions` are the values of `partition_keys`, and where each lies."""

    name: str
    location: str
    shape: Shape
    partition_keys: tuple[str, ...] = ()
    partitions: dict[tuple[str, ...], str] = field(default_factory=dict)
    objects: int = 0
    size_bytes: int = 0

    def table_input(self, crawler: str) -> dict[str, Any]:
        """As CreateTable takes it."""
        parameters = {
            "classification": self.shape.format,
            "compressionType": "gzip" if self.shape.compressed else "none",
            "typeOfData": "file",
            "objectCount": str(self.objects),
            "sizeKey": str(self.size_bytes),
            "UPDATED_BY_CRAWLER": crawler,
        }
        if self.shape.format == "csv":
            parameters |= {"delimiter": self.shape.delimiter, "columnsOrdered": "true", "areColumnsQuoted": "false"}
            parameters |= {"skip.header.line.count": "1"} if self.shape.header else {}
        return {
            "Name": self.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in self.partition_keys],
            "StorageDescriptor": self._storage(self.location, parameters),
        }

    def partition_input(self, values: tuple[str, ...]) -> dict[str, Any]:
        """As CreatePartition takes it."""
        return {"Values": list(values), "StorageDescriptor": self._storage(self.partitions[values], {})}

    def _storage(self, location: str, parameters: dict[str, str]) -> dict[str, Any]:
        reads, writes, serde = _FORMATS[self.shape.format]
        fields = {"field.delim": self.shape.delimiter} if self.shape.format == "csv" else {"serialization.format": "1"}
        return {
            "Columns": [{"Name": name, "Type": kind} for name, kind in self.shape.columns],
            "Location": location,
            "InputFormat": reads,
            "OutputFormat": writes,
            "Compressed": self.shape.compressed,
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": fields},
            "Parameters": parameters,
        }


def find_tables(s3: Any, path: str, exclusions: Sequence[str], prefix: str) -> list[Found]:
    """The tables below a path. Raises ServiceError where a file's format is not known."""
    bucket, _, below = path.removeprefix("s3://").partition("/")
    below = below.rstrip("/") + "/" if below.strip("/") else ""
    folders: dict[str, list[dict[str, Any]]] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below):
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(below)
            hidden = any(part.startswith(("_", ".")) for part in name.split("/"))
            if name and entry["Size"] and not hidden and not any(fnmatch.fnmatch(name, e) for e in exclusions):
                folders.setdefault(name.rpartition("/")[0], []).append(entry)
    tables: dict[str, list[str]] = {}
    for folder in folders:
        parts = folder.split("/") if folder else []
        named = next((n for n, part in enumerate(parts) if "=" in part), len(parts))
        tables.setdefault("/".join(parts[:named]), []).append(folder)
    shapes = {f: shape_of(s3, bucket, entries) for f, entries in folders.items()}
    one = len(tables) > 1 and len({_plain(shape) for shape in shapes.values()}) == 1
    depths = {len(folder.split("/")) for folder in folders if folder}
    if one and "" not in folders and len(depths) == 1:
        tables = {"": list(folders)}
    return [_table(path, bucket, below, root, inner, folders, shapes, prefix) for root, inner in sorted(tables.items())]


def _table(
    path: str,
    bucket: str,
    below: str,
    root: str,
    inner: list[str],
    folders: dict[str, list[dict[str, Any]]],
    shapes: dict[str, Shape],
    prefix: str,
) -> Found:
    base = f"s3://{bucket}/{below}" + (f"{root}/" if root else "")
    name = (root or path.rstrip("/").removeprefix("s3://")).rpartition("/")[2] or bucket
    first = shapes[sorted(inner)[0]]
    columns = merged([shapes[f].columns for f in sorted(inner)])
    found = Found(
        identifier(prefix + name), base, Shape(first.format, columns, first.delimiter, first.header, first.compressed)
    )
    for folder in sorted(inner):
        found.objects += len(folders[folder])
        found.size_bytes += sum(entry["Size"] for entry in folders[folder])
        rest = [part for part in folder.removeprefix(root).strip("/").split("/") if part]
        if rest:
            keys = [part.partition("=")[0] if "=" in part else f"partition_{n}" for n, part in enumerate(rest)]
            found.partition_keys = tuple(identifier(key) for key in keys)
            values = tuple(part.partition("=")[2] if "=" in part else part for part in rest)
            found.partitions[values] = f"s3://{bucket}/{below}{folder}/"
    return found


def _plain(shape: Shape) -> tuple[str, Columns]:
    return shape.format, shape.columns
