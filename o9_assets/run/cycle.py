"""`make run`: the whole cycle in this process, with progress, and a report at the end."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg

from o9_assets.assets.cycles import cycle_partitions, next_cycle
from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment, from_environment
from o9_assets.failures import Permanent
from o9_assets.resources.configured import ZoneResource
from o9_assets.run.files import bring_in, by_day, ensure_sample
from o9_assets.run.home import instance
from o9_assets.run.progress import Progress, terminal
from o9_assets.run.report import command, landed, report

__all__ = ["latest_cycle", "run_cycle", "run_job", "without_waiting"]

BY_HAND = {"o9__plan_snapshots": {"new_revision": True}}
"""What a run by hand asks of assets: who runs a cycle again wants to keep what o9 plans now. No schedule does."""


def run_job(defs: dg.Definitions, name: str, home: dg.DagsterInstance, *, partition_key: str | None = None) -> None:
    """Run a job in this process and print its progress. Raises Permanent, naming what failed."""
    run_id = str(uuid.uuid4())
    job = defs.resolve_job_def(name)
    with terminal() as out:
        progress = Progress(out)
        home.add_event_listener(run_id, progress)
        result = job.execute_in_process(
            instance=home,
            run_id=run_id,
            partition_key=partition_key,
            raise_on_error=False,
            run_config={
                # The log is kept with the run; the terminal shows progress instead.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {op: {"config": asked} for op, asked in BY_HAND.items() if job.has_node_named(op)},
            },
        )
    if not result.success:
        raise Permanent(
            f"{name} failed: " + "; ".join(progress.failures or ["a check that blocks did not pass"]),
            remedy="`make dev` shows the run with its log.",
        )


def latest_cycle(deployment: Deployment) -> str:
    """The cycle that follows the last whole week of demand history, or the latest that has begun, where orders reach
    beyond it, which is said. Raises Permanent where there is none."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY

    with deployment.resources["engine"].open().connect() as con:
        deployment.resources["lake"].open().view(con, "history", DEMAND_HISTORY)
        [(last,)] = con.execute(
            "SELECT max(week_start) FROM (SELECT week_start FROM (SELECT DISTINCT week_start, bucket_start, days "
            "FROM history WHERE is_complete) GROUP BY 1 HAVING sum(days) = 7)"
        ).fetchall()
    if last is None:
        raise Permanent(
            "No whole week of demand is in, so there is nothing to forecast from.", remedy=_for_a_whole_week(deployment)
        )
    cycle, partitions = next_cycle(deployment.settings, last), cycle_partitions(deployment.settings)
    first, begun = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None or begun is None or cycle < first:
        raise Permanent(
            f"The last whole week of demand is that of {last}, and no cycle is that old.",
            remedy="Set forecast.first_cycle to a day before it.",
        )
    if cycle > begun:
        say(
            f"  ! demand reaches to the week of {last}; the latest cycle that has begun is {begun}. If nobody orders "
            "so far ahead, a date is mistyped: correct its file, or have calendar.last_day set such rows aside."
        )
    return min(cycle, begun)


def _for_a_whole_week(deployment: Deployment) -> str:
    """What is likely to bring one in."""
    from o9_assets.landing.accepted import standing_view

    feed, said = deployment.settings.feeds["erp_orders"], list[str]()
    with deployment.resources["engine"].open().connect() as con:
        standing_view(con, deployment.resources["lake"].open(), "standing", "erp_orders")
        [(rows, files)] = con.execute(
            "SELECT coalesce(sum(quarantined_rows), 0), count(*) FILTER (status = 'set_aside') "
            "FROM standing WHERE holds"
        ).fetchall()
    if rows or files:
        said.append(
            f"{rows:,} rows and {files:,} files of erp_orders are set aside: mend the files, or the settings and then "
            f"`{command(deployment, 'python -m o9_assets reread erp_orders')}`."
        )
    said.append("Bring in files for every day of a week.")
    if feed.delivery is not None:
        said.append(
            "Where none ever comes on some weekday, name the others in feeds.erp_orders.delivery: "
            "weekdays: [mon, tue, wed, thu, fri]."
        )
    if "{covers_date" in feed.path:
        said.append(
            "Of days before the first one that a file stands for (covers_date in its path) nothing is known; leave "
            "covers_date out where one file holds the past."
        )
    return " ".join(said)


def without_waiting(deployment: Deployment) -> Deployment:
    """The deployment with a landing zone that takes files at once: nobody is writing them any more."""
    given = deployment.resources["zone"]
    zone = ZoneResource(**{**given.model_dump(), "settle_seconds": 0})
    return replace(deployment, resources={**deployment.resources, "zone": zone})


def run_cycle(*, files: Path | None = None, day_by_day: bool = False) -> int:
    """Bring files in, refresh demand history, send what changed to o9, run the planning cycle, report."""
    began = time.monotonic()
    deployment = without_waiting(from_environment())
    say(f"{deployment.settings.company} on {deployment.name}")
    if files is None and (made := ensure_sample(deployment)):
        say(f"  {made:,} files of the sample company made")
    defs = build_defs(deployment)
    with instance(deployment.settings) as home, telling_what_came_in(deployment):
        if files is not None and day_by_day:
            for day, count in by_day(files, deployment):
                say(f"{day}: {count:,} files")
                run_job(defs, "refresh", home)
        elif files is not None:
            say(f"  {bring_in(files, deployment):,} files brought in from {files}")
        say_what_no_feed_reads(deployment)
        say("refresh: landed files → demand history → o9")
        run_job(defs, "refresh", home)
        cycle = latest_cycle(deployment)
        say(f"cycle {cycle}: forecast → o9's plan → warehouse")
        run_job(defs, "cycle", home, partition_key=cycle)
    say(report(deployment, cycle, time.monotonic() - began))
    return 0


@contextmanager
def telling_what_came_in(deployment: Deployment) -> Iterator[None]:
    """Where a run cannot go on, tell what came in and what was set aside, which is often why."""
    try:
        yield
    except Permanent:
        if told := landed(deployment):
            say(told)
        raise


def say_what_no_feed_reads(deployment: Deployment) -> None:
    """Name the landed files that no feed asks for. Raises Permanent where that is all of them, or none is there, and
    no transfer could bring one."""
    zone, feeds = deployment.resources["zone"], deployment.settings.feeds
    names = [found.name for found in zone.open().list()]
    unread = [name for name in names if not any(feed.match(name) for feed in feeds.values())]
    brings_more = bool(deployment.settings.transfers)
    if not names and not brings_more:
        raise Permanent(
            f"Nothing has landed in {zone.location}.",
            remedy="Put files there, or name the folder that holds them: `make run FILES=folder`.",
        )
    if len(unread) == len(names) and not brings_more:
        paths = ", ".join(f"{name} {feed.path!r}" for name, feed in sorted(feeds.items()))
        raise Permanent(
            f"No feed reads any of the {len(names):,} files in {zone.location}, such as {names[0]}.",
            remedy=f"The settings ask for {paths}.",
        )
    if unread:
        say(f"  {len(unread):,} files are read by no feed, such as {', '.join(unread[:3])}")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a terminal is what this is for
