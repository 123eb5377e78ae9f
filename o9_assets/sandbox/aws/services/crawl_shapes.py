"""What a file in S3 is, as a crawler's built-in classifiers see it: Parquet, CSV or JSON lines, and its columns."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from o9_assets.sandbox.aws.fake import ServiceError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Columns", "Shape", "identifier", "merged", "shape_of"]

Columns = tuple[tuple[str, str], ...]
SAMPLE_BYTES = 1 << 20
_TEXT_TYPE = "string"


@dataclass(frozen=True)
class Shape:
    """What a file is: its format, its columns as Hive types, and what its format needs to be read."""

    format: str
    columns: Columns
    delimiter: str = ""
    header: bool = False
    compressed: bool = False


def merged(all_columns: list[Columns]) -> Columns:
    """Columns of all files, in the order in which they come first; two types of one name become text."""
    found: dict[str, str] = {}
    for columns in all_columns:
        for name, kind in columns:
            found[name] = _wider(found[name], kind) if name in found else kind
    return tuple(found.items())


def _wider(one: str, other: str) -> str:
    if one == other:
        return one
    return "double" if {one, other} == {"bigint", "double"} else "string"


def identifier(text: str) -> str:
    return re.sub(r"[^0-9a-z_]", "_", text.lower())


def shape_of(s3: Any, bucket: str, entries: list[dict[str, Any]]) -> Shape:
    """The shape of a folder's files: of the first and the last, as a crawler samples."""
    shapes = [_read(s3, bucket, entry) for entry in (entries if len(entries) < 3 else [entries[0], entries[-1]])]
    first = shapes[0]
    columns = merged([shape.columns for shape in shapes])
    return Shape(first.format, columns, first.delimiter, first.header, first.compressed)


def _read(s3: Any, bucket: str, entry: dict[str, Any]) -> Shape:
    key = entry["Key"]
    if entry["Size"] > SAMPLE_BYTES and not key.endswith(".parquet"):
        body = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{SAMPLE_BYTES - 1}")["Body"].read()
    else:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if body[:4] == b"PAR1":
        import pyarrow.parquet as pq

        schema = pq.read_schema(io.BytesIO(body))
        return Shape("parquet", tuple((identifier(f.name), _hive(f.type)) for f in schema))
    compressed = body[:2] == b"\x1f\x8b"
    if compressed:
        body = gzip.GzipFile(fileobj=io.BytesIO(body)).read1(SAMPLE_BYTES)
    try:
        text = body.decode("utf-8-sig", errors="strict" if len(body) < SAMPLE_BYTES else "ignore")
    except UnicodeDecodeError as error:
        raise ServiceError("InvalidInputException", f"s3://{bucket}/{key} is neither Parquet nor UTF-8") from error
    lines = text.splitlines()
    if len(body) >= SAMPLE_BYTES:
        lines = lines[:-1]  # cut
    return _json(lines, compressed) if lines[0].lstrip().startswith("{") else _csv(lines, compressed)


def _json(lines: list[str], compressed: bool) -> Shape:
    found = [tuple((identifier(k), _kind(v)) for k, v in json.loads(line).items()) for line in lines if line.strip()]
    return Shape("json", merged([tuple((k, v) for k, v in row if v) for row in found]), compressed=compressed)


def _csv(lines: list[str], compressed: bool) -> Shape:
    delimiter = max(",;|\t", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=delimiter))
    first, data = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    kinds = [_merged_kind(column) for column in zip(*data, strict=True)] if data else ["string"] * len(first)
    # A header is all text and distinct, above data of which some is not text (or of which there is none).
    header = all(_text_kind(cell) == "string" and cell for cell in first) and len(set(first)) == len(first)
    if not header:
        every = zip(*[first, *data], strict=True)
        return Shape(
            "csv", tuple((f"col{n}", _merged_kind(c)) for n, c in enumerate(every)), delimiter, False, compressed
        )
    return Shape("csv", tuple(zip(map(identifier, first), kinds, strict=True)), delimiter, True, compressed)


def _merged_kind(cells: Sequence[str]) -> str:
    kinds = [_text_kind(cell) for cell in cells if cell]
    widest = kinds[0] if kinds else "string"
    for kind in kinds[1:]:
        widest = _wider(widest, kind)
    return widest


def _text_kind(cell: str) -> str:
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", cell):
        return "bigint"
    return "double" if re.fullmatch(r"-?\d+\.\d+([eE][-+]?\d+)?", cell) else "string"


def _kind(value: Any) -> str:
    """The Hive type of a JSON value; empty for null."""
    match value:
        case None:
            return ""
        case bool():
            return "boolean"
        case int():
            return "bigint"
        case float():
            return "double"
        case dict():
            return f"struct<{','.join(f'{k}:{_kind(v) or _TEXT_TYPE}' for k, v in value.items())}>"
        case list():
            return f"array<{_kind(value[0]) if value else 'string'}>"
    return "string"


def _hive(kind: pa.DataType) -> str:
    """The Hive type of a Parquet column."""
    import pyarrow as pa

    named = {
        pa.int8(): "tinyint",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.bool_(): "boolean",
        pa.date32(): "date",
    }
    if kind in named:
        return named[kind]
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{f.name}:{_hive(f.type)}' for f in kind)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{_hive(kind.value_type)}>"
    return "binary" if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else "string"
