"""From landed objects to raw rows: each object once by name and version, every record in raw or in quarantine.

The order of the three commits is what makes a crash harmless: quarantine, raw, and the manifest last. Only what the
manifest lists is read downstream; an ingest that died earlier is simply done again, replacing the same slices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.landing.known import Known, known
from o9_assets.landing.manifest import enter_in_manifest, renew
from o9_assets.landing.plain import Hopeless, make_plain
from o9_assets.landing.rereading import being_read_again, is_read_again
from o9_assets.landing.staging import Staging
from o9_assets.landing.transfers import held_back, releases
from o9_assets.planning.feeds import Feed, Match
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, all_of, equal, isin
from o9_assets.resources.landing_zone import LandedObject, LandingZone, ObjectChanged, Spooled
from o9_assets.resources.spills import spill_folder

__all__ = ["Arrival", "IngestReport", "ingest", "new_objects"]

FLUSH_ROWS = 2_000_000
"""Objects are written together until their rows reach this number; a larger object is written by itself."""


@dataclass
class IngestReport:
    """What an ingest did. Rows are records without headers; `set_aside` are whole objects with their reason."""

    objects: int = 0
    landed_rows: int = 0
    accepted_rows: int = 0
    quarantined_rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    value_at_risk: Decimal = Decimal(0)
    set_aside: dict[str, str] = field(default_factory=dict)
    left_for_later: list[str] = field(default_factory=list)
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object that a feed has not read yet."""

    found: LandedObject
    match: Match


def new_objects(feed_name: str, feed: Feed, *, zone: LandingZone, lake: Lake) -> list[Arrival]:
    """Objects of the feed that are not in and that no unfinished transfer holds back, oldest delivery day first."""
    before = held_back(lake)
    listed = known(lake, feed_name).get(feed_name, Known())
    arrivals = [
        Arrival(new, match)
        for found in zone.list(feed.prefix)
        if (match := feed.match(found.name)) is not None and (new := listed.new(found)) is not None
    ]
    # As before the listing and as after it: of a transfer that ended, or began, meanwhile a part was listed.
    holds = [*before, *held_back(lake)] if arrivals else []
    arrivals = [arrival for arrival in arrivals if releases(arrival.found, holds)]
    return sorted(arrivals, key=lambda a: (a.match.covers_date or date.min, a.found.name))


def ingest(
    feed_name: str,
    feed: Feed,
    dataset: Dataset,
    *,
    timezone: str,
    zone: LandingZone,
    lake: Lake,
    engine: Engine,
    now: datetime,
    objects: Sequence[Arrival] | None = None,
    progress: Callable[[str], None] | None = None,
) -> IngestReport:
    """Take in the feed's new objects (or the given ones, again) and say what came of every record.

    What a run that died was reading again is read again, too.

    `now` (UTC) is when the rows became known, unless the feed declares that otherwise. An object that changes while it
    is read is left for the next time. Raises CommitConflict where others keep writing the manifest.
    """
    report = IngestReport()
    left = being_read_again(lake, dataset) if objects is None else set()
    arrivals = new_objects(feed_name, feed, zone=zone, lake=lake) if objects is None else list(objects)
    arrivals += _left_half_read(left, feed_name, feed, zone=zone, lake=lake)
    if not arrivals:
        is_read_again(lake, dataset, left)
        return report
    with ExitStack() as held:
        con = held.enter_context(engine.connect())
        home = held.enter_context(spill_folder(engine.temp_dir))
        # Objects may be spooled ahead of need, so they lie apart from what is done with at a flush.
        spool, plains = home / "spool", home / "plain"
        spool.mkdir()
        plains.mkdir()
        staging = Staging(con, feed_name, feed, dataset, timezone)
        waiting: list[tuple[Arrival, Spooled]] = []
        spooling = held.enter_context(closing(zone.spool_all([arrival.found for arrival in arrivals], spool)))
        for number, (arrival, (_, spooled)) in enumerate(zip(arrivals, spooling, strict=True), start=1):
            if isinstance(spooled, ObjectChanged):
                report.left_for_later.append(arrival.found.name)
                continue
            known_at = _known_at(feed, arrival.match.covers_date, now, timezone)
            try:
                _judge_day(feed, arrival.match.covers_date, now)
                staging.add(arrival.found, make_plain(spooled.path, feed.format, plains), known_at)
            except Hopeless as hopeless:
                staging.set_aside(arrival.found, known_at, hopeless)
            waiting.append((arrival, spooled))
            if staging.rows >= FLUSH_ROWS or number == len(arrivals):
                _flush(staging, waiting, feed, lake, now, timezone, report)
                for path in (*plains.iterdir(), *(done.path for _, done in waiting)):
                    path.unlink()
                waiting.clear()
            if progress and (number % 100 == 0 or number == len(arrivals)):
                progress(f"{feed_name}: {number:,} of {len(arrivals):,} objects, {report.landed_rows:,} rows")
        if waiting:
            _flush(staging, waiting, feed, lake, now, timezone, report)
    is_read_again(lake, dataset, left)
    return report


def _left_half_read(ids: Set[str], feed_name: str, feed: Feed, *, zone: LandingZone, lake: Lake) -> list[Arrival]:
    """Objects that a run which died was reading again, as far as they still lie in the landing zone."""
    if not ids:
        return []
    # Raw rows may be other ones already: those of objects that are gone are looked at again as well.
    renew(lake, feed_name, ids)
    listed = known(lake, feed_name).get(feed_name, Known())
    found = ((listed.listed(one), feed.match(one.name)) for one in zone.list(feed.prefix))
    return [Arrival(one, match) for one, match in found if match is not None and one.object_id in ids]


def _judge_day(feed: Feed, covers: date | None, now: datetime) -> None:
    """Raise Hopeless for an object of a feed with a delivery calendar that says it stands for a day which has not come:
    every day up to it would be one of which nothing is known. A day more is for zones and early deliveries."""
    if feed.delivery is not None and covers is not None and covers > now.date() + timedelta(days=1):
        detail = f"its name says that it stands for {covers}, which has not come; land it under its right name"
        raise Hopeless("day_has_not_come", detail)


def _known_at(feed: Feed, covers: date | None, now: datetime, timezone: str) -> datetime:
    if feed.known_at == "covers_date" and covers is not None:
        end = datetime.combine(covers + timedelta(days=1), time(), ZoneInfo(timezone))
        return end.astimezone(UTC).replace(tzinfo=None)
    return now


def _flush(
    staging: Staging,
    waiting: Sequence[tuple[Arrival, Spooled]],
    feed: Feed,
    lake: Lake,
    now: datetime,
    timezone: str,
    report: IngestReport,
) -> None:
    """Write what is staged: quarantine, raw, manifest, in this order."""
    ids = [arrival.found.object_id for arrival, _ in waiting]
    feed_name, dataset = staging.feed_name, staging.dataset
    staging.finish()
    quarantined, hopeless = staging.quarantined(), staging.hopeless()
    lake.overwrite(QUARANTINE, quarantined, all_of(equal("feed", feed_name), isin("object_id", ids)))
    lake.overwrite(dataset, staging.accepted(), isin("object_id", ids))
    counts, others = staging.counts(), staging.others()
    rows = []
    for arrival, spooled in waiting:
        found = arrival.found
        landed, accepted, bad = counts.get(found.object_id, (0, 0, 0))
        reason = hopeless.get(found.object_id)
        report.objects += 1
        report.size_bytes += spooled.size_bytes
        report.landed_rows += landed
        report.accepted_rows += accepted
        report.quarantined_rows += bad
        if reason is not None:
            report.set_aside[found.name] = f"{reason.reason}: {reason.detail}"
        rows.append(
            {
                "feed": feed_name,
                "object_id": found.object_id,
                "object_name": found.name,
                "object_version": found.listed_version,
                "known_at": _known_at(feed, arrival.match.covers_date, now, timezone),
                "ingested_at": now,
                "covers_date": arrival.match.covers_date,
                "status": "ingested" if reason is None else "set_aside",
                "reason": None if reason is None else reason.reason,
                # A version that cannot be read replaces nothing: the last good one goes on holding.
                "replaces": feed.on_new_version == "replace" and reason is None,
                "size_bytes": spooled.size_bytes,
                "content_hash": spooled.sha256,
                "landed_rows": landed,
                "accepted_rows": accepted,
                "quarantined_rows": bad,
                "settings_hash": feed.hash,
                "other_rows": others.get(found.object_id),
            }
        )
    report.reasons.update({r: n for r, n in Counter(quarantined["reason"].to_pylist()).items() if r is not None})
    report.value_at_risk += sum((v for v in quarantined["value_at_risk"].to_pylist() if v is not None), Decimal(0))
    enter_in_manifest(lake, feed_name, rows)
    staging.clear()
