"""Records of a stream on their way into the lake: judged like a file's records, with their place in the stream kept.

A range of a partition is one object: its name says stream, partition and positions, and `line` is the record's number
in it. What a stream adds to a row (PLACE) stands beside what the event says (a payload dataset, which a feed maps).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256

import duckdb
import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.landing.event_datasets import PLACE
from o9_assets.landing.records import LONGEST
from o9_assets.landing.staging import Staging
from o9_assets.landing.typing_sql import name
from o9_assets.planning.streams import Stream
from o9_assets.resources.landing_zone import LandedObject
from o9_assets.resources.streams.reader import Record

__all__ = ["Events", "Judged", "Range"]


@dataclass(frozen=True)
class Range:
    """Records of one partition, in order, from after one position up to another."""

    stream: str
    partition: str
    after: str | None
    position: str | None
    records: Sequence[Record]
    read_until: datetime
    gap: str | None = None

    @cached_property
    def found(self) -> LandedObject:
        """The range as an object."""
        label = f"{self.stream}/{self.partition}/{self.after or 'start'}..{self.position}"
        size = sum(len(r.data or b"") for r in self.records)
        return LandedObject(label, str(self.position), size, self.read_until)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the payloads with their lengths: equal content, equal hash."""
        digest = sha256()
        for record in self.records:
            data = record.data or b""
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Judged:
    """What came of ranges: sound rows, quarantine rows, and landed, accepted and quarantined records by object id."""

    accepted: duckdb.DuckDBPyRelation
    quarantined: pa.Table
    counts: dict[str, tuple[int, int, int]]


class Events:
    """Judges ranges of a stream on a DuckDB connection."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, feed_name: str, stream: Stream, payload: Dataset, timezone: str
    ) -> None:
        self._con, self._feed_name, self._stream, self._payload = con, feed_name, stream, payload
        self._staging = Staging(con, feed_name, stream.feed, payload, timezone)

    def judge(self, ranges: Sequence[Range], known_at: datetime, dataset: Dataset) -> Judged:
        """Judge ranges whose rows become known at `known_at`. The relation is good until the next call."""
        self._staging.clear()
        refused: dict[str, list[tuple[int, Record, str]]] = {}
        for one in ranges:
            texts, numbers = [], []
            for line, record in enumerate(one.records, start=1):
                if reason := self._unreadable(record):
                    refused.setdefault(one.found.object_id, []).append((line, record, reason))
                elif record.data is not None:
                    numbers.append(line)
                    # Bytes that are no UTF-8 become text that is no JSON.
                    texts.append(record.data.decode("utf-8", "backslashreplace"))
            judged = {"line": pa.array(numbers, pa.int64()), "record": pa.array(texts, pa.string())}
            self._staging.add_records(one.found, pa.table(judged), known_at)
        self._staging.finish()
        deletes = self._stream.tombstones == "delete"
        self._con.register("places", pa.concat_tables([_places(one, tombstones=deletes) for one in ranges]))
        quarantined = self._with_places(ranges, refused, known_at)
        bad = Counter(quarantined["object_id"].to_pylist())
        counts = {}
        for one in ranges:
            object_id, landed = one.found.object_id, len(one.records)
            counts[object_id] = (landed, landed - bad[object_id], bad[object_id])
        return Judged(self._accepted(dataset, known_at), quarantined, counts)

    def _unreadable(self, record: Record) -> str | None:
        """Why a record cannot even be judged."""
        if record.broken is not None:
            return record.broken
        if record.data is None and (self._stream.tombstones == "set_aside" or not record.key):
            return "a record without a payload" + ("" if record.key else ", and without a key")
        return None

    def _accepted(self, dataset: Dataset, known_at: datetime) -> duckdb.DuckDBPyRelation:
        """Sound events and tombstones, with their place. A change time that the source does not say is that of the
        arrival, so that of two versions of an event the one that arrived later is the later one."""
        changes = "changed_at" in self._stream.columns
        late = f"p.arrived_at > event_at + to_microseconds({int(self._stream.allowed_lateness_minutes * 60_000_000)})"
        own = {c.name: f"p.{c.name}" for c in PLACE}
        own |= {"is_late": late} | ({} if changes else {"changed_at": "p.arrived_at"})
        columns = ", ".join(f"{own.get(c, f'e.{name(c)}')} AS {name(c)}" for c in dataset.column_names)
        self._staging.accepted().create_view("sound_events", replace=True)
        stamp = f"TIMESTAMP '{known_at.isoformat(sep=' ')}'"
        dead = {"op": "'D'", "changed_at": "arrived_at", "change_seq": "0", "known_at": stamp}
        dead |= {self._payload.key[0]: "partition_key", "object_id": "object_id", "object_name": "object_name"}
        dead |= {"line": "line", **{c.name: c.name for c in PLACE}, "is_late": "false"}
        types = {c.name: c.duckdb_type for c in dataset.columns}
        tombstones = ", ".join(f"CAST({dead.get(c, 'NULL')} AS {types[c]}) AS {name(c)}" for c in dataset.column_names)
        return self._con.sql(
            f"SELECT {columns} FROM sound_events AS e JOIN places AS p USING (object_id, line) "
            f"UNION ALL SELECT {tombstones} FROM places WHERE is_tombstone"
        )

    def _with_places(
        self, ranges: Sequence[Range], refused: dict[str, list[tuple[int, Record, str]]], known_at: datetime
    ) -> pa.Table:
        """Quarantine rows; each says in its detail where in the stream its record is."""
        by_id = {one.found.object_id: one for one in ranges}
        rows = self._staging.quarantined().to_pylist()
        for row in rows:
            record = by_id[row["object_id"]].records[row["line"] - 1]
            row["detail"] = f"{row['detail']} (at {_where(by_id[row['object_id']], record)})"
        for object_id, found in refused.items():
            one = by_id[object_id]
            rows += [
                {
                    "feed": self._feed_name,
                    "object_id": object_id,
                    "object_name": one.found.name,
                    "line": line,
                    "column_name": None,
                    "reason": "no_payload" if record.data is None else "broken_record",
                    "detail": f"{reason} (at {_where(one, record)})",
                    "original_text": None
                    if record.data is None
                    else record.data.decode("utf-8", "backslashreplace")[:LONGEST],
                    "value_at_risk": None,
                    "known_at": known_at,
                    "mended_at": None,
                }
                for line, record, reason in found
            ]
        rows.sort(key=lambda row: (row["object_name"], row["line"]))
        return pa.Table.from_pylist(rows, schema=QUARANTINE.arrow_schema)


def _where(one: Range, record: Record) -> str:
    return f"{one.partition} {record.position}" + (f"/{record.sub_position}" if record.sub_position else "")


def _places(one: Range, *, tombstones: bool) -> pa.Table:
    """Where each record of a range is, by object and line."""
    records, count = one.records, len(one.records)
    return pa.table(
        {
            "object_id": pa.repeat(pa.scalar(one.found.object_id), count),
            "object_name": pa.repeat(pa.scalar(one.found.name), count),
            "line": pa.array(range(1, count + 1), pa.int64()),
            "partition_name": pa.repeat(pa.scalar(one.partition), count),
            "position": pa.array([r.position for r in records], pa.string()),
            "sub_position": pa.array([r.sub_position for r in records], pa.int64()),
            "partition_key": pa.array([r.key for r in records], pa.string()),
            "arrived_at": pa.array([r.arrived_at for r in records], pa.timestamp("us")),
            "is_tombstone": pa.array(
                [tombstones and r.data is None and bool(r.key) and r.broken is None for r in records], pa.bool_()
            ),
        }
    )
