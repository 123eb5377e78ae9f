"""Cells as o9's rows and back: the only place where a cell gets o9's column names.

Rows are written as JSON by DuckDB: the same cells give the same bytes, and a decimal keeps every digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from o9_assets.exchange.datasets import MEASURES
from o9_assets.planning.settings import O9
from o9_assets.resources.o9 import ContractBroken

__all__ = ["CODES", "Form", "codes_of", "csv_form", "hold", "json_form", "member_rows", "time_member"]

CODES = {"item": "item_code", "location": "location_code", "channel": "channel_code", "time": "bucket_label"}
EVENT = {"event": "event_id"}
"""A cell of one event is named by the event as well."""


def codes_of(o9: O9) -> dict[str, str]:
    """What names a cell: our dimension and the column that holds it."""
    return CODES | EVENT if "event" in o9.columns else CODES


@dataclass(frozen=True, slots=True)
class Form:
    """How cells go to o9: a DuckDB expression that gives a cell's row, and what stands before, between and after rows.

    A cell without any measure becomes nulls, which take it away in o9.
    """

    row_sql: str
    start: str
    between: str
    end: str

    def body(self, rows: Iterable[str]) -> bytes:
        """Rows as they go out."""
        return (self.start + self.between.join(rows) + self.end).encode()


def json_form(o9: O9) -> Form:
    """A JSON array of rows."""
    return Form(_json(o9), "[", ",", "]")


def csv_form(o9: O9, delimiter: str) -> Form:
    """A CSV file with o9's columns as its header; names are quoted, an empty field is null."""
    names = [o9.columns["version"], *(o9.columns[n] for n in codes_of(o9) if n in o9.columns), *o9.measures.values()]
    cells = [_text(_quoted(o9.version))]
    cells += [f"'\"' || replace({code}, '\"', '\"\"') || '\"'" for n, code in codes_of(o9).items() if n in o9.columns]
    cells += [f"coalesce({_number(measure)}, '')" for measure in o9.measures]
    row = f" || {_text(delimiter)} || ".join(cells)
    return Form(row, delimiter.join(map(_quoted, names)) + "\n", "\n", "\n")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _number(measure: str) -> str:
    """A decimal's text. Four decimals are always there, so only zeros behind the point are cut."""
    return f"rtrim(rtrim(CAST({measure} AS VARCHAR), '0'), '.')"


def _json(o9: O9) -> str:
    parts = [_text("{" + json.dumps(o9.columns["version"]) + ":" + json.dumps(o9.version))]
    for name, code in codes_of(o9).items():
        if name in o9.columns:
            parts += [_text("," + json.dumps(o9.columns[name]) + ":"), f"CAST(to_json({code}) AS VARCHAR)"]
    for measure, name in o9.measures.items():
        parts += [_text("," + json.dumps(name) + ":"), f"coalesce({_number(measure)}, 'null')"]
    return " || ".join([*parts, "'}'"])


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def hold(con: duckdb.DuckDBPyConnection, name: str, pages: Iterable[Sequence[dict[str, Any]]], o9: O9) -> None:
    """Make the temporary table `name` of what o9 answered: the columns that name a cell (`codes_of`) and the measures
    as decimal(18,4), null where o9 has none. Rows of other versions are left out.

    Raises ContractBroken for a row that lacks a column, or a number that is none.
    """
    names = {str(ours): theirs for ours, theirs in (*o9.columns.items(), *o9.measures.items())}
    codes = {code: names.get(column) for column, code in codes_of(o9).items()}
    measures = {measure: names.get(measure) for measure in MEASURES}
    typed = ", ".join([*(f"{c} VARCHAR" for c in codes), *(f"{m} DECIMAL(18,4)" for m in measures)])
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({typed})").fetchall()
    for page in pages:
        try:
            rows = [row for row in page if row[o9.columns["version"]] == o9.version]
            texts = {
                code: ["ALL"] * len(rows) if column is None else [row[column] for row in rows]
                for code, column in codes.items()
            }
        except (KeyError, TypeError) as error:
            raise ContractBroken(
                f"A row that o9 holds lacks {error}.", remedy="Look at o9.columns in the settings."
            ) from error
        numbers = {m: [None if n is None else row.get(n) for row in rows] for m, n in measures.items()}
        try:
            con.register("page", pa.table({k: pa.array(v, pa.string()) for k, v in {**texts, **numbers}.items()}))
            con.execute(f"INSERT INTO {name} SELECT * FROM page").fetchall()
        except (pa.ArrowInvalid, pa.ArrowTypeError, duckdb.ConversionException) as error:
            raise ContractBroken(
                f"o9 holds what is no number or no name: {str(error).splitlines()[0]}", remedy="Look at o9.measures."
            ) from error
        con.unregister("page")


def member_rows(names: Iterable[str]) -> list[dict[str, Any]]:
    """Members that have no attributes but their name."""
    return [{"Name": name} for name in names]


def time_member(label: str, start: date, end: date) -> dict[str, Any]:
    """A time member with its first day and its length."""
    return {"Name": label, "StartDate": start.isoformat(), "Days": (end - start).days + 1}
