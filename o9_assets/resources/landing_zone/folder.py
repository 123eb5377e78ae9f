"""A landing zone in a folder."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from o9_assets.resources.landing_zone.objects import (
    BLOCK,
    BadName,
    LandedObject,
    ObjectChanged,
    Spooled,
    being_written,
    checked,
)

__all__ = ["FolderZone"]


def _copy(source: BinaryIO, target: Path) -> Spooled:
    digest, size = hashlib.sha256(), 0
    # A block is hashed while the next one is read and written.
    with target.open("wb") as sink, ThreadPoolExecutor(1) as hasher:
        hashing: Future[None] | None = None
        while block := source.read(BLOCK):
            sink.write(block)
            size += len(block)
            if hashing is not None:
                hashing.result()
            hashing = hasher.submit(digest.update, block)
    return Spooled(target, digest.hexdigest(), size)


def _same(path: Path, content: bytes | Path) -> bool:
    """Whether a file holds this content already."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    if path.stat().st_size != size:
        return False
    with path.open("rb") as there, io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as here:
        while block := here.read(BLOCK):
            if there.read(BLOCK) != block:
                return False
    return True


def _shown(name: str) -> str:
    """A file's name as text; bytes that are no UTF-8 come as \\xe4."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _as_lies(path: Path) -> Path:
    """The file of a shown name."""
    if path.exists():
        return path
    raw = re.sub(rb"\\x([89a-f][0-9a-f])", lambda found: bytes.fromhex(found[1].decode()), os.fsencode(path))
    return Path(os.fsdecode(raw))


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file or a link to one; a link that leads back to itself is none."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


class FolderZone:
    """A landing zone in a folder. A version is size, inode and time of change in nanoseconds."""

    def __init__(self, root: Path, *, settle_seconds: float = 2) -> None:
        self._root = root.resolve()
        self._settle = timedelta(seconds=settle_seconds)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[LandedObject]:
        """Objects in the order of their names; a link that leads out of the root is passed over."""
        settled = datetime.now(UTC) - self._settle
        for name, entry in self._walk(self._root, "", prefix, start_after or ""):
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue  # removed since it was listed
            found = self._object(name, stat)
            if found.modified_at <= settled:
                yield found

    def _walk(self, folder: Path, base: str, prefix: str, after: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(folder) as scan:
                # A folder sorts as its name with a slash, so that names come in the order S3 gives them.
                entries = sorted(scan, key=lambda e: _shown(e.name) + ("/" if e.is_dir(follow_symlinks=False) else ""))
        except FileNotFoundError:
            return
        for entry in entries:
            name = base + _shown(entry.name)
            if being_written(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                inside = name + "/"
                if after > inside and not after.startswith(inside):
                    continue  # everything in it comes before
                if inside.startswith(prefix) or prefix.startswith(inside):
                    yield from self._walk(folder / entry.name, inside, prefix, after)
            elif name > after and name.startswith(prefix) and _is_file(entry) and self._inside(entry):
                yield name, entry

    def _inside(self, entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self._root)

    @staticmethod
    def _object(name: str, stat: os.stat_result) -> LandedObject:
        version = f"{stat.st_mtime_ns}-{stat.st_size}-{stat.st_ino}"
        return LandedObject(name, version, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))

    def spool(self, found: LandedObject, folder: Path) -> Spooled:
        path = self._inside_root(_as_lies(self._root / found.name), found.name)
        gone = ObjectChanged(f"{found.name} changed while it was read.", remedy="It is taken at the next tick.")
        try:
            with path.open("rb") as source:
                before = self._object(found.name, os.fstat(source.fileno()))
                spooled = _copy(source, folder / uuid.uuid4().hex)
                after = self._object(found.name, os.fstat(source.fileno()))
            now = self._object(found.name, path.stat())
        except FileNotFoundError as error:
            raise gone from error
        if {before.version, after.version, now.version} != {found.version}:
            raise gone
        return spooled

    def spool_all(
        self, wanted: Iterable[LandedObject], folder: Path
    ) -> Generator[tuple[LandedObject, Spooled | ObjectChanged], None, None]:
        """One after the other: a disk is not quicker for being asked twice at once."""
        for found in wanted:
            try:
                yield found, self.spool(found, folder)
            except ObjectChanged as changed:
                yield found, changed

    def put(self, name: str, content: bytes | Path) -> None:
        path = self._path(name)
        if path.is_file() and _same(path, content):
            return  # as on S3, the same content is the same version
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with part.open("wb") as sink:
                if isinstance(content, bytes):
                    sink.write(content)
                else:
                    with content.open("rb") as source:
                        while block := source.read(BLOCK):
                            sink.write(block)
                sink.flush()
                os.fsync(sink.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._inside_root(self._root / checked(name), name)

    def _inside_root(self, path: Path, name: str) -> Path:
        if not path.resolve().is_relative_to(self._root):
            raise BadName(
                f"{name!r} is a link that leads out of the landing zone.", remedy="Put the file itself there."
            )
        return path
