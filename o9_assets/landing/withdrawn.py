"""Objects taken out of what is read: those of a revoked revision, or what a failed execution left behind.

Nothing is deleted. The manifest gets a row that replaces the object's former versions by nothing: their rows count as
superseded, and the account of rows goes on adding up. An object that no feed has read yet is listed as withdrawn, so
that none will.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime

import duckdb

from o9_assets.landing.accepted import manifest_view
from o9_assets.landing.known import WITHDRAWN, Known, known
from o9_assets.landing.manifest import enter_in_manifest
from o9_assets.planning.feeds import Feed
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import LandedObject, LandingZone

__all__ = ["read_below", "withdraw"]


def read_below(feeds: Iterable[str], prefixes: Collection[str], lake: Lake) -> set[str]:
    """Of `prefixes`, those below which lies an object whose rows count in one of the feeds."""
    if not prefixes:
        return set()
    with duckdb.connect(":memory:") as con:
        found: set[str] = set()
        for feed_name in feeds:
            manifest_view(con, lake, "manifest", feed_name)
            sql = (
                "SELECT DISTINCT prefix FROM (SELECT unnest($1::VARCHAR[]) AS prefix) JOIN manifest "
                "ON starts_with(object_name, prefix) WHERE holds AND status = 'ingested'"
            )
            found.update(prefix for (prefix,) in con.execute(sql, [sorted(prefixes)]).fetchall())
    return found


def withdraw(
    feeds: Mapping[str, Feed],
    prefixes: Collection[str],
    why: Callable[[str], str | None],
    *,
    zone: LandingZone,
    lake: Lake,
    now: datetime,
) -> Counter[str]:
    """Withdraw the objects below `prefixes` for the reason that `why` gives for their names, None for one that is not
    meant, as far as `feeds` read them; returns how many were withdrawn by reason. What is withdrawn already is left
    alone, so that this can be said again and again.

    `now` (UTC without a zone) is when it became known. Rows known before stay so for a look at the past.
    """
    below = tuple(sorted(prefixes))
    if not below:
        return Counter()
    # A prefix may begin with another one.
    there = {found.object_id: found for prefix in below for found in zone.list(prefix) if why(found.name) is not None}
    done: Counter[str] = Counter()
    for feed_name, feed in feeds.items():
        with duckdb.connect(":memory:") as con:
            manifest_view(con, lake, "manifest", feed_name)
            listed = con.execute(
                "SELECT object_name, object_version, known_at FROM manifest WHERE holds AND status = 'ingested'"
            ).fetchall()
        known_here = known(lake, feed_name).get(feed_name, Known())
        rows = [
            _row(feed_name, feed, new, why(found.name), now)
            for found in there.values()
            if feed.match(found.name) is not None and (new := known_here.new(found)) is not None
        ]
        for name, version, known_at in listed:
            if name.startswith(below) and (reason := why(name)) is not None:
                at = max(now, known_at)
                nothing = LandedObject(name, f"{WITHDRAWN}{version}", 0, at.replace(tzinfo=UTC))
                rows.append(_row(feed_name, feed, nothing, reason, at))
        if rows:
            enter_in_manifest(lake, feed_name, rows)
            done.update(str(row["reason"]) for row in rows)
    return done


def _row(feed_name: str, feed: Feed, found: LandedObject, reason: str | None, at: datetime) -> dict[str, object]:
    match = feed.match(found.name)
    return {
        "feed": feed_name,
        "object_id": found.object_id,
        "object_name": found.name,
        "object_version": found.listed_version,
        "known_at": at,
        "ingested_at": at,
        "covers_date": match.covers_date if match else None,
        "status": "withdrawn",
        "reason": reason,
        "replaces": True,
        "size_bytes": 0,
        "content_hash": "",
        "landed_rows": 0,
        "accepted_rows": 0,
        "quarantined_rows": 0,
        "settings_hash": feed.hash,
    }
