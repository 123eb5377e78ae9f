"""Objects taken out of what is read: those of a revoked revision, or what a failed execution left behind.

Nothing is deleted. The manifest gets a row that replaces the object's former versions by nothing: their rows count as
superseded, and the account of rows goes on adding up. An object that no feed has read yet is listed as withdrawn, so
that none will.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import duckdb

from o9_assets.landing.accepted import manifest_view
from o9_assets.landing.known import WITHDRAWN, Known, known
from o9_assets.landing.manifest import enter_in_manifest
from o9_assets.planning.feeds import Feed
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import LandedObject, LandingZone

__all__ = ["is_read", "withdraw"]


def is_read(feeds: Mapping[str, Feed], prefix: str, lake: Lake) -> bool:
    """Whether rows of an object below `prefix` count in one of the feeds."""
    with duckdb.connect(":memory:") as con:
        for feed_name in feeds:
            manifest_view(con, lake, "manifest", feed_name)
            sql = "SELECT 1 FROM manifest WHERE holds AND status = 'ingested' AND starts_with(object_name, $1) LIMIT 1"
            if con.execute(sql, [prefix]).fetchall():
                return True
    return False


def withdraw(
    feeds: Mapping[str, Feed],
    prefix: str,
    meant: Callable[[str], bool],
    reason: str,
    *,
    zone: LandingZone,
    lake: Lake,
    now: datetime,
) -> dict[str, int]:
    """Withdraw the objects below `prefix` whose names are `meant`, as far as `feeds` read them; returns how many were
    withdrawn by feed. What is withdrawn already is left alone, so that this can be said again and again.

    `now` (UTC without a zone) is when it became known. Rows known before stay so for a look at the past.
    """
    there = [found for found in zone.list(prefix) if meant(found.name)]
    done: dict[str, int] = {}
    for feed_name, feed in feeds.items():
        with duckdb.connect(":memory:") as con:
            manifest_view(con, lake, "manifest", feed_name)
            listed = con.execute("SELECT object_name, object_version, status, holds, known_at FROM manifest").fetchall()
        known_here = known(lake, feed_name).get(feed_name, Known())
        rows = [
            _row(feed_name, feed, new, reason, now)
            for found in there
            if feed.match(found.name) is not None and (new := known_here.new(found)) is not None
        ]
        for name, version, status, holds, known_at in listed:
            if holds and status == "ingested" and name.startswith(prefix) and meant(name):
                at = max(now, known_at)
                nothing = LandedObject(name, f"{WITHDRAWN}{version}", 0, at.replace(tzinfo=UTC))
                rows.append(_row(feed_name, feed, nothing, reason, at))
        if rows:
            enter_in_manifest(lake, feed_name, rows)
            done[feed_name] = len(rows)
    return done


def _row(feed_name: str, feed: Feed, found: LandedObject, reason: str, at: datetime) -> dict[str, object]:
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
