"""PostgreSQL as a source: tables through a snapshot, changes through a logical replication slot (`pgoutput`).

The server needs wal_level = logical. As with DMS, a delete carries the whole row only where the table has REPLICA
IDENTITY FULL; otherwise it carries the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from o9_assets.sandbox.aws.dms.pgoutput import Decoder
from o9_assets.sandbox.aws.dms.source import Change, Column, SourceError, Table

__all__ = ["Postgres"]

_KINDS = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "int"),
    **dict.fromkeys(("real", "double precision"), "float"),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), "timestamp"),
    "numeric": "decimal",
    "boolean": "bool",
    "date": "date",
}


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise SourceError(" ".join(str(error).split())) from error


class Postgres:
    """A database, and a slot and a publication named after the task."""

    def __init__(self, endpoint: Mapping[str, Any], task: str) -> None:
        self._name = "dms_" + re.sub(r"[^a-z0-9_]", "_", task.lower())[:50]
        with _errors():
            self._con = psycopg.connect(
                host=endpoint.get("ServerName"),
                port=endpoint.get("Port"),
                user=endpoint.get("Username"),
                password=endpoint.get("Password"),
                dbname=endpoint["DatabaseName"],
                connect_timeout=10,
                autocommit=True,
                client_encoding="utf8",
                options="-c timezone=UTC -c datestyle=ISO",
            )

    def _all(self, statement: Any, *given: Any) -> list[Any]:
        with _errors():
            return self._con.execute(statement, given).fetchall()

    def tables(self) -> list[tuple[str, str]]:
        return self._all(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') "
            "ORDER BY 1, 2"
        )

    def table(self, schema: str, name: str) -> Table:
        found = self._all(
            "SELECT column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            schema,
            name,
        )
        if not found:
            raise SourceError(f"the table {schema}.{name} does not exist")
        return Table(
            schema,
            name,
            tuple(Column(c, _KINDS.get(kind, "text"), p or 38, 10 if s is None else s) for c, kind, p, s in found),
        )

    def rows(self, table: Table, where: str = "") -> Iterator[Sequence[Any]]:
        listed = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(c.name)) if c.kind == "text" else sql.Identifier(c.name)
            for c in table.columns
        )
        statement = sql.SQL("SELECT {} FROM {}").format(listed, sql.Identifier(table.schema, table.name))
        if where:
            statement += sql.SQL(" WHERE ") + sql.SQL(where)
        with _errors(), self._con.transaction(), self._con.cursor(f"load_{self._name}") as cursor:
            cursor.itersize = 10_000
            cursor.execute(statement)
            for row in cursor:
                yield [_utc(value) for value in row]

    def begin_changes(self, tables: Sequence[Table]) -> None:
        self.end_changes()
        listed = sql.SQL(", ").join(sql.Identifier(t.schema, t.name) for t in tables)
        with _errors():
            self._con.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(sql.Identifier(self._name), listed))
            self._con.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (self._name,))
        self._known = {(t.schema, t.name): t for t in tables}

    def changes(self, after: Any = None) -> list[Change]:
        messages = self._all(
            "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version', '1', "
            "'publication_names', %s)",
            self._name,
            self._name,
        )
        found = []
        for row in Decoder().decode(bytes(message[0]) for message in messages):
            if after is not None and _position(row.lsn) <= _position(after):
                continue
            table = self.table(row.schema, row.name) if row.op != "T" else None
            kinds = {c.name: c.kind for c in table.columns} if table else {}
            values = {c: _value(text, kinds.get(c, "text")) for c, text in row.values.items()}
            found.append(Change(row.op, (row.schema, row.name), values, row.at, row.lsn))
        return found

    def let_go(self, position: Any) -> None:
        self._all("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", self._name, position)

    def end_changes(self) -> None:
        self._all(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", self._name
        )
        with _errors():
            self._con.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(self._name)))

    def now(self) -> datetime:
        [(at,)] = self._all("SELECT clock_timestamp()")
        moment: datetime = at.astimezone(UTC)
        return moment

    def close(self) -> None:
        self._con.close()


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _utc(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _value(text: str | None, kind: str) -> Any:
    """A value from PostgreSQL's text of it."""
    if text is None:
        return None
    match kind:
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "decimal":
            return Decimal(text)
        case "bool":
            return text == "t"
        case "date":
            return date.fromisoformat(text)
        case "timestamp":
            return _utc(datetime.fromisoformat(text))
    return text
