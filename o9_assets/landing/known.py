"""What the manifest lists of a feed, and whether an object of the landing zone is in."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from o9_assets.landing.datasets import MANIFEST
from o9_assets.resources.lake import Lake, equal, everything
from o9_assets.resources.landing_zone import LandedObject

__all__ = ["WITHDRAWN", "Known", "known", "zone_version"]

COLUMNS = ["feed", "object_id", "object_name", "object_version", "covers_date", "ingested_at", "ingest_seq"]
WITHDRAWN = "withdrawn "


@dataclass(frozen=True, slots=True)
class Latest:
    """What was last taken in under a name that has several versions: their listed versions, and the ingest's number."""

    versions: tuple[str, ...]
    seq: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the manifest lists of a feed: object ids, the latest delivery day among them, and by name what came last
    where there is more than one version."""

    object_ids: Set[str] = frozenset()
    latest_day: date | None = None
    latest: Mapping[str, Latest] = field(default_factory=dict)

    def new(self, found: LandedObject) -> LandedObject | None:
        """The object as it is to be listed, None where it is in: the zone's version is the one that came last."""
        if found.object_id not in self.object_ids:
            return found
        last = self.latest.get(found.name)
        if last is None or any(zone_version(version) == found.version for version in last.versions):
            return None
        return replace(found, returned=last.seq)

    def listed(self, found: LandedObject) -> LandedObject:
        """The object as it is listed, or would be."""
        last = self.latest.get(found.name)
        for version in () if last is None else last.versions:
            place, _, returned = version.partition("@")
            if place == found.version:
                return replace(found, returned=int(returned or 0))
        return self.new(found) or found


def zone_version(listed: str) -> str:
    """The version in the landing zone of what the manifest lists."""
    return listed.removeprefix(WITHDRAWN).partition("@")[0]


def known(lake: Lake, feed_name: str | None = None) -> dict[str, Known]:
    """What is in, by feed; of one feed alone where it is named."""
    table = lake.read(MANIFEST, columns=COLUMNS, where=everything() if feed_name is None else equal("feed", feed_name))
    found = {}
    for feed in table["feed"].unique().to_pylist():
        rows = table.filter(pc.equal(table["feed"], feed))
        ids = frozenset(rows["object_id"].to_pylist())
        found[feed] = Known(ids, pc.max(rows["covers_date"]).as_py(), _latest(rows))
    return found


def _latest(rows: pa.Table) -> dict[str, Latest]:
    counts = rows.group_by("object_name").aggregate([([], "count_all")])
    names = counts.filter(pc.greater(counts["count_all"], 1))["object_name"]
    several = rows.filter(pc.is_in(rows["object_name"], value_set=names.combine_chunks()))
    last: dict[str, tuple[tuple[object, int], list[str]]] = {}
    # By the time of the ingest: an object that is looked at again for a mended record gets a new number as well.
    for name, version, at, seq in zip(
        *(several[c].to_pylist() for c in ("object_name", "object_version", "ingested_at", "ingest_seq")), strict=True
    ):
        held = last.get(name)
        if held is None or (at, seq) > held[0]:
            last[name] = (at, seq), [version]
        elif (at, seq) == held[0]:
            held[1].append(version)
    return {name: Latest(tuple(versions), seq) for name, ((_, seq), versions) in last.items()}
