"""The .sql files of this room as text: parameters filled in, and transpiled where the engine is not DuckDB.

A file is one SELECT in DuckDB's dialect over named views. `$name` stands for an expression (not a value): a column of
the order feed, a CASE over the settings' rules, a constant. sqlglot passes functions that it does not know through
silently, so a test runs every file on Spark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

__all__ = ["NAMES", "Dialect", "query", "source"]

Dialect = Literal["duckdb", "spark"]
_PARAMETER = re.compile(r"\$([a-z_]+)")

NAMES = tuple(sorted(f.name.removesuffix(".sql") for f in files(__package__).iterdir() if f.name.endswith(".sql")))


@cache
def source(name: str) -> str:
    """The file as it stands."""
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def query(name: str, parameters: Mapping[str, str] | None = None, dialect: Dialect = "duckdb") -> str:
    """The text of `name`.sql for an engine. Raises KeyError for a parameter that is not given."""
    given = parameters or {}
    text = _PARAMETER.sub(lambda found: f"({given[found[1]]})", _without_comments(source(name)))
    if dialect == "duckdb":
        return text
    import sqlglot

    return sqlglot.transpile(text, read="duckdb", write=dialect)[0]


def _without_comments(text: str) -> str:
    """Comments explain the file to a reader; in a log of statements they are in the way."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
