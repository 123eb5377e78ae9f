"""Messages of PostgreSQL's logical replication plugin `pgoutput`, protocol 1, as its manual lays them out
("Logical Replication Message Formats")."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["Decoder", "Row"]

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """A changed row as texts by column; `op` is I, U, D or T. `lsn` is the end of its transaction."""

    op: str
    schema: str
    name: str
    values: dict[str, str | None]
    at: datetime
    lsn: str


class Decoder:
    """Keeps what relations look like from message to message."""

    def __init__(self) -> None:
        self._relations: dict[int, tuple[str, str, list[str]]] = {}
        self._at = EPOCH
        self._waiting: list[tuple[str, str, str, dict[str, str | None]]] = []

    def decode(self, messages: Iterable[bytes]) -> Iterator[Row]:
        """The rows of every transaction that is committed."""
        for data in messages:
            match data[:1]:
                case b"B":
                    _, micros, _ = struct.unpack_from("!qqi", data, 1)
                    self._at, self._waiting = EPOCH + timedelta(microseconds=micros), []
                case b"C":
                    (end,) = struct.unpack_from("!q", data, 10)
                    lsn = f"{end >> 32:X}/{end & 0xFFFFFFFF:X}"
                    for op, schema, name, values in self._waiting:
                        yield Row(op, schema, name, values, self._at, lsn)
                    self._waiting = []
                case b"R":
                    self._relation(data)
                case b"I":
                    self._keep("I", data, 5)
                case b"U":
                    self._keep("U", data, self._after_old(data))
                case b"D":
                    self._keep("D", data, 5)
                case b"T":
                    count, _ = struct.unpack_from("!ib", data, 1)
                    for (relation,) in struct.iter_unpack("!i", data[6 : 6 + 4 * count]):
                        schema, name, _ = self._relations[relation]
                        self._waiting.append(("T", schema, name, {}))

    def _relation(self, data: bytes) -> None:
        (relation,) = struct.unpack_from("!i", data, 1)
        schema, at = _text(data, 5)
        name, at = _text(data, at)
        (count,) = struct.unpack_from("!h", data, at + 1)
        at += 3
        columns = []
        for _ in range(count):
            column, at = _text(data, at + 1)
            columns.append(column)
            at += 8
        self._relations[relation] = (schema, name, columns)

    def _after_old(self, data: bytes) -> int:
        """Where the new row of an update begins: behind the old key or row, where one is sent."""
        if data[5:6] not in (b"K", b"O"):
            return 5
        _, at = _tuple(data, 6)
        return at

    def _keep(self, op: str, data: bytes, at: int) -> None:
        (relation,) = struct.unpack_from("!i", data, 1)
        schema, name, columns = self._relations[relation]
        values, _ = _tuple(data, at + 1)
        self._waiting.append((op, schema, name, dict(zip(columns, values, strict=True))))


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _tuple(data: bytes, at: int) -> tuple[list[str | None], int]:
    """A row's texts; null for null and for a large value that did not change (it is not sent)."""
    (count,) = struct.unpack_from("!h", data, at)
    at += 2
    values: list[str | None] = []
    for _ in range(count):
        kind, at = data[at : at + 1], at + 1
        if kind in (b"n", b"u"):
            values.append(None)
            continue
        (size,) = struct.unpack_from("!i", data, at)
        values.append(data[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return values, at
