"""SQLite as a source, where there is no PostgreSQL: changes are kept by triggers in a table of their own.

DMS itself reads no SQLite; the engine name `sqlite` is the sandbox's own. A change's commit time is that of its
statement, and its schema is `main`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from o9_assets.sandbox.aws.dms.source import Change, Column, SourceError, Table

__all__ = ["Sqlite"]


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise SourceError(str(error)) from error


class Sqlite:
    """A database file, and a log and triggers named after the task."""

    def __init__(self, path: str, task: str) -> None:
        if not Path(path).is_file():
            raise SourceError(f"there is no database {path}")
        self._name = "dms_" + re.sub(r"[^a-z0-9_]", "_", task.lower())
        with _errors():
            self._con = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)

    def _all(self, statement: str, *given: Any) -> list[Any]:
        with _errors():
            return self._con.execute(statement, given).fetchall()

    def tables(self) -> list[tuple[str, str]]:
        found = self._all(
            "SELECT 'main', name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' "
            "AND name NOT LIKE 'dms~_%' ESCAPE '~' ORDER BY name"
        )
        return [(schema, name) for schema, name in found]

    def table(self, schema: str, name: str) -> Table:
        found = self._all("SELECT name, upper(type) FROM pragma_table_info(?)", name)
        if not found or schema != "main":
            raise SourceError(f"no such table: {schema}.{name}")
        return Table(schema, name, tuple(_column(column, declared) for column, declared in found))

    def rows(self, table: Table, where: str = "") -> Iterator[Sequence[Any]]:
        listed = ", ".join(f'"{c.name}"' for c in table.columns)
        condition = f" WHERE {where}" if where else ""
        with _errors():
            for row in self._con.execute(f'SELECT {listed} FROM "{table.name}"{condition}'):
                yield [_value(value, c.kind) for value, c in zip(row, table.columns, strict=True)]

    def begin_changes(self, tables: Sequence[Table]) -> None:
        self.end_changes()
        log = self._name
        self._all(f"CREATE TABLE {log} (id INTEGER PRIMARY KEY AUTOINCREMENT, op, name, row, at)")
        for table in tables:
            for op, event, row in (("I", "INSERT", "NEW"), ("U", "UPDATE", "NEW"), ("D", "DELETE", "OLD")):
                fields = ", ".join(f"'{c.name}', {row}.\"{c.name}\"" for c in table.columns)
                self._all(
                    f'CREATE TRIGGER "{log}_{op}_{table.name}" AFTER {event} ON "{table.name}" BEGIN '
                    f"INSERT INTO {log} (op, name, row, at) VALUES ('{op}', '{table.name}', json_object({fields}), "
                    "strftime('%Y-%m-%d %H:%M:%f', 'now')); END"
                )

    def changes(self, after: Any = None) -> list[Change]:
        found = []
        for position, op, name, row, at in self._all(
            f"SELECT id, op, name, row, at FROM {self._name} WHERE id > ? ORDER BY id", after or 0
        ):
            kinds = {c.name: c.kind for c in self.table("main", name).columns}
            values = {c: _value(value, kinds[c]) for c, value in json.loads(row).items() if c in kinds}
            moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            found.append(Change(op, ("main", name), values, moment, position))
        return found

    def let_go(self, position: Any) -> None:
        self._all(f"DELETE FROM {self._name} WHERE id <= ?", position)

    def end_changes(self) -> None:
        for (trigger,) in self._all(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, ?) = ?",
            len(self._name) + 1,
            f"{self._name}_",
        ):
            self._all(f'DROP TRIGGER "{trigger}"')
        self._all(f"DROP TABLE IF EXISTS {self._name}")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def close(self) -> None:
        self._con.close()


def _column(name: str, declared: str) -> Column:
    base, *sizes = re.findall(r"\w+", declared) or ["TEXT"]
    if "INT" in base:
        return Column(name, "int")
    if base in ("NUMERIC", "DECIMAL"):
        return Column(name, "decimal", *[int(size) for size in sizes])
    kinds = {"DATE": "date", "TIMESTAMP": "timestamp", "DATETIME": "timestamp", "BOOLEAN": "bool", "REAL": "float"}
    return Column(name, kinds.get(base, "text"))


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    match kind:
        case "decimal":
            return Decimal(str(value))
        case "date":
            return date.fromisoformat(value)
        case "timestamp":
            return datetime.fromisoformat(value)
        case "bool":
            return bool(value)
        case "text":
            return str(value)
    return value
