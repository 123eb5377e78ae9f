"""The sandbox o9 as a server: `python -m o9_assets.sandbox.o9 --state .o9/o9.db --outbound .o9/landing --port 8090`.

Its key is `sandbox` (O9_API_KEY), and it guards nothing: it listens on this machine alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from o9_assets.sandbox.o9.app import build_app
from o9_assets.sandbox.o9.faults import Faults
from o9_assets.sandbox.o9.plan import folder_drop
from o9_assets.sandbox.o9.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m o9_assets.sandbox.o9", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="SQLite file that holds what this o9 holds")
    parser.add_argument("--outbound", type=Path, help="folder into which it drops its files")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--faults", type=Path, help="JSON file of faults; docs/o9.md lists them")
    given = parser.parse_args()
    app = build_app(
        Store(given.state),
        folder_drop(given.outbound) if given.outbound else None,
        faults=Faults.load(given.faults) if given.faults else None,
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
