"""From a stream to raw rows: bounded runs, positions kept by the manifest, each record in once.

A run reads every partition from the position that the manifest says, and commits like an ingest of files: quarantine,
raw, the manifest last. The manifest's commit is refused where another run moved a position meanwhile. A run that died
leaves rows that nobody reads, for the manifest does not list them; they are swept a day later.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import repeat

import duckdb
import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import MANIFEST, QUARANTINE
from o9_assets.landing.events import Events, Range
from o9_assets.landing.manifest import LISTED, enter_in_manifest
from o9_assets.planning.streams import Stream
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import CommitConflict, Lake, all_of, at_least, equal, isin
from o9_assets.resources.streams.reader import Partition, Reader, Record

__all__ = ["Place", "StreamReport", "gaps", "places", "take_in"]

FLUSH_RECORDS = 200_000
FLUSH_BYTES = 128 << 20
"""Records are committed together until they reach these numbers, or there is nothing more to read."""
ROUND_SECONDS = 5.0
LONGEST_RUN = timedelta(days=1)
SAY_AFTER = timedelta(hours=6)
"""A quiet partition gets an empty range so often, so that a gap can be told from a quiet time."""


@dataclass
class StreamReport:
    """What a run did. `waiting`: it ended by its bounds, and there is more to read."""

    landed_rows: int = 0
    accepted_rows: int = 0
    quarantined_rows: int = 0
    size_bytes: int = 0
    ranges: int = 0
    commits: int = 0
    partitions: int = 0
    waiting: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    value_at_risk: Decimal = Decimal(0)
    gaps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading of a partition stands: its position, and until when everything that arrived was read (UTC)."""

    position: str
    read_until: datetime


def places(lake: Lake, feed_name: str, stream: str) -> dict[str, Place]:
    """Positions of a stream by partition, as the manifest says."""
    return _places(lake.read(MANIFEST, columns=LISTED, where=equal("feed", feed_name)), stream)


def _places(listed: pa.Table, stream: str) -> dict[str, Place]:
    found: dict[str, Place] = {}
    ordered = listed.sort_by("ingest_seq")
    for name, version, until in zip(
        *(ordered[c].to_pylist() for c in ("object_name", "object_version", "read_until")), strict=True
    ):
        owner, _, _ = name.rpartition("/")
        if owner.startswith(f"{stream}/"):
            found[owner.removeprefix(f"{stream}/")] = Place(version, until)
    return found


def gaps(lake: Lake, feed_name: str, *, now: datetime, days: int = 7) -> list[str]:
    """What the manifest says of records that were gone before they were read, newest first."""
    where = all_of(equal("feed", feed_name), at_least("known_at", now - timedelta(days=days)))
    found = lake.read(MANIFEST, columns=["feed", "known_at", "reason"], where=where)
    rows = sorted(found.to_pylist(), key=lambda row: row["known_at"], reverse=True)
    return [str(row["reason"]) for row in rows if row["reason"]]


@dataclass
class Track:
    """A partition while a run reads it: `committed` is what the manifest says, `position` what was read."""

    partition: Partition
    committed: str | None
    position: str | None
    read_until: datetime | None
    said_until: datetime | None = None
    records: list[Record] = field(default_factory=list)
    size_bytes: int = 0
    gap: str | None = None
    caught_up: bool = False
    ended: bool = False


def take_in(
    feed_name: str,
    stream: Stream,
    payload: Dataset,
    dataset: Dataset,
    *,
    timezone: str,
    reader: Reader,
    lake: Lake,
    engine: Engine,
    now: Callable[[], datetime],
    max_records: int | None = None,
    max_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[str], None] = lambda text: None,
) -> StreamReport:
    """Read what the stream holds beyond the manifest's positions, up to the run's bounds, and commit it.

    Raises CommitConflict where another run took in the same records, and the reader's errors: what was committed
    until then is in.
    """
    report = StreamReport()
    until = clock() + (max_seconds or stream.max_seconds)
    most = max_records or stream.max_records
    run = _Run(feed_name, stream, payload, dataset, timezone, reader, lake, engine, now, report)
    with engine.connect() as con, ThreadPoolExecutor(reader.at_once) as pool:
        events = Events(con, feed_name, stream, payload, timezone)
        while True:
            ready = run.ready()
            waiting = sum(len(track.records) for track in run.tracks.values())
            left = min(most - report.landed_rows - waiting, FLUSH_RECORDS - waiting)
            enough = left <= 0 or clock() >= until or run.size() >= FLUSH_BYTES
            if ready and not enough:
                share = max(1, left // len(ready))
                seconds = min(ROUND_SECONDS, max(0.0, until - clock()))
                list(pool.map(run.read, ready, repeat(share), repeat(seconds)))
                if any(track.ended for track in ready):
                    run.look()  # a shard that ended has children
                continue
            run.flush(con, events)
            progress(f"{feed_name}: {report.landed_rows:,} records, {report.quarantined_rows:,} quarantined")
            if not ready or report.landed_rows >= most or clock() >= until:
                report.waiting = bool(ready)
                return report


@dataclass
class _Run:
    """One run's work: what is read but not yet committed, by partition."""

    feed_name: str
    stream: Stream
    payload: Dataset
    dataset: Dataset
    timezone: str
    reader: Reader
    lake: Lake
    engine: Engine
    now: Callable[[], datetime]
    report: StreamReport

    def __post_init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self._unlisted = {dataset: self._swept(dataset) for dataset in (self.dataset, QUARANTINE)}
        self._held = places(self.lake, self.feed_name, self.reader.name)
        # A partition that is new was made after the last look at the stream.
        self._last_look = max((place.read_until for place in self._held.values()), default=None)
        self.look()
        for name, place in self._held.items():
            if name not in self.tracks and self.reader.gone(place.position) != place.position:
                self._gone(name, place)

    def look(self) -> None:
        """Take up partitions that are not known yet."""
        listed = self.reader.partitions()
        self.report.partitions = len(listed)
        for partition in listed:
            if partition.name in self.tracks:
                continue
            place = self._held.get(partition.name)
            position = place.position if place else None
            until = place.read_until if place else self._last_look
            said = place.read_until if place else None
            self.tracks[partition.name] = Track(
                partition, position, position, until, said, ended=self.reader.ended(position)
            )

    def _gone(self, name: str, place: Place) -> None:
        """A shard whose last records left the stream, and it with them."""
        gap = f"{name}: what arrived after {place.read_until} UTC and was not read is gone, and the shard with it"
        end = self.reader.gone(place.position)
        self.tracks[name] = Track(
            Partition(name), place.position, end, place.read_until, place.read_until, gap=gap, ended=True
        )

    def ready(self) -> list[Track]:
        """Partitions to read: those with more to come, whose parents are read to their end."""
        return [
            track
            for track in self.tracks.values()
            if not track.caught_up
            and not track.ended
            and all(self.tracks[parent].ended for parent in track.partition.parents)
        ]

    def size(self) -> int:
        """Bytes that wait to be committed."""
        return sum(track.size_bytes for track in self.tracks.values())

    def read(self, track: Track, limit: int, seconds: float) -> None:
        asked_at = self.now()
        part = self.reader.read(
            track.partition.name, track.position, limit=limit, seconds=seconds, read_until=track.read_until
        )
        track.records += part.records
        track.size_bytes += sum(len(record.data or b"") for record in part.records)
        track.position, track.caught_up, track.ended = part.position, part.caught_up, part.ended
        track.gap = track.gap or part.gap
        if part.caught_up:
            track.read_until = asked_at
        elif part.records:
            track.read_until = part.records[-1].arrived_at

    def flush(self, con: duckdb.DuckDBPyConnection, events: Events) -> None:
        """Commit what was read: quarantine, raw, the manifest."""
        moved = [track for track in self.tracks.values() if self._has_news(track)]
        if not moved:
            return
        known_at = self.now()
        ranges = [
            Range(
                self.reader.name,
                track.partition.name,
                track.committed,
                track.position,
                track.records,
                track.read_until or known_at,
                track.gap,
            )
            for track in moved
        ]
        judged = events.judge(ranges, known_at, self.dataset)
        ids = [one.found.object_id for one in ranges]
        ours = all_of(equal("feed", self.feed_name), isin("object_id", ids))
        # Nothing replaces what a dead run left of these ranges with other settings but what is written now.
        if judged.quarantined.num_rows or not self._unlisted[QUARANTINE].keys().isdisjoint(ids):
            self.lake.overwrite(QUARANTINE, judged.quarantined, ours, marks=self._mark(QUARANTINE, ids, known_at))
        accepted = any(count for _, count, _ in judged.counts.values())
        if accepted or not self._unlisted[self.dataset].keys().isdisjoint(ids):
            marks = self._mark(self.dataset, ids, known_at)
            self.lake.overwrite(self.dataset, judged.accepted, isin("object_id", ids), marks=marks)
        rows = [self._manifest_row(one, judged.counts[one.found.object_id], known_at) for one in ranges]
        enter_in_manifest(self.lake, self.feed_name, rows, check=lambda listed: self._still_ours(listed, ranges))
        self._tell(ranges, rows, judged.quarantined)
        for track in moved:
            track.committed, track.said_until = track.position, track.read_until
            track.records, track.size_bytes, track.gap = [], 0, None

    @staticmethod
    def _has_news(track: Track) -> bool:
        if track.position != track.committed or track.gap:
            return True
        if track.said_until is None or track.read_until is None or track.ended:
            return False
        return track.read_until - track.said_until > SAY_AFTER

    def _manifest_row(self, one: Range, counts: tuple[int, int, int], known_at: datetime) -> dict[str, object]:
        landed, accepted, bad = counts
        return {
            "feed": self.feed_name,
            "object_id": one.found.object_id,
            "object_name": one.found.name,
            "object_version": one.found.version,
            "known_at": known_at,
            "ingested_at": known_at,
            "covers_date": None,
            "status": "ingested",
            "reason": one.gap,
            "replaces": False,
            "size_bytes": one.found.size_bytes,
            "content_hash": one.content_hash,
            "landed_rows": landed,
            "accepted_rows": accepted,
            "quarantined_rows": bad,
            "settings_hash": self.stream.feed.hash,
            "read_until": one.read_until,
        }

    def _still_ours(self, listed: pa.Table, ranges: Iterable[Range]) -> None:
        held: Mapping[str, Place] = _places(listed, self.reader.name)
        for one in ranges:
            place = held.get(one.partition)
            if (place.position if place else None) != one.after:
                raise CommitConflict(
                    f"Another run took in {one.partition} of {self.reader.name} meanwhile.",
                    remedy="It is read on from where that one stopped.",
                )

    def _tell(self, ranges: Iterable[Range], rows: Iterable[dict[str, object]], quarantined: pa.Table) -> None:
        report = self.report
        report.commits += 1
        for one, row in zip(ranges, rows, strict=True):
            report.ranges += 1
            report.size_bytes += one.found.size_bytes
            report.landed_rows += len(one.records)
            report.quarantined_rows += int(str(row["quarantined_rows"]))
            report.accepted_rows += int(str(row["accepted_rows"]))
            if one.gap:
                report.gaps.append(one.gap)
        report.reasons.update(quarantined["reason"].to_pylist())
        risk = (v for v in quarantined["value_at_risk"].to_pylist() if v is not None)
        report.value_at_risk += sum(risk, Decimal(0))

    def _mark(self, dataset: Dataset, ids: Iterable[str], known_at: datetime) -> dict[str, str | None]:
        """A mark that goes with rows which the manifest does not list yet."""
        mine = dict.fromkeys(ids, known_at.isoformat())
        return {self._key: json.dumps({**self._unlisted[dataset], **mine}, separators=(",", ":"))}

    @property
    def _key(self) -> str:
        return f"unlisted.{self.feed_name}"

    def _swept(self, dataset: Dataset) -> dict[str, str]:
        """Ranges with rows that no manifest lists, and since when; a dead run's rows are removed."""
        marked: dict[str, str] = json.loads(self.lake.marks(dataset).get(self._key, "{}"))
        listed = self.lake.read(
            MANIFEST, columns=["object_id"], where=all_of(equal("feed", self.feed_name), isin("object_id", marked))
        )
        left = {one: since for one, since in marked.items() if one not in set(listed["object_id"].to_pylist())}
        limit = self.now() - LONGEST_RUN
        dead = [one for one, since in left.items() if datetime.fromisoformat(since) < limit]
        if dead:
            self.lake.overwrite(dataset, dataset.arrow_schema.empty_table(), isin("object_id", dead))
        return {one: since for one, since in left.items() if one not in dead}
