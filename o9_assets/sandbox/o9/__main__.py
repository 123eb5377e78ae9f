"""The sandbox o9 as a server: `python -m o9_assets.sandbox.o9 --state .o9/o9.db --outbound .o9/landing --port 8090`.

Its key is `sandbox` (O9_API_KEY), and it guards nothing: it listens on this machine alone. With --sftp-port it serves
SFTP as well; its host key and the key that may come in are made once, beside the state.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

import asyncssh
import uvicorn

from o9_assets.sandbox.o9.app import build_app
from o9_assets.sandbox.o9.faults import Faults
from o9_assets.sandbox.o9.plan import folder_drop
from o9_assets.sandbox.o9.sftp import listen
from o9_assets.sandbox.o9.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m o9_assets.sandbox.o9", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="SQLite file that holds what this o9 holds")
    parser.add_argument("--outbound", type=Path, help="folder into which it drops its files (default: SFTP's)")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--sftp-port", type=int, help="serve SFTP there")
    parser.add_argument("--faults", type=Path, help="JSON file of faults; docs/o9.md lists them")
    asyncio.run(serve(parser.parse_args()))


async def serve(given: argparse.Namespace) -> None:
    """Serve until interrupted."""
    store = Store(given.state)
    # Without a folder of its own its files go where its SFTP host offers them.
    outbound = given.outbound or (store.files / "outbound" if given.sftp_port is not None else None)
    app = build_app(
        store,
        folder_drop(outbound) if outbound else None,
        faults=Faults.load(given.faults) if given.faults else None,
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=given.port, log_level="warning"))
    if given.sftp_port is None:
        await server.serve()
        return
    host_key, client_key = (_key(given.state.with_name(f"{given.state.name}.{name}")) for name in ("host", "client"))
    sftp = await listen(
        store, port=given.sftp_port, host_key=host_key, client_key=client_key.export_public_key().decode()
    )
    told = " ".join(host_key.export_public_key().decode().split()[:2])
    print(f"sftp.host_key: {told}", flush=True)  # noqa: T201 - what a profile needs
    async with sftp:
        await server.serve()


def _key(path: Path) -> asyncssh.SSHKey:
    """A private key that is made once."""
    if not path.exists():
        made = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
    return asyncssh.read_private_key(path)


if __name__ == "__main__":
    main()
