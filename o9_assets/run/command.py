"""The command line: `run` (the whole cycle and a report), `dev` (the UI), `land`, `mend`, `reread`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from o9_assets.failures import Failed

__all__ = ["main"]

HELP = "`make` lists the usual ways to call this."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. The platform's own errors are told without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m o9_assets", description=__doc__, epilog=HELP)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="files to demand history, o9, forecast and warehouse, then a report")
    run.add_argument("--settings", type=Path, help="settings file (default: O9_PLANNING, else planning.yaml)")
    run.add_argument("--files", type=Path, help="folder of files to bring into the landing zone first")
    run.add_argument("--day-by-day", action="store_true", help="take the files in one delivery day after the other")

    dev = commands.add_parser("dev", help="Dagster's UI on this machine, with the sample company where nothing landed")
    dev.add_argument("--port", type=int, default=3000)

    land = commands.add_parser("land", help="bring a folder of files into the landing zone")
    land.add_argument("files", type=Path)

    mend = commands.add_parser("mend", help="take in a quarantined record with the text it should have had")
    mend.add_argument("feed")
    mend.add_argument("object", help="name below the landing zone's root")
    mend.add_argument("line", type=int)
    mend.add_argument("text", help="the whole record; a JSON object for Parquet and JSON lines")

    reread = commands.add_parser("reread", help="read objects again after their feed's settings were mended")
    reread.add_argument("feed")
    reread.add_argument(
        "objects", nargs="*", help="names, or patterns such as 'orders/*.csv' (default: all with something set aside)"
    )

    follow = commands.add_parser("follow", help="read the stream and forward its events to o9, until interrupted")
    follow.add_argument("--seconds", type=float, help="end after so long")

    given = parser.parse_args(arguments)
    if getattr(given, "settings", None):
        os.environ["O9_PLANNING"] = str(given.settings.resolve())
    try:
        match given.command:
            case "run":
                from o9_assets.run.cycle import run_cycle

                return run_cycle(files=given.files, day_by_day=given.day_by_day)
            case "mend" | "reread":
                from o9_assets.run.mending import run_mend, run_reread

                if given.command == "mend":
                    print(run_mend(given.feed, given.object, given.line, given.text))  # noqa: T201
                else:
                    print(run_reread(given.feed, given.objects))  # noqa: T201
                return 0
            case "follow":
                from o9_assets.run.follow import run_follow

                print(run_follow(given.seconds))  # noqa: T201
                return 0
            case "dev":
                return _dev(given.port)
            case _:
                from o9_assets.run.files import bring_in

                count = bring_in(given.files)
                print(f"{count:,} files brought in.")  # noqa: T201
                return 0
    except Failed as failed:
        print(f"✗ {failed}", file=sys.stderr)  # noqa: T201
        return 1


def _dev(port: int) -> int:
    """Become `dagster dev`; the sample company's files are made first where its landing zone is empty."""
    from o9_assets.deployment import from_environment
    from o9_assets.run.files import ensure_sample
    from o9_assets.run.home import home_of

    deployment = from_environment()
    ensure_sample(deployment)
    if not os.environ.get("DAGSTER_HOME") and (home := home_of(deployment.settings)) is not None:
        os.environ["DAGSTER_HOME"] = str(home)
    # A script ignores SIGINT for what it starts in the background, and Dagster heeds SIGTERM as it does SIGINT: without
    # this, neither would end it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dagster = str(Path(sys.executable).parent / "dagster")
    os.execv(dagster, [dagster, "dev", "--host", "127.0.0.1", "--port", str(port)])  # noqa: S606 - our own arguments
