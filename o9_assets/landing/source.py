"""One object as a DuckDB relation of texts: every source column as VARCHAR, with the record's number.

CSV and JSON lines are read as text and nothing else, so that the typing of typing_sql.py is the only one; Parquet's own
types are turned into text where they can hold what the dataset's column wants, and are hopeless where they cannot.
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import duckdb

from o9_assets.dataset import Dataset
from o9_assets.landing.plain import Hopeless, Plain
from o9_assets.landing.typing_sql import name, quoted
from o9_assets.planning.feeds import Feed, suggest

__all__ = ["Source", "open_source", "source_alias"]

LONGEST_RECORD_BYTES = 8 << 20
"""A record longer than this is a fault of its own; reading it would take sixteen times its size in memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """SQL of the relation, what its columns are called in it, and their Parquet types ('' for text).

    The relation has `source_line` (0 where the feed asks for none) and one VARCHAR for each source column.
    """

    sql: str
    available: dict[str, str]
    natives: dict[str, str]
    rejects: bool


def open_source(con: duckdb.DuckDBPyConnection, plain: Plain, feed: Feed, dataset: Dataset) -> Source:
    """The relation for a readable object. Raises Hopeless where its header or its types do not fit the feed."""
    match feed.format.type:
        case "csv":
            return _csv(plain.path, feed)
        case "jsonl":
            return _jsonl(plain.path, feed)
        case _:
            return _parquet(con, plain.path, feed, dataset)


def source_alias(column: str) -> str:
    """A source column within the relation: no name of the dataset can meet it."""
    return name(f"source {column}")


def _line(feed: Feed, header: int) -> str:
    return f"row_number() OVER () + {header}" if feed.line_numbers else "CAST(0 AS BIGINT)"


def _check_columns(feed: Feed, found: list[str]) -> None:
    missing = [column for column in feed.source_columns if column not in found and column not in feed.optional]
    if missing:
        near = suggest(missing[0], found)
        raise Hopeless("wrong_header", f"lacks {', '.join(map(repr, missing))}{near}; it has {', '.join(found)[:500]}")


def _csv(path: Path, feed: Feed) -> Source:
    form = feed.format
    with path.open(encoding="utf-8", newline="") as text:
        reader = csv.reader(
            itertools.islice(text, 50),
            delimiter=form.delimiter if len(form.delimiter) == 1 else "\x1f",
            **({"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}),
        )
        try:
            header = next((row for row in reader if row), [])
        except csv.Error as error:
            raise Hopeless("wrong_header", f"the first record cannot be read: {error}") from error
    if len(form.delimiter) > 1:
        header = header[0].split(form.delimiter) if header else []
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise Hopeless("wrong_header", f"names {', '.join(twice)} twice")
    _check_columns(feed, header)
    columns = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in header)
    quote = quoted(form.quote)
    relation = (
        f"read_csv({quoted(str(path))}, auto_detect = false, header = true, delim = {quoted(form.delimiter)}, "
        f"quote = {quote}, escape = {quote}, columns = {{{columns}}}, store_rejects = true, rejects_limit = 0, "
        f"max_line_size = {LONGEST_RECORD_BYTES}, nullstr = '', parallel = {str(not feed.line_numbers).lower()})"
    )
    available = [c for c in feed.source_columns if c in header]
    wanted = ", ".join(f"{name(c)} AS {source_alias(c)}" for c in available)
    sql = f"SELECT {_line(feed, 1)} AS source_line, {wanted} FROM {relation}"
    return Source(sql, {c: source_alias(c) for c in available}, {}, rejects=True)


def _jsonl(path: Path, feed: Feed) -> Source:
    # Each line whole, through the CSV reader with signs that no text holds; what is no JSON object gets a fault.
    lines = (
        f"SELECT {_line(feed, 0)} AS source_line, record FROM read_csv({quoted(str(path))}, auto_detect = false, "
        f"header = false, delim = chr(31), quote = '', escape = '', columns = {{'record': 'VARCHAR'}}, "
        f"max_line_size = {LONGEST_RECORD_BYTES}, parallel = {str(not feed.line_numbers).lower()})"
    ).replace("chr(31)", "'\x1f'")
    columns = feed.source_columns
    extracted = ", ".join(
        "json_extract_string(record, {}) AS {}".format(
            quoted('$."' + column.replace('"', '\\"') + '"'), source_alias(column)
        )
        for column in columns
    )
    # A function meets broken JSON even in a branch that is not taken, so it gets an empty object instead.
    sound = "SELECT source_line, coalesce(json_valid(record), false) AS valid, "
    sound += f"CASE WHEN json_valid(record) THEN record ELSE '{{}}' END AS record FROM ({lines})"
    sql = f"SELECT source_line, {extracted}, NOT valid OR json_type(record) <> 'OBJECT' AS not_json FROM ({sound})"
    return Source(sql, {c: source_alias(c) for c in columns}, {}, rejects=False)


_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_FITS = {
    "number": (*_NUMBERS, "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR"),
    "date": ("DATE", "TIMESTAMP", "VARCHAR"),
    "timestamp": ("DATE", "TIMESTAMP", "VARCHAR"),
    "string": (*_NUMBERS, "DECIMAL", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR"),
    "boolean": ("BOOLEAN", "VARCHAR"),
}


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, feed: Feed, dataset: Dataset) -> Source:
    relation = f"read_parquet({quoted(str(path))}, file_row_number = true, hive_partitioning = false)"
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise Hopeless("broken_parquet", str(error).splitlines()[0][:500]) from error
    types = {row[0]: row[1] for row in described if row[0] != "file_row_number"}
    _check_columns(feed, list(types))
    for column in dataset.columns:
        mapping = feed.columns.get(column.name)
        if mapping is None or mapping.source not in types:
            continue
        group = column.type if column.type in _FITS else "number"
        found = types[mapping.source]
        if not found.startswith(_FITS[group]) or found.endswith("]"):
            raise Hopeless("wrong_type", f"{mapping.source!r} is {found}, and {column.name} is {column.type}")
    available = [c for c in feed.source_columns if c in types]
    texts = ", ".join(f"CAST({name(c)} AS VARCHAR) AS {source_alias(c)}" for c in available)
    sql = f"SELECT file_row_number + 1 AS source_line, {texts} FROM {relation}"
    natives = {c: types[c] for c in available if types[c] != "VARCHAR"}
    return Source(sql, {c: source_alias(c) for c in available}, natives, rejects=False)
