"""AWS and o9 on this machine: `python -m o9_assets.sandbox`, or `make sandbox`.

When both are ready it prints the variables with which the `aws` deployment runs against them, as a shell takes them,
writes the same to `environment` in its folder, and serves until interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from o9_assets.failures import Failed
from o9_assets.sandbox.o9 import Faults
from o9_assets.sandbox.together import Sandbox, exports


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m o9_assets.sandbox", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--state", type=Path, default=Path(".o9/sandbox"), help="folder of its own; emptied")
    parser.add_argument("--aws-port", type=int, default=5055)
    parser.add_argument("--o9-port", type=int, default=8090)
    parser.add_argument("--sftp-port", type=int, help="serve o9's SFTP there")
    parser.add_argument("--iam", action="store_true", help="enforce policies")
    parser.add_argument("--faults", type=Path, help="JSON file of AWS's faults; docs/sandbox.md lists them")
    parser.add_argument("--o9-faults", type=Path, help="JSON file of o9's faults; docs/o9.md lists them")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ports = {"aws_port": given.aws_port, "o9_port": given.o9_port, "sftp_port": given.sftp_port}
    try:
        o9_faults = Faults.load(given.o9_faults) if given.o9_faults else None
        with Sandbox(given.state, **ports, iam=given.iam, o9_faults=o9_faults) as sandbox:
            if given.faults:
                sandbox.twin.faults.load(given.faults)
            text = exports(sandbox.environment())
            path = given.state / "environment"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text + "\n")
            notes = [f"# Ready. In another shell: source {path}"]
            if sandbox.host_key:
                notes.append(f"# o9's SFTP: port {sandbox.sftp_port}, sftp.host_key: {sandbox.host_key}")
            print("\n".join([*notes, text]), flush=True)  # noqa: T201 - what the command is for
            stop.wait()
    except (Failed, OSError) as failed:
        print(failed, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
