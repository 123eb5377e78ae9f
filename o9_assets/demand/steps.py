"""Small helpers to run one SQL step after the other on a DuckDB connection."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["FEW", "among", "any_row", "count", "days_in", "few_rows", "table", "view"]

FEW = 500_000
"""Rows that `few_rows` is for."""
BATCH = 16_384


def view(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """Name a query; it runs whenever it is read."""
    con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {sql}').fetchall()


def table(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """Run a query, which may read the table that it replaces, and keep its rows."""
    con.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {sql}').fetchall()


def few_rows(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    """Run a query, which may read the rows that it replaces, and keep its rows as Arrow ones.

    A table counts the distinct values of every column while it is filled, which takes as long as making the rows. But
    what is kept here is outside of DuckDB's memory limit, and does not spill.
    """
    con.execute("SET produce_arrow_string_view = true").fetchall()
    # Batches are what threads share out among themselves.
    rows = con.sql(sql).to_arrow_table(BATCH)
    con.execute("RESET produce_arrow_string_view").fetchall()
    con.register(name, rows)


def count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Rows of a table, view or query in brackets."""
    [(rows,)] = con.execute(f"SELECT count(*) FROM {relation}").fetchall()
    return int(rows)


def any_row(con: duckdb.DuckDBPyConnection, relation: str) -> bool:
    """Whether a table, view or query in brackets has a row."""
    return bool(con.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchall())


def days_in(con: duckdb.DuckDBPyConnection, sql: str) -> list[date]:
    """The days that a query of one column gives, each once, in order."""
    return sorted({day for (day,) in con.execute(sql).fetchall() if day is not None})


def among(column: str, days: Iterable[date]) -> str:
    """A condition that a column is one of `days`, written with ranges, by which a reader skips files and row groups."""
    runs: list[list[date]] = []
    for day in sorted(set(days)):
        if runs and (day - runs[-1][1]).days == 1:
            runs[-1][1] = day
        else:
            runs.append([day, day])
    return "(" + (" OR ".join(f"{column} BETWEEN DATE '{a}' AND DATE '{b}'" for a, b in runs) or "false") + ")"
