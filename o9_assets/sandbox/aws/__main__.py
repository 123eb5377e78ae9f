"""The twin of AWS as a server: `python -m o9_assets.sandbox.aws --state .o9/aws --port 5055`.

It prints its address when it is ready, and serves until interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from o9_assets.failures import Failed
from o9_assets.sandbox.aws.twin import Twin


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m o9_assets.sandbox.aws", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="folder that is the twin's own")
    parser.add_argument("--port", type=int, default=5055)
    parser.add_argument("--iam", action="store_true", help="enforce policies")
    parser.add_argument("--faults", type=Path, help="JSON file of faults; docs/sandbox.md lists them")
    given = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Twin(given.state, port=given.port, iam=given.iam) as twin:
            if given.faults:
                twin.faults.load(given.faults)
            print(twin.url, flush=True)  # noqa: T201 - what a client needs
            stop.wait()
    except Failed as failed:
        print(failed, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
