"""`mend` and `reread` on the deployment that the environment names."""

from collections.abc import Sequence
from typing import Any

from o9_assets.assets.catalog import FEEDS
from o9_assets.dataset import Dataset
from o9_assets.deployment import from_environment
from o9_assets.failures import Permanent
from o9_assets.planning.feeds import Feed
from o9_assets.planning.patterns import match
from o9_assets.planning.settings import bind

__all__ = ["run_mend", "run_reread"]

NEXT = "`make run` or the job `refresh` brings it into demand history."


def run_mend(feed_name: str, object_name: str, line: int, text: str) -> str:
    """Mend one record; returns what to say. Raises Permanent."""
    from o9_assets.landing.replay import mend

    feed, dataset, rooms = _rooms(feed_name)
    mend(feed_name, feed, dataset, object_name, line, text, **rooms)
    return f"Record {line} of {object_name} is in. {NEXT}"


def run_reread(feed_name: str, asked: Sequence[str]) -> str:
    """Read objects again, see `_objects`; returns what to say. Raises Permanent."""
    from o9_assets.landing.replay import reread

    feed, dataset, rooms = _rooms(feed_name)
    names, gone = _objects(feed_name, feed, asked, rooms)
    lacks = f" {len(gone):,} are no longer in the landing zone, such as {gone[0]}." if gone else ""
    if not names:
        return f"Nothing of {feed_name} is to be read again.{lacks}"
    report = reread(feed_name, feed, dataset, names, **rooms)
    return (
        f"{report.objects:,} objects read again: {report.accepted_rows:,} rows accepted, "
        f"{report.quarantined_rows:,} quarantined, {len(report.set_aside):,} objects set aside.{lacks} {NEXT}"
    )


def _objects(feed_name: str, feed: Feed, asked: Sequence[str], rooms: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The objects that are asked for by name, or by a pattern of what is in; without any, those of which something is
    set aside. Besides, those of them that are in and no longer in the landing zone.

    Raises Permanent for a pattern that nothing matches.
    """
    from o9_assets.landing.accepted import standing_view

    with rooms["engine"].connect() as con:
        standing_view(con, rooms["lake"], "standing", feed_name)
        standing: dict[str, bool] = dict(
            con.execute(
                "SELECT object_name, bool_or(quarantined_rows > 0 OR status = 'set_aside') FROM standing "
                "WHERE holds AND status <> 'withdrawn' GROUP BY 1 ORDER BY 1"
            ).fetchall()
        )
    chosen = [] if asked else [name for name, aside in standing.items() if aside]
    for pattern in asked:
        found = [name for name in standing if match(pattern, name)] if "*" in pattern else [pattern]
        if not found:
            raise Permanent(
                f"Nothing that is in of {feed_name} matches {pattern!r}.",
                remedy=f"Names are {feed.path}; * is any text within a folder, ** folders too.",
            )
        chosen += found
    there = {found.name for found in rooms["zone"].list(feed.prefix)}
    gone = [name for name in chosen if name in standing and name not in there]
    return list(dict.fromkeys(name for name in chosen if name not in gone)), gone


def _rooms(feed_name: str) -> tuple[Feed, Dataset, dict[str, Any]]:
    deployment = from_environment()
    settings, resources = deployment.settings, deployment.resources
    if feed_name not in settings.feeds:
        raise Permanent(f"There is no feed {feed_name!r}.", remedy=f"There are {', '.join(settings.feeds)}.")
    dataset = getattr(FEEDS[feed_name], feed_name.upper())
    return (
        bind(settings, dataset),
        dataset,
        {
            "timezone": settings.timezone,
            "zone": resources["zone"].open(),
            "lake": resources["lake"].open(),
            "engine": resources["engine"].open(),
            "now": resources["clock"].now(),
        },
    )
