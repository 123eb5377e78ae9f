"""Facts as files by SFTP: to a temporary name, then renamed, so that o9 never sees a half; the host's key is pinned.

A file is named after its content. One whose upload was cut goes on where it stopped; one that is there already with
its whole size is not sent again. An empty control file says that a file is whole, where the profile asks for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncssh

from o9_assets.resources.o9.data_lake import file_name
from o9_assets.resources.o9.errors import Denied, O9Error, Unavailable

if TYPE_CHECKING:
    from o9_assets.resources.o9.client import Batch, O9Client, Outcome

__all__ = ["Connection", "drop"]

BLOCK = 256 << 10


async def drop(client: O9Client, measure_group: str, batches: Sequence[Batch]) -> list[Outcome]:
    """Put the batches where o9 loads them from; one outcome for each, in their order."""
    from o9_assets.resources.o9.client import Dropped

    outcomes: list[Outcome] = []
    stopped: O9Error | None = None
    retry = client.profile.retry
    until = client.clock() + retry.patience_seconds
    attempt = 0
    connection: Connection | None = None
    try:
        for batch in batches:
            name = file_name(client, measure_group, batch)
            while stopped is None:
                attempt += 1
                try:
                    connection = connection or await Connection.open(client)
                    await connection.put(name, batch, client.profile.files.control)
                except Unavailable as error:
                    if connection is not None:
                        await connection.close()
                        connection = None
                    pause = retry.pause(attempt)
                    if client.clock() + pause > until:
                        stopped = error
                    else:
                        await client.sleep(pause)
                except O9Error as error:
                    stopped = error
                else:
                    break
            outcomes.append(stopped or Dropped(name, attempt))
            attempt = 0
    finally:
        if connection is not None:
            await connection.close()
    return outcomes


class Connection:
    """An SFTP session. Raises Denied for a wrong host key or login, Unavailable for what may pass."""

    def __init__(self, ssh: asyncssh.SSHClientConnection, sftp: asyncssh.SFTPClient) -> None:
        self._ssh, self.sftp = ssh, sftp

    @classmethod
    async def open(cls, client: O9Client) -> Connection:
        given = client.profile.sftp
        if not given.host_key:
            raise Denied(
                f"The profile names no host key for {given.host}.", remedy="Set sftp.host_key to what o9 told you."
            )
        try:
            hosts = asyncssh.import_known_hosts(f"[{given.host}]:{given.port} {given.host_key}\n")
            ssh = await asyncssh.connect(
                given.host,
                given.port,
                known_hosts=hosts,
                username=client.secret(given.user),
                client_keys=[asyncssh.import_private_key(client.secret(given.key))],
                # Nothing of this machine is tried: no agent, no configuration, no other key.
                agent_path=None,
                config=[],
                connect_timeout=client.profile.timeout_seconds,
                keepalive_interval=30,
            )
            return cls(ssh, await ssh.start_sftp_client())
        except asyncssh.HostKeyNotVerifiable as error:
            raise Denied(
                f"{given.host}:{given.port} shows another host key than the profile's.",
                remedy="Ask o9 whether it changed; set sftp.host_key only when they confirm the new one.",
            ) from error
        except (asyncssh.PermissionDenied, asyncssh.KeyImportError) as error:
            raise Denied(f"{given.host} refused the login.", remedy=f"Renew {given.user} and {given.key}.") from error
        except (OSError, asyncssh.Error) as error:
            raise Unavailable(
                f"{given.host} cannot be reached ({type(error).__name__}).", remedy="Try later."
            ) from error

    async def put(self, name: str, batch: Batch, control: str | None) -> None:
        """Put a file whole, then its control file."""
        part = f"{name}.part"
        try:
            folder = name.rpartition("/")[0]
            if folder:
                await self.sftp.makedirs(folder, exist_ok=True)
            if await self._size(name) != batch.size_bytes:
                await self._go_on(part, batch)
                await self.sftp.posix_rename(part, name)
            if control is not None:
                async with self.sftp.open(name + control, "wb"):
                    pass
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile) as error:
            raise Denied(f"o9's SFTP refused {name} ({error.reason}).", remedy="Look at files.folder.") from error
        except asyncssh.SFTPError as error:
            raise Unavailable(
                f"o9's SFTP could not take {name} ({error.reason}).", remedy="Is its disk full? It is tried again."
            ) from error
        except (OSError, asyncssh.Error) as error:
            raise Unavailable(
                f"The connection was cut at {name} ({type(error).__name__}).", remedy="Try later."
            ) from error

    async def _go_on(self, part: str, batch: Batch) -> None:
        """Write what a temporary file lacks."""
        there = await self._size(part) or 0
        if there > batch.size_bytes:
            there = 0
        content = batch.open()
        content.seek(there)
        async with self.sftp.open(part, "r+b" if there else "wb") as file:
            await file.seek(there)
            while block := content.read(BLOCK):
                await file.write(block)
        if await self._size(part) != batch.size_bytes:
            raise Unavailable(f"{part} is not whole after it was written.", remedy="It is tried again.")

    async def _size(self, name: str) -> int | None:
        try:
            return (await self.sftp.stat(name)).size
        except asyncssh.SFTPNoSuchFile:
            return None

    async def close(self) -> None:
        self._ssh.close()
        await self._ssh.wait_closed()
