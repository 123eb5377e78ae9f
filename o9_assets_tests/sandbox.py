"""The sandbox, AWS and o9 together, as a process of its own: what a test kills or loads does not disturb it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["running"]


@contextmanager
def running(state: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """A sandbox on free ports; gives the environment that it prints. `arguments` are its command line's."""
    command = [sys.executable, "-m", "o9_assets.sandbox", "--state", str(state), "--aws-port", "0", "--o9-port", "0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "O9_"))}
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True, env=clean) as server:
        try:
            assert server.stdout is not None
            environment = {}
            for line in server.stdout:
                if line.startswith("export "):
                    name, _, value = shlex.split(line)[1].partition("=")
                    environment[name] = value
                    if name == "O9_WAREHOUSE":
                        break
            yield environment
        finally:
            server.terminate()
