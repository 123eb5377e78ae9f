"""One object as a DuckDB relation of texts: every source column as VARCHAR, with the record's number.

CSV and JSON lines are read as text and nothing else, so that the typing of typing_sql.py is the only one; Parquet's own
types are turned into text where they can hold what the dataset's column wants, and are hopeless where they cannot.
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from o9_assets.dataset import Dataset
from o9_assets.landing.plain import Hopeless, Plain
from o9_assets.landing.typing_sql import name, quoted
from o9_assets.planning.feeds import Feed, Format, suggest

__all__ = ["Source", "json_source", "open_source", "source_alias"]

LONGEST_RECORD_BYTES = 8 << 20
"""A record longer than this is a fault of its own; reading it would take sixteen times its size in memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """SQL of the relation in the object's order, what its columns are called in it, their Parquet types ('' for text),
    the record number before its first row, and whether several threads can read it.

    The relation has one VARCHAR for each source column; for JSON lines also `not_json` and `nested`.
    """

    sql: str
    available: dict[str, str]
    natives: dict[str, str] = field(default_factory=dict)
    header: int = 0
    rejects: bool = False
    parallel: bool = True


def open_source(
    con: duckdb.DuckDBPyConnection, plain: Plain, feed: Feed, dataset: Dataset, header: tuple[str, ...] | None = None
) -> Source:
    """The relation for a readable object; `header` are its columns where no record names them.

    Raises Hopeless where its header or its types do not fit the feed.
    """
    match feed.format.type:
        case "csv":
            return _csv(plain, feed, header)
        case "jsonl":
            return _jsonl(plain.path, feed)
        case _:
            return _parquet(con, plain.path, feed, dataset)


def source_alias(column: str) -> str:
    """A source column within the relation: no name of the dataset can meet it."""
    return name(f"source {column}")


def _check_columns(feed: Feed, found: list[str]) -> None:
    missing = [column for column in feed.source_columns if column not in found and column not in feed.optional]
    if missing:
        near = suggest(missing[0], found)
        raise Hopeless("wrong_header", f"lacks {', '.join(map(repr, missing))}{near}; it has {', '.join(found)[:500]}")


def _csv(plain: Plain, feed: Feed, declared: tuple[str, ...] | None) -> Source:
    form = feed.format
    # Where every line end ends a record, threads can begin anywhere.
    parallel = plain.lines_are_records
    header, blank = _header(plain.path, form) if declared is None else (list(declared), 0)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise Hopeless("wrong_header", f"names {', '.join(twice)} twice")
    _check_columns(feed, header)
    columns = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in header)
    quote, named = quoted(form.quote), declared is None
    relation = (
        f"read_csv({quoted(str(plain.path))}, auto_detect = false, header = {str(named).lower()}, "
        f"delim = {quoted(form.delimiter)}, quote = {quote}, escape = {quote}, columns = {{{columns}}}, "
        f"store_rejects = true, rejects_limit = 0, max_line_size = {LONGEST_RECORD_BYTES}, nullstr = '', "
        f"parallel = {str(parallel).lower()}, skip = {blank})"
    )
    available = [c for c in feed.source_columns if c in header]
    wanted = ", ".join(f"{name(c)} AS {source_alias(c)}" for c in available)
    return Source(
        f"SELECT {wanted} FROM {relation}",
        {c: source_alias(c) for c in available},
        header=int(named),
        rejects=True,
        parallel=parallel,
    )


def _header(path: Path, form: Format) -> tuple[list[str], int]:
    """The columns that the first record names, and how many blank lines come before it."""
    with path.open(encoding="utf-8", newline="") as text:
        reader = csv.reader(
            itertools.islice(text, 50),
            delimiter=form.delimiter if len(form.delimiter) == 1 else "\x1f",
            **({"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}),
        )
        try:
            blank, header = next(((place, row) for place, row in enumerate(reader) if row), (0, []))
        except csv.Error as error:
            raise Hopeless("wrong_header", f"the first record cannot be read: {error}") from error
    if len(form.delimiter) > 1:
        header = header[0].split(form.delimiter) if header else []
    return header, blank


def _jsonl(path: Path, feed: Feed) -> Source:
    # Each line whole, through the CSV reader with signs that no JSON holds; what is no JSON object gets a fault. With a
    # second column, blank lines are no records, as in a CSV.
    lines = (
        f"SELECT CASE WHEN rest IS NULL THEN record END AS record FROM read_csv({quoted(str(path))}, "
        f"auto_detect = false, header = false, delim = '\x1f', quote = '', escape = '', null_padding = true, "
        f"columns = {{'record': 'VARCHAR', 'rest': 'VARCHAR'}}, max_line_size = {LONGEST_RECORD_BYTES}, "
        "store_rejects = true, rejects_limit = 0)"
    )
    return replace(json_source(lines, feed), rejects=True)


def json_source(records: str, feed: Feed, *, numbered: bool = False) -> Source:
    """The relation over one of JSON texts (`record`, and `source_line` where it is numbered), with `not_json` where a
    text is no JSON object, and `nested`: the columns whose field is an object or a list, not a text that looks so."""
    columns = feed.source_columns
    extracted = ", ".join(f"json_extract_string(record, {quoted(_json_path(c))}) AS {source_alias(c)}" for c in columns)
    # A function meets broken JSON even in a branch that is not taken, so it gets an empty object instead.
    line = "source_line, " if numbered else ""
    sound = f"SELECT {line}coalesce(json_valid(record), false) AS valid, "
    sound += f"CASE WHEN json_valid(record) THEN record ELSE '{{}}' END AS record FROM ({records})"
    # Few records hold what begins with a bracket; the others need no second look.
    suspect = " OR ".join(f"left({source_alias(c)}, 1) IN ('{{', '[')" for c in columns)
    looked = ", ".join(
        f"CASE WHEN json_type(record, {quoted(_json_path(c))}) IN ('OBJECT', 'ARRAY') THEN {quoted(c)} END"
        for c in columns
    )
    nested = f"CASE WHEN {suspect} THEN list_filter([{looked}], lambda c: c IS NOT NULL) END AS nested"
    sql = f"SELECT * EXCLUDE (record, valid), {nested} FROM (SELECT {line}{extracted}, record, valid, "
    sql += f"NOT valid OR json_type(record) <> 'OBJECT' AS not_json FROM ({sound}))"
    return Source(sql, {c: source_alias(c) for c in columns})


def _json_path(column: str) -> str:
    """A field's name, or where it begins with a slash a JSON pointer (RFC 6901), as DuckDB knows it."""
    return column if column.startswith("/") else '$."' + column.replace('"', '\\"') + '"'


_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_FITS = {
    "number": (*_NUMBERS, "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR"),
    "date": ("DATE", "TIMESTAMP", "VARCHAR"),
    "timestamp": ("DATE", "TIMESTAMP", "VARCHAR"),
    "string": (*_NUMBERS, "DECIMAL", "DATE", "TIMESTAMP", "BOOLEAN", "VARCHAR"),
    "boolean": ("BOOLEAN", "VARCHAR"),
}


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, feed: Feed, dataset: Dataset) -> Source:
    relation = f"read_parquet({quoted(str(path))}, hive_partitioning = false)"
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.OutOfMemoryException:
        raise  # nothing that the object could help
    except duckdb.Error as error:
        raise Hopeless("broken_parquet", str(error).splitlines()[0][:500]) from error
    types = {row[0]: row[1] for row in described}
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
    natives = {c: types[c] for c in available if types[c] != "VARCHAR"}
    return Source(f"SELECT {texts} FROM {relation}", {c: source_alias(c) for c in available}, natives)
