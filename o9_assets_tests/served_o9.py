"""The sandbox o9 served over HTTP from this process, so that its faults and its state are a test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from o9_assets.sandbox.o9 import Faults, Store, build_app
from o9_assets_tests.aws import eventually

__all__ = ["ServedO9", "serve_o9"]


@dataclass
class ServedO9:
    """Its address, what it holds, and what can be made to go wrong."""

    url: str
    store: Store
    faults: Faults


@contextmanager
def serve_o9(state: Path) -> Iterator[ServedO9]:
    """Serve while the context is open."""
    store, faults = Store(state), Faults()
    server = uvicorn.Server(uvicorn.Config(build_app(store, faults=faults), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield ServedO9(f"http://127.0.0.1:{port}", store, faults)
    finally:
        server.should_exit = True
        thread.join(10)
        store.close()
