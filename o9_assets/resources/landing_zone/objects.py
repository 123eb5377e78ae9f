"""What a landing zone holds and does, wherever it is: objects with versions, and the rules for their names.

Names are relative POSIX paths below the zone's root. A name from outside is never trusted: `..`, absolute names and
links that lead out are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from o9_assets.failures import Passing, Permanent

__all__ = [
    "BLOCK",
    "BadName",
    "LandedObject",
    "LandingZone",
    "ObjectChanged",
    "Spooled",
    "being_written",
    "checked",
    "hashed",
]

BLOCK = 4 << 20


class ObjectChanged(Passing):
    """The object was replaced or removed while it was read; what is there now is another version."""


class BadName(Permanent):
    """A name that leads out of the landing zone."""


@dataclass(frozen=True, slots=True)
class LandedObject:
    """An object and its version. The same name with new content is a new version. `modified_at` is UTC with a zone.

    Content that comes back after other content has the version that it had before; `returned` then makes it one of its
    own: the number of the ingest that took in what it follows.
    """

    name: str
    version: str
    size_bytes: int
    modified_at: datetime
    returned: int = 0

    @property
    def listed_version(self) -> str:
        """The version as the manifest lists it: the zone's, and behind an `@` that it came back."""
        return f"{self.version}@{self.returned}" if self.returned else self.version

    @property
    def object_id(self) -> str:
        """Identity of name and version, as raw rows carry it."""
        return hashlib.sha256(f"{self.name}\0{self.listed_version}".encode()).hexdigest()[:24]


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

    def spool_all(
        self, wanted: Iterable[LandedObject], folder: Path
    ) -> Generator[tuple[LandedObject, Spooled | ObjectChanged], None, None]:
        """Spool each in its order, where it pays some ahead of need; one that changed comes with the error instead."""
        ...

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object so that a reader sees all of it or none; the same content stays the same version.

        Raises BadName.
        """
        ...


def checked(name: str) -> str:
    """The name, if it stays below the root. Raises BadName."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise BadName(f"{name!r} leads out of the landing zone.", remedy="Use a relative name without '..'.")
    return name


def being_written(name: str) -> bool:
    """Whether a name says that its object is not ready: .part or .tmp, or a part that begins with . or _."""
    path = PurePosixPath(name)
    return path.suffix in (".part", ".tmp") or any(part[0] in "._" for part in path.parts)


def hashed(source: BinaryIO) -> str:
    """SHA-256 of what a stream holds from here on."""
    digest = hashlib.sha256()
    while block := source.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
