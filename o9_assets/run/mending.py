"""`mend` and `reread` on the deployment that the environment names."""

from collections.abc import Sequence
from typing import Any

from o9_assets.assets.catalog import FEEDS
from o9_assets.dataset import Dataset
from o9_assets.deployment import from_environment
from o9_assets.failures import Permanent
from o9_assets.planning.settings import bind

__all__ = ["run_mend", "run_reread"]

NEXT = "`make run` or the job `refresh` brings it into demand history."


def run_mend(feed_name: str, object_name: str, line: int, text: str) -> str:
    """Mend one record; returns what to say. Raises Permanent."""
    from o9_assets.landing.replay import mend

    feed, dataset, rooms = _rooms(feed_name)
    mend(feed_name, feed, dataset, object_name, line, text, **rooms)
    return f"Record {line} of {object_name} is in. {NEXT}"


def run_reread(feed_name: str, names: Sequence[str]) -> str:
    """Read objects again; returns what to say. Raises Permanent."""
    from o9_assets.landing.replay import reread

    feed, dataset, rooms = _rooms(feed_name)
    report = reread(feed_name, feed, dataset, names, **rooms)
    return (
        f"{report.objects:,} objects read again: {report.accepted_rows:,} rows accepted, "
        f"{report.quarantined_rows:,} quarantined, {len(report.set_aside):,} objects set aside. {NEXT}"
    )


def _rooms(feed_name: str) -> tuple[Any, Dataset, dict[str, Any]]:
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
