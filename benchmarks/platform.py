"""What Dagster costs here: the code location's import, `dagster dev`, `make run`, and what an asset of the cycle adds.

Import times are those of fresh processes, in turns, the least of each. `dagster dev` and `make run` work on the sample
company in a folder of its own, so that a user's state is left alone. The overhead of an asset is the time of a run's
steps less the time spent in the assets' own functions and checks: what Dagster does around them, in-process. Processor
seconds are told beside: they say the same on a machine that does other work too.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TURNS = 5


def run(scale: float) -> list[dict[str, Any]]:
    """The figures; `scale` is the sample company's."""
    figures: list[dict[str, Any]] = []

    def figure(name: str, value: float, unit: str, limit: float | None = None) -> None:
        figures.append(
            {"name": name, "value": round(value, 3), "unit": unit, "limit": limit}
            | {"ok": None if limit is None else value <= limit}
        )

    with tempfile.TemporaryDirectory(prefix="bench-platform-") as folder:
        home = Path(folder)
        imports = ("import dagster", "import dagster, o9_assets.definitions")
        both = [[_import(code, home) for code in imports] for _ in range(TURNS)]
        bare, ours = (min(times) for times in zip(*both, strict=True))
        figure("Dagster's own import", bare, "s")
        figure("what the code location adds", ours - bare, "s", 2)
        settings = home / "planning.yaml"
        text = (ROOT / "planning.yaml").read_text(encoding="utf-8")
        settings.write_text(re.sub(r"sample_company: .*", f"sample_company: {{seed: 7, scale: {scale}}}", text))
        first = _cycle(home, settings)
        figure("make run after set-up", first["seconds"], "s", 120)
        figure("processor time of make run", first["processor"], "s")
        figure("peak memory of make run", first["peak_mb"], "MB")
        figure("make run again, nothing new", _cycle(home, settings)["seconds"], "s")
        figure("dagster dev answers after", _dev(home, settings), "s", 30)
        spent = _overhead(home, settings)
        figure("assets of the cycle", spent["assets"], "assets")
        figure("overhead of an asset, in-process", spent["overhead"], "s", 0.5)
        figure("processor time of that overhead", spent["processor"], "s")
    return figures


def _environment(home: Path, settings: Path | None = None) -> dict[str, str]:
    """This process's environment, with all state below `home`."""
    found = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    found |= {"PYTHONPATH": str(ROOT), "O9_STATE": str(home / "state")}
    if settings is not None:
        found["O9_PLANNING"] = str(settings)
    return found


def _import(code: str, home: Path) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=_environment(home), check=True)
    return time.monotonic() - began


def _cycle(home: Path, settings: Path) -> dict[str, float]:
    """What `make run` calls, the sample company made first where there is none."""
    code = (
        "import json, resource, sys; from o9_assets.run.command import main; code = main(['run']); "
        "used = resource.getrusage(resource.RUSAGE_SELF); print(json.dumps({'peak_mb': used.ru_maxrss / 2**10, "
        "'processor': used.ru_utime + used.ru_stime})); sys.exit(code)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env=_environment(home, settings),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"seconds": time.monotonic() - began, **json.loads(done.stdout.splitlines()[-1])}


def _dev(home: Path, settings: Path) -> float:
    """Seconds until `dagster dev` says over HTTP that the code location is loaded."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [str(Path(sys.executable).parent / "dagster"), "dev", "--host", "127.0.0.1", "--port", str(port)]
    query = json.dumps({"query": "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"})
    for name in ("workspace.yaml", "dagster.yaml"):
        (home / name).write_bytes((ROOT / name).read_bytes())
    began = time.monotonic()
    with (home / "dev.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=home, env=_environment(home, settings), stdout=log, stderr=log, start_new_session=True
        )
        try:
            while time.monotonic() - began < 300:
                if server.poll() is not None:
                    break
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                        if json.load(answer)["data"]["repositoriesOrError"]["nodes"]:
                            return time.monotonic() - began
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    pass  # not there yet
                time.sleep(0.1)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                # How long it takes to end is Dagster's matter, and no figure.
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
    raise RuntimeError((home / "dev.log").read_text()[-2000:])


def _overhead(home: Path, settings: Path) -> dict[str, float]:
    """Assets of both jobs, and the seconds that a run takes for each of them outside the asset's own function."""
    done = subprocess.run(
        [sys.executable, "-c", "import benchmarks.platform as b; b.timed_jobs()"],
        cwd=home,
        env=_environment(home, settings),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def timed_jobs() -> None:
    """Run both jobs in this process, and print how many assets there were and what each cost beside its own work.

    An asset's own work is what its function does; that of a check is its whole step.
    """
    from contextlib import contextmanager

    from dagster import DagsterEventType

    from o9_assets.assets import declare
    from o9_assets.definitions import build_defs
    from o9_assets.deployment import from_environment
    from o9_assets.run.cycle import latest_cycle, run_job, without_waiting
    from o9_assets.run.home import instance

    work: list[tuple[float, float]] = []
    inner = declare.for_dagster

    @contextmanager
    def timed(retry: int) -> Any:
        began = (time.monotonic(), time.process_time())
        try:
            with inner(retry):
                yield
        finally:
            work.append((time.monotonic() - began[0], time.process_time() - began[1]))

    declare.for_dagster = timed
    deployment = without_waiting(from_environment())
    defs = build_defs(deployment)
    with instance(deployment.settings) as home:
        cycle = latest_cycle(deployment)
        began = (time.monotonic(), time.process_time())
        run_job(defs, "refresh", home)
        run_job(defs, "cycle", home, partition_key=cycle)
        seconds, processor = time.monotonic() - began[0], time.process_time() - began[1]
        assets = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
        checks = 0.0
        for record in home.get_run_records(limit=2):
            started: dict[str, float] = {}
            for entry in home.all_logs(record.dagster_run.run_id):
                event = entry.dagster_event
                step = entry.step_key or ""
                if event is None or step.replace("__", "/") in assets:
                    continue
                if event.event_type is DagsterEventType.STEP_START:
                    started[step] = entry.timestamp
                elif event.event_type is DagsterEventType.STEP_SUCCESS:
                    checks += entry.timestamp - started[step]
    overhead = (seconds - sum(wall for wall, _ in work) - checks) / len(work)
    print(
        json.dumps(
            {
                "assets": len(work),
                "overhead": overhead,
                # Checks are in here: their processor time is not told apart.
                "processor": (processor - sum(used for _, used in work)) / len(work),
            }
        )
    )
