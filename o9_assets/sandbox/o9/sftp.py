"""The sandbox o9's SFTP host: it loads what arrives whole and offers what o9 drops. A test switches faults on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncssh

from o9_assets.sandbox.o9.loading import load_file
from o9_assets.sandbox.o9.store import Store

__all__ = ["SftpFaults", "listen"]


@dataclass
class SftpFaults:
    """What goes wrong. Bytes are counted over all files."""

    cut_after_bytes: int = 0  # the connection is cut once, in the middle of a write
    full_after_bytes: int = 0  # no space is left from then on
    load: bool = True  # whether files that arrive are loaded
    cut_reads_after_bytes: int = 0  # the same for a file that is fetched
    on_read: Callable[[], object] = lambda: None  # called before each read
    written: int = 0
    read: int = 0
    cut: bool = False


async def listen(
    store: Store,
    *,
    port: int,
    host_key: asyncssh.SSHKey,
    client_key: str,
    control: str | None = ".done",
    faults: SftpFaults | None = None,
) -> asyncssh.SSHAcceptor:
    """Serve SFTP on this machine alone. `client_key` is the public key that may come in (as in authorized_keys).

    A file `Fact.<MeasureGroup>.<chunk>.csv` is loaded when its control file arrives, or without one when it is renamed.
    """
    store.files.mkdir(parents=True, exist_ok=True)
    given = faults or SftpFaults()

    class Host(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=str(store.files).encode())
            self._names: dict[int, str] = {}

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            found = super().open(path, pflags, attrs)
            self._names[id(found)] = path.decode().lstrip("/")
            return found

        def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
            given.written += len(data)
            if given.cut_after_bytes and not given.cut and given.written > given.cut_after_bytes:
                given.cut = True
                super().write(file_obj, offset, data[: len(data) // 2])
                file_obj.flush()
                self.channel.get_connection().abort()
                return len(data) // 2
            if given.full_after_bytes and given.written > given.full_after_bytes:
                raise asyncssh.SFTPFailure("no space left on device")
            return super().write(file_obj, offset, data)

        def read(self, file_obj: Any, offset: int, size: int) -> Any:
            given.on_read()
            found: Any = super().read(file_obj, offset, size)
            given.read += len(found)
            if given.cut_reads_after_bytes and not given.cut and given.read > given.cut_reads_after_bytes:
                given.cut = True
                self.channel.get_connection().abort()
            return found

        def close(self, file_obj: Any) -> None:
            super().close(file_obj)
            name = self._names.pop(id(file_obj), "")
            if control is not None and name.endswith(control):
                self._arrived(name.removesuffix(control))

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            super().posix_rename(oldpath, newpath)
            if control is None:
                self._arrived(newpath.decode().lstrip("/"))

        @staticmethod
        def _arrived(name: str) -> None:
            if given.load:
                load_file(store, name.rpartition("/")[2].split(".")[1], name)

    return await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(client_key),
        sftp_factory=Host,
        password_auth=False,
    )
