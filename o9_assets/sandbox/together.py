"""AWS and o9 together on this machine: all that the `aws` deployment needs, in one process, each time from nothing.

What moto holds is gone with the process. So that lake, landing zone, o9 and warehouse always tell one story, all of it
starts empty.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from o9_assets.failures import Permanent
from o9_assets.sandbox.aws import Twin

if TYPE_CHECKING:
    import uvicorn

    from o9_assets.sandbox.o9.faults import Faults
    from o9_assets.sandbox.o9.plan import Drop

__all__ = ["Sandbox", "exports", "s3_drop"]

LAKE, LANDING = "sandbox-lake", "sandbox-landing"
MARK = ".sandbox"
KEY = "sandbox"  # it guards nothing


class Sandbox:
    """Both while its context is open. `state` is a folder of its own, emptied at the start.

    Raises Permanent where `state` holds what no sandbox made.
    """

    def __init__(
        self,
        state: Path,
        *,
        aws_port: int = 0,
        o9_port: int = 0,
        sftp_port: int | None = None,
        iam: bool = False,
        o9_faults: Faults | None = None,
    ) -> None:
        self._state, self._o9_port, self.sftp_port = state.resolve(), o9_port, sftp_port
        self._o9_faults = o9_faults
        self.twin = Twin(self._state / "aws", port=aws_port, iam=iam)
        self.host_key = ""
        """SFTP's host key, as a profile's `sftp.host_key` wants it."""

    def __enter__(self) -> Sandbox:
        _empty(self._state)
        self.twin.__enter__()
        for bucket in (LAKE, LANDING):
            make_bucket(self.twin.client("s3"), bucket)
        started = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", self._o9_port))
        self.o9_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="o9", daemon=True)
        self._thread.start()
        started.wait(timeout=30)
        while self._server is None or not self._server.started:
            if not self._thread.is_alive():
                self.twin.__exit__(None, None, None)
                raise Permanent("The sandbox o9 did not start.", remedy="Look above for its reason.")
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
        self.twin.__exit__(kind, error, trace)

    def environment(self) -> dict[str, str]:
        """The variables with which the `aws` deployment runs against the sandbox."""
        found = {
            **self.twin.environment(),
            "O9_DEPLOYMENT": "aws",
            "O9_LAKE": f"s3://{LAKE}/lake",
            "O9_LANDING_ZONE": f"s3://{LANDING}/landing",
            "O9_BASE_URL": self.o9_url,
            "O9_API_KEY": KEY,
            "O9_WAREHOUSE": str(self._state / "warehouse.duckdb"),
        }
        if self.sftp_port is not None:
            found |= {"O9_SFTP_USER": KEY, "O9_SFTP_KEY": self._client_key}
        return found

    async def _serve(self, started: threading.Event) -> None:
        import uvicorn

        from o9_assets.sandbox.o9 import Store, build_app

        try:
            store = Store(self._state / "o9.db")
            drop = s3_drop(self.twin.client("s3"), LANDING, "landing")
            app = build_app(store, drop, faults=self._o9_faults)
            self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
            if self.sftp_port is None:
                started.set()
                await self._server.serve(sockets=[self._socket])
                return
            async with await self._sftp(store, self.sftp_port):
                started.set()
                await self._server.serve(sockets=[self._socket])
        except Exception:
            logging.getLogger(__name__).exception("The sandbox o9 broke")
        finally:
            started.set()

    async def _sftp(self, store: Any, port: int) -> Any:
        import asyncssh

        from o9_assets.sandbox.o9.sftp import listen

        host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self._client_key = client.export_private_key().decode()
        self.host_key = " ".join(host.export_public_key().decode().split()[:2])
        acceptor = await listen(store, port=port, host_key=host, client_key=client.export_public_key().decode())
        self.sftp_port = acceptor.get_port()
        return acceptor


def make_bucket(s3: Any, name: str) -> None:
    """A bucket as the landing zone and the lake have it: versioned, encrypted, closed to the public."""
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def s3_drop(s3: Any, bucket: str, prefix: str) -> Drop:
    """Drops o9's files below a prefix. One that is there with the same content is left alone."""

    def drop(name: str, content: bytes) -> None:
        key = f"{prefix}/{name}"
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        same = any(entry["Key"] == key and entry["Size"] == len(content) for entry in found)
        if not same or s3.get_object(Bucket=bucket, Key=key)["Body"].read() != content:
            s3.put_object(Bucket=bucket, Key=key, Body=content)

    return drop


def exports(environment: Mapping[str, str]) -> str:
    """The variables as a shell takes them."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())


def _empty(state: Path) -> None:
    if state.exists():
        if any(state.iterdir()) and not (state / MARK).is_file():
            raise Permanent(f"{state} holds what no sandbox made.", remedy="Name another folder with --state.")
        shutil.rmtree(state)
    state.mkdir(parents=True)
    os.close(os.open(state / MARK, os.O_CREAT | os.O_WRONLY, 0o600))
