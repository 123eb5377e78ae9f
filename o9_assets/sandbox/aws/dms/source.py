"""What a source database is to DMS: tables, their rows, and the changes that were committed, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

__all__ = ["Change", "Column", "Source", "SourceError", "Table", "open_source"]


class SourceError(Exception):
    """The database refused, in its own words."""


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` is int, decimal, float, bool, date, timestamp or text; `precision` and `scale` are a decimal's."""

    name: str
    kind: str
    precision: int = 38
    scale: int = 10


@dataclass(frozen=True, slots=True)
class Table:
    schema: str
    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A committed change: `op` is I, U, D or T (truncate). I and U have the row as it is after, D as it was before.

    `position` is where the log may be cut after the change's transaction; `at` is the moment of its commit (UTC).
    """

    op: str
    table: tuple[str, str]
    values: Mapping[str, Any]
    at: datetime
    position: Any


class Source(Protocol):
    """A database while it is open. Every method raises SourceError."""

    def tables(self) -> list[tuple[str, str]]:
        """Schema and name of every table that a user made."""
        ...

    def table(self, schema: str, name: str) -> Table: ...

    def rows(self, table: Table, where: str = "") -> Iterator[Sequence[Any]]:
        """The rows as they are when the first is asked for; `where` is an SQL condition of one segment."""
        ...

    def begin_changes(self, tables: Sequence[Table]) -> None:
        """Keep the changes of these tables from now on, under the task's name; those kept before are forgotten."""
        ...

    def changes(self, after: Any = None) -> list[Change]:
        """Changes that were kept and not let go, in the order of their commits; `after` is a position."""
        ...

    def let_go(self, position: Any) -> None:
        """Forget the changes up to a position."""
        ...

    def end_changes(self) -> None: ...

    def now(self) -> datetime:
        """The server's time (UTC)."""
        ...

    def close(self) -> None: ...


def open_source(endpoint: Mapping[str, Any], task: str) -> Source:
    """The database of a source endpoint. Raises SourceError where it cannot be reached."""
    engine = endpoint["EngineName"]
    if engine in ("postgres", "aurora-postgresql"):
        from o9_assets.sandbox.aws.dms.postgres import Postgres

        return Postgres(endpoint, task)
    if engine == "sqlite":
        from o9_assets.sandbox.aws.dms.sqlite import Sqlite

        return Sqlite(endpoint["DatabaseName"], task)
    raise SourceError(f"The sandbox's DMS reads postgres and sqlite, not {engine}.")
