"""An S3 target endpoint: how DMS writes and names its files, by the endpoint's settings.

Full load: `[BucketFolder/]schema/table/LOAD00000001.csv`, a hexadecimal counter, `SEGMENT1_LOAD…` for parallel loads; a
file ends where MaxFileSize is reached. Changes: files named by the time they are written, `20261125-101500123.csv`, the
operation (I, U, D) first; with DatePartitionEnabled in folders by the day of their commit. With PreserveTransactions
all tables' changes go in the order of their commits to `CdcPath/CDC_TXN-<time>.csv`, as operation, table, schema,
fields.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from o9_assets.sandbox.aws.dms.source import Change, Column, Table

__all__ = ["Target"]

SEQUENCES = {
    "YYYYMMDD": ("%Y", "%m", "%d"),
    "YYYYMMDDHH": ("%Y", "%m", "%d", "%H"),
    "YYYYMM": ("%Y", "%m"),
    "MMYYYYDD": ("%m", "%Y", "%d"),
    "DDMMYYYY": ("%d", "%m", "%Y"),
}
DELIMITERS = {"SLASH": "/", "UNDERSCORE": "_", "DASH": "-", "NONE": ""}


class Target:
    """Writes objects through an S3 client. `settings` are those of DMS's S3Settings."""

    def __init__(self, s3: Any, settings: dict[str, Any], started: datetime) -> None:
        self._s3, self._given, self._started = s3, settings, started
        self._bucket = settings["BucketName"]
        self._base = settings.get("BucketFolder", "").strip("/")
        self._last = datetime.min.replace(tzinfo=UTC)
        self.parquet = settings.get("DataFormat", "csv") == "parquet"

    def _key(self, *parts: str) -> str:
        return "/".join(part for part in (self._base, *parts) if part)

    def _has_op(self, *, load: bool) -> bool:
        included = bool(self._given.get("IncludeOpForFullLoad"))
        inserts_only = bool(self._given.get("CdcInsertsOnly"))
        return included if load or inserts_only else True

    def wants(self, op: str) -> bool:
        """Whether a change of this operation is written at all."""
        if self._given.get("CdcInsertsOnly"):
            return op == "I"
        return op in "IU" if self._given.get("CdcInsertsAndUpdates") else True

    # Files

    def clear(self, table: Table | tuple[str, str]) -> None:
        """Delete a table's files, as a reload and a truncate do."""
        schema, name = table if isinstance(table, tuple) else (table.schema, table.name)
        prefix = self._key(schema, name) + "/"
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                self._s3.delete_object(Bucket=self._bucket, Key=entry["Key"])

    def load(self, table: Table, rows: Iterable[Sequence[Any]], *, segment: int | None = None) -> Iterator[int]:
        """Write a full load; yields the number of rows of each file that is there."""
        limit = self._given.get("MaxFileSize", 1 << 20) * 1024
        waiting: list[list[Any]] = []
        number = size = 0
        prefix = "" if segment is None else f"SEGMENT{segment}_"

        def flush() -> None:
            name = f"{prefix}LOAD{number:08X}"
            self._put(self._key(table.schema, table.name), name, table.columns, waiting, load=True)

        for values in rows:
            at = self._started if self._given.get("UseTaskStartTimeForFullLoadTimestamp") else datetime.now(UTC)
            row = self._record("I", values, at, load=True)
            waiting.append(row)
            size += sum(len(_text(value, "")) + 1 for value in row)
            if size >= limit:
                number += 1
                flush()
                yield len(waiting)
                waiting, size = [], 0
        if waiting:
            number += 1
            flush()
            yield len(waiting)

    def changes(self, tables: dict[tuple[str, str], Table], changes: Sequence[Change]) -> None:
        """Write a batch of changes, in their order."""
        wanted = [change for change in changes if change.op != "T" and self.wants(change.op)]
        if self._given.get("PreserveTransactions"):
            self._transactions(tables, wanted)
            return
        batches: dict[tuple[tuple[str, str], str], list[list[Any]]] = {}
        for change in wanted:
            table = tables[change.table]
            values = [change.values.get(column.name) for column in table.columns]
            row = self._record(change.op, values, change.at, load=False)
            batches.setdefault((change.table, self._partition(change.at)), []).append(row)
        for (key, partition), rows in batches.items():
            table = tables[key]
            folder = self._key(table.schema, table.name, partition)
            self._put(folder, self._time_name("%Y%m%d-%H%M%S%f"), table.columns, rows, load=False)

    def _transactions(self, tables: dict[tuple[str, str], Table], changes: Sequence[Change]) -> None:
        if not changes:
            return
        lines = []
        for change in changes:
            table = tables[change.table]
            values = [change.values.get(column.name) for column in table.columns]
            lines.append([change.op, table.name, table.schema, *self._stamp(change.at), *values])
        self._write(
            self._key(self._given.get("CdcPath", "").strip("/"), self._time_name("CDC_TXN-%Y%m%d%H%M%S%f") + ".csv"),
            self._csv(lines),
        )

    def _time_name(self, form: str) -> str:
        """A name by the present millisecond; no two are alike."""
        at = datetime.now(UTC).replace(tzinfo=UTC)
        at = max(at.replace(microsecond=at.microsecond // 1000 * 1000), self._last + timedelta(milliseconds=1))
        self._last = at
        return at.strftime(form)[:-3]

    def _partition(self, at: datetime) -> str:
        if not self._given.get("DatePartitionEnabled"):
            return ""
        local = at.astimezone(ZoneInfo(self._given.get("DatePartitionTimezone", "UTC")))
        signs = SEQUENCES[self._given.get("DatePartitionSequence", "YYYYMMDD").upper()]
        delimiter = DELIMITERS[self._given.get("DatePartitionDelimiter", "SLASH").upper()]
        return delimiter.join(local.strftime(sign) for sign in signs)

    # Records

    def _stamp(self, at: datetime) -> list[str]:
        return [at.strftime("%Y-%m-%d %H:%M:%S.%f")] if self._given.get("TimestampColumnName") else []

    def _record(self, op: str, values: Sequence[Any], at: datetime, *, load: bool) -> list[Any]:
        return [*([op] if self._has_op(load=load) else []), *self._stamp(at), *values]

    def _header(self, columns: Sequence[Column], *, load: bool) -> list[str]:
        stamp = self._given.get("TimestampColumnName")
        return [*(["Op"] if self._has_op(load=load) else []), *([stamp] if stamp else []), *(c.name for c in columns)]

    def _put(self, folder: str, name: str, columns: Sequence[Column], rows: list[list[Any]], *, load: bool) -> None:
        header = self._header(columns, load=load)
        if self.parquet:
            self._write(f"{folder}/{name}.parquet", self._parquet(header, columns, rows))
            return
        named = [header] if self._given.get("AddColumnName") else []
        self._write(f"{folder}/{name}.csv", self._csv([*named, *rows]))

    def _csv(self, rows: Iterable[Sequence[Any]]) -> bytes:
        null = self._given.get("CsvNullValue", "NULL")
        text = io.StringIO()
        writer = csv.writer(
            text,
            delimiter=self._given.get("CsvDelimiter", ","),
            lineterminator=self._given.get("CsvRowDelimiter", "\n").replace("\\n", "\n").replace("\\r", "\r"),
            **(
                {"quoting": csv.QUOTE_MINIMAL}
                if self._given.get("Rfc4180", True)
                else {"quoting": csv.QUOTE_NONE, "quotechar": None, "escapechar": "\\"}
            ),
        )
        writer.writerows([[_text(value, null) for value in row] for row in rows])
        return text.getvalue().encode()

    def _parquet(self, header: list[str], columns: Sequence[Column], rows: list[list[Any]]) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        extra = len(header) - len(columns)
        types = [pa.string()] * extra + [_arrow(column, self._given) for column in columns]
        arrays = []
        for index, kind in enumerate(types):
            values = [row[index] for row in rows]
            if pa.types.is_string(kind):
                values = [None if value is None else _text(value, "") for value in values]
            arrays.append(pa.array(values, kind))
        sink = io.BytesIO()
        pq.write_table(
            pa.table(arrays, names=header),
            sink,
            version="2.6" if self._given.get("ParquetVersion", "parquet-1-0") == "parquet-2-0" else "1.0",
            compression="gzip" if self._given.get("CompressionType", "none") == "gzip" else "none",
        )
        return sink.getvalue()

    def _write(self, key: str, body: bytes) -> None:
        if self._given.get("CompressionType", "none") == "gzip" and not self.parquet:
            key, body = key + ".gz", gzip.compress(body, mtime=0)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)


def _text(value: Any, null: str) -> str:
    match value:
        case None:
            return null
        case bool():
            return str(value).lower()
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S.%f")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
    return str(value)


def _arrow(column: Column, settings: dict[str, Any]) -> Any:
    import pyarrow as pa

    match column.kind:
        case "int":
            return pa.int64()
        case "float":
            return pa.float64()
        case "decimal":
            return pa.decimal128(min(column.precision, 38), column.scale)
        case "date":
            return pa.date32()
        case "timestamp":
            return pa.timestamp("ms" if settings.get("ParquetTimestampInMillisecond") else "us")
    return pa.string()
