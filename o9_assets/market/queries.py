"""This room's .sql files, run on a connection that has the views that each file names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from o9_assets.demand.steps import table
from o9_assets.planning.sections import Weekday

if TYPE_CHECKING:
    import duckdb

__all__ = ["coverage", "drivers", "product_map", "region_names", "sell_out", "week_offset"]


def week_offset(first_day: str) -> int:
    """A weekday as days after Monday."""
    return get_args(Weekday).index(first_day)


def region_names(con: duckdb.DuckDBPyConnection, renamed: Mapping[str, str]) -> None:
    """Leave the table `region_names`: the provider's regions that have another name with us."""
    con.execute("CREATE OR REPLACE TEMP TABLE region_names (source_region_name VARCHAR, region_name VARCHAR)")
    if renamed:
        con.executemany("INSERT INTO region_names VALUES (?, ?)", sorted(renamed.items()))


def product_map(con: duckdb.DuckDBPyConnection) -> None:
    """Leave the table `product_map` (product_map.sql)."""
    table(con, "product_map", _source("product_map"))


def sell_out(con: duckdb.DuckDBPyConnection, first_day: str) -> None:
    """Leave the table `sell_out` (sell_out.sql)."""
    table(con, "sell_out", _source("sell_out").format(week_offset=week_offset(first_day)))


def drivers(con: duckdb.DuckDBPyConnection, first_day: str, timezone: str) -> None:
    """Leave the table `drivers` (drivers.sql)."""
    zone = "'" + timezone.replace("'", "''") + "'"
    table(con, "drivers", _source("drivers").format(week_offset=week_offset(first_day), zone=zone))


def coverage(con: duckdb.DuckDBPyConnection) -> None:
    """Leave the table `coverage` (coverage.sql)."""
    table(con, "coverage", _source("coverage"))


def _source(name: str) -> str:
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
