"""The landing zone: where source files arrive. A folder, or a prefix of an S3 bucket, behind one interface.

Names are relative POSIX paths below the zone's root. A name from outside is never trusted: `..`, absolute names and
links that lead out are refused.
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from o9_assets.failures import Passing, Permanent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["BadName", "FolderZone", "LandedObject", "LandingZone", "ObjectChanged", "S3Zone", "Spooled"]

BLOCK = 4 << 20


class ObjectChanged(Passing):
    """The object was replaced or removed while it was read; what is there now is another version."""


class BadName(Permanent):
    """A name that leads out of the landing zone."""


@dataclass(frozen=True, slots=True)
class LandedObject:
    """An object and its version. The same name with new content is a new version. `modified_at` is UTC with a zone."""

    name: str
    version: str
    size_bytes: int
    modified_at: datetime

    @property
    def object_id(self) -> str:
        """Identity of name and version, as raw rows carry it."""
        return hashlib.sha256(f"{self.name}\0{self.version}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Spooled:
    """An object's bytes on this machine's disk."""

    path: Path
    sha256: str
    size_bytes: int


class LandingZone(Protocol):
    """What a landing zone does."""

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[LandedObject]:
        """Objects in the order of their names, without those still being written."""
        ...

    def spool(self, found: LandedObject, folder: Path) -> Spooled:
        """Copy the listed version to `folder`, hashing it. Raises ObjectChanged where it is no longer there."""
        ...

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object so that a reader sees all of it or none. Raises BadName."""
        ...


def checked(name: str) -> str:
    """The name, if it stays below the root. Raises BadName."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise BadName(f"{name!r} leads out of the landing zone.", remedy="Use a relative name without '..'.")
    return path.as_posix()


def being_written(name: str) -> bool:
    """Whether a name says that its object is not ready: .part or .tmp, or a part that begins with . or _."""
    path = PurePosixPath(name)
    return path.suffix in (".part", ".tmp") or any(part[0] in "._" for part in path.parts)


def _copy(source: BinaryIO, target: Path) -> Spooled:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as sink:
        while block := source.read(BLOCK):
            digest.update(block)
            sink.write(block)
            size += len(block)
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


class FolderZone:
    """A landing zone in a folder. A version is size, inode and time of change in nanoseconds."""

    def __init__(self, root: Path, *, settle_seconds: float = 2) -> None:
        self._root = root.resolve()
        self._settle = timedelta(seconds=settle_seconds)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[LandedObject]:
        """Objects in the order of their names; a link that leads out of the root is passed over."""
        settled = datetime.now(UTC) - self._settle
        for name, entry in self._walk(self._root, "", prefix):
            if start_after is not None and name <= start_after:
                continue
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue  # removed since it was listed
            found = self._object(name, stat)
            if found.modified_at <= settled:
                yield found

    def _walk(self, folder: Path, base: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        try:
            with os.scandir(folder) as scan:
                # A folder sorts as its name with a slash, so that names come in the order S3 gives them.
                entries = sorted(scan, key=lambda e: e.name + ("/" if e.is_dir(follow_symlinks=False) else ""))
        except FileNotFoundError:
            return
        for entry in entries:
            name = base + entry.name
            if being_written(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                inside = name + "/"
                if inside.startswith(prefix) or prefix.startswith(inside):
                    yield from self._walk(folder / entry.name, inside, prefix)
            elif name.startswith(prefix) and entry.is_file() and self._inside(entry):
                yield name, entry

    def _inside(self, entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self._root)

    @staticmethod
    def _object(name: str, stat: os.stat_result) -> LandedObject:
        version = f"{stat.st_mtime_ns}-{stat.st_size}-{stat.st_ino}"
        return LandedObject(name, version, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))

    def spool(self, found: LandedObject, folder: Path) -> Spooled:
        path = self._path(found.name)
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
        path = self._root / checked(name)
        if not path.resolve().is_relative_to(self._root):
            raise BadName(
                f"{name!r} is a link that leads out of the landing zone.", remedy="Put the file itself there."
            )
        return path


class S3Zone:
    """A landing zone below a prefix of a bucket. A version is the ETag; with bucket versioning on, reads are pinned."""

    def __init__(self, bucket: str, prefix: str, client: S3Client, *, settle_seconds: float = 0) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client = client
        self._settle = timedelta(seconds=settle_seconds)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[LandedObject]:
        settled = datetime.now(UTC) - self._settle
        query: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if start_after is not None:
            query["StartAfter"] = self._prefix + start_after
        for page in self._client.get_paginator("list_objects_v2").paginate(**query):
            for entry in page.get("Contents", []):
                name = entry["Key"].removeprefix(self._prefix)
                if not name or name.endswith("/") or being_written(name) or ".." in name.split("/"):
                    continue
                if entry["LastModified"] <= settled:
                    yield LandedObject(name, entry["ETag"].strip('"'), entry["Size"], entry["LastModified"])

    def spool(self, found: LandedObject, folder: Path) -> Spooled:
        from botocore.exceptions import ClientError

        try:
            # If-Match: the listed content or nothing.
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + checked(found.name), IfMatch=f'"{found.version}"'
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                raise ObjectChanged(
                    f"{found.name} changed while it was read.", remedy="It is taken at the next tick."
                ) from error
            raise
        spooled = _copy(answer["Body"], folder / uuid.uuid4().hex)  # type: ignore[arg-type]
        if spooled.size_bytes != found.size_bytes:
            raise ObjectChanged(f"{found.name} came cut short.", remedy="It is taken at the next tick.")
        return spooled

    def put(self, name: str, content: bytes | Path) -> None:
        key = self._prefix + checked(name)
        if isinstance(content, bytes):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        else:
            self._client.upload_file(str(content), self._bucket, key)
