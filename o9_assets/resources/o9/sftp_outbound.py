"""Files that o9 drops into its SFTP folder: listed, and copied whole; the host's key is pinned.

A file that is still being written (by its name, or without its control file where the profile asks for one) is left for
the next time, and so is one that changes while it is copied. A copy that was cut goes on where it stopped.
"""

from __future__ import annotations

import stat
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar, cast

import asyncssh

from o9_assets.resources.landing_zone.objects import being_written
from o9_assets.resources.o9.client import RemoteFile
from o9_assets.resources.o9.errors import Denied, Unavailable
from o9_assets.resources.o9.sftp import BLOCK, Connection

if TYPE_CHECKING:
    from o9_assets.resources.o9.client import O9Client

__all__ = ["Collector"]

T = TypeVar("T")


class Collector:
    """Reads the outbound folder of a profile, on one connection that is made anew where it was cut."""

    def __init__(self, client: O9Client, into: Path) -> None:
        self._client, self._into = client, into
        self._folder = client.profile.files.outbound_folder.strip("/")
        self._control = client.profile.files.outbound_control
        self._open: Connection | None = None

    async def listing(self) -> list[RemoteFile]:
        """Files that are whole, in the order of their names. Links are passed over: they may lead out."""
        return await self._patiently(self._list)

    async def _list(self, sftp: asyncssh.SFTPClient) -> list[RemoteFile]:
        found, folders = dict[str, RemoteFile](), [""]
        while folders:
            base = folders.pop()
            async for entry in sftp.scandir(f"{self._folder}/{base}".rstrip("/")):
                name, given = str(entry.filename), entry.attrs
                if name in (".", "..") or being_written(name) or given.permissions is None:
                    continue
                if stat.S_ISDIR(given.permissions):
                    folders.append(f"{base}{name}/")
                elif stat.S_ISREG(given.permissions):
                    found[base + name] = RemoteFile(base + name, given.size or 0, float(given.mtime or 0))
        if self._control is None:
            return [found[name] for name in sorted(found)]
        whole = (name.removesuffix(self._control) for name in sorted(found) if name.endswith(self._control))
        return [found[name] for name in whole if name in found]

    async def copy(self, found: RemoteFile) -> Path | None:
        """A copy of a listed file; None where it is another by now."""
        target = self._into / PurePosixPath(found.name).name
        target.unlink(missing_ok=True)

        async def go_on(sftp: asyncssh.SFTPClient) -> Path | None:
            path = f"{self._folder}/{found.name}"
            async with sftp.open(path, "rb") as source:
                with target.open("ab") as sink:
                    await source.seek(sink.tell())
                    while block := cast(bytes, await source.read(BLOCK)):
                        sink.write(block)
            after = await sftp.stat(path)
            same = (after.size, float(after.mtime or 0)) == (found.size_bytes, found.modified_at)
            return target if same and target.stat().st_size == found.size_bytes else None

        return await self._patiently(go_on)

    async def _patiently(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """Do work on the connection; what passes is tried again until the profile's patience ends."""
        client, retry, attempt = self._client, self._client.profile.retry, 0
        until = client.clock() + retry.patience_seconds
        while True:
            attempt += 1
            try:
                self._open = self._open or await Connection.open(client)
                return await work(self._open.sftp)
            except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile) as error:
                raise Denied(
                    f"o9's SFTP does not show {self._folder} ({error.reason}).", remedy="Look at files.outbound_folder."
                ) from error
            except (Unavailable, OSError, asyncssh.Error) as error:
                await self.close()
                pause = retry.pause(attempt)
                if client.clock() + pause > until:
                    raise Unavailable(
                        f"o9's SFTP folder could not be read ({type(error).__name__}).", remedy="Try later."
                    ) from error
                await client.sleep(pause)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._open is not None:
            await self._open.close()
            self._open = None
