"""`make run`: the whole cycle in this process, with progress, and a report at the end."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from o9_assets.definitions import build_defs
from o9_assets.deployment import ROOT, from_environment
from o9_assets.failures import Permanent
from o9_assets.run.files import bring_in, ensure_sample
from o9_assets.run.progress import Progress
from o9_assets.run.report import report

__all__ = ["instance", "run_cycle", "run_job"]


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that `dagster dev` shows from this folder, so that a run here is seen there."""
    import os

    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as home:
            yield home
        return
    here = Path.cwd()
    config = here if (here / "dagster.yaml").exists() else ROOT
    (here / ".dagster").mkdir(exist_ok=True)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(here / ".dagster"), config_dir=str(config))) as home:
        yield home


def run_job(defs: dg.Definitions, name: str, home: dg.DagsterInstance, *, partition_key: str | None = None) -> None:
    """Run a job in this process and print its progress. Raises Permanent, naming what failed."""
    progress = Progress()
    run_id = str(uuid.uuid4())
    home.add_event_listener(run_id, progress)
    result = defs.resolve_job_def(name).execute_in_process(
        instance=home, run_id=run_id, partition_key=partition_key, raise_on_error=False
    )
    if not result.success:
        raise Permanent(
            f"{name} failed: " + "; ".join(progress.failures or ["a check that blocks did not pass"]),
            remedy="`make dev` shows the run with its log.",
        )


def run_cycle(*, files: Path | None = None, day_by_day: bool = False) -> int:
    """Bring files in, refresh demand history, send what changed to o9, run the planning cycle, report."""
    began = time.monotonic()
    deployment = without_waiting(from_environment())
    print(f"{deployment.settings.company}: {deployment.name} deployment")  # noqa: T201
    if files is not None:
        print(f"  {bring_in(files, deployment):,} files brought in from {files}")  # noqa: T201
    elif made := ensure_sample(deployment):
        print(f"  {made:,} files of the sample company made")  # noqa: T201
    defs = build_defs(deployment)
    with instance() as home:
        print("refresh: landed files → demand history → o9")  # noqa: T201
        run_job(defs, "refresh", home)
        cycle = cycle_after_history(deployment)
        print(f"cycle {cycle}: forecast → o9's plan → warehouse")  # noqa: T201
        run_job(defs, "cycle", home, partition_key=cycle)
    print(report(deployment, cycle, time.monotonic() - began))  # noqa: T201
    return 0
