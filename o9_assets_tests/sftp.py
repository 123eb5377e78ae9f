"""The sandbox's SFTP host for tests, on a thread of its own, with faults to switch on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncssh
import pytest

from o9_assets.resources.o9 import O9Client, load_profile
from o9_assets.sandbox.o9 import secret
from o9_assets.sandbox.o9.sftp import SftpFaults, listen
from o9_assets_tests.exchange import Exchange

__all__ = ["Host", "serving"]


@dataclass
class Host:
    """The sandbox's SFTP host on a thread of its own."""

    exchange: Exchange
    faults: SftpFaults
    host_key: asyncssh.SSHKey
    client_key: asyncssh.SSHKey
    port: int = 0

    def public(self, key: asyncssh.SSHKey | None = None) -> str:
        text: str = (key or self.host_key).export_public_key().decode()
        return " ".join(text.split()[:2])

    def use(self, **given: Any) -> None:
        """Have the exchange deliver to this host."""
        path = self.exchange.home / "sftp.yaml"
        path.write_text(f"based_on: sftp\nname: own\nsftp: {{host_key: {self.public()}}}\n")
        base = load_profile(str(path))
        files = base.files.model_copy(update={"load_patience_seconds": 4.0, **given.pop("files", {})})
        sftp = base.sftp.model_copy(update={"host": "127.0.0.1", "port": self.port, **given.pop("sftp", {})})
        self.exchange.profile_keys = {"carrier": "sftp", "files": files, "sftp": sftp, **given}

    def secret(self, name: str) -> str:
        if name == "O9_SFTP_KEY":
            return str(self.client_key.export_private_key().decode())
        return secret(name)


@contextmanager
def serving(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Serve SFTP for an exchange whose client logs in there."""
    made = Host(
        exchange,
        SftpFaults(),
        asyncssh.generate_private_key("ssh-ed25519"),
        asyncssh.generate_private_key("ssh-ed25519"),
    )
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        server = await listen(
            made.exchange.store,
            port=0,
            host_key=made.host_key,
            client_key=made.public(made.client_key),
            faults=made.faults,
        )
        made.port = server.get_port()
        ready.set()
        await stop.wait()
        server.close()
        await server.wait_closed()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    real = made.exchange.client

    def client() -> O9Client:
        o9 = real()
        o9.secret = made.secret
        return o9

    monkeypatch.setattr(made.exchange, "client", client, raising=False)
    made.use()
    yield made
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
