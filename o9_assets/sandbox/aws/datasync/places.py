"""Places that DataSync copies from (a folder, a bucket) and to (a bucket)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Bucket", "Entry", "Folder", "Place"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file by its path below the place; `changed` is its time of change in nanoseconds."""

    path: str
    size: int
    changed: int


class Place(Protocol):
    def entries(self) -> Iterator[Entry]: ...

    def read(self, path: str) -> bytes: ...

    def entry(self, path: str) -> Entry | None:
        """The file as it is now."""
        ...


class Folder:
    """A folder of this machine; links are not followed. Raises OSError where it cannot be read."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self) -> Iterator[Entry]:
        if not self._root.is_dir():
            raise NotADirectoryError(f"{self._root} is no folder that can be mounted")
        for path in sorted(self._root.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield self._entry(path)

    def _entry(self, path: Path) -> Entry:
        stat = path.stat()
        return Entry(path.relative_to(self._root).as_posix(), stat.st_size, stat.st_mtime_ns)

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def entry(self, path: str) -> Entry | None:
        found = self._root / path
        return self._entry(found) if found.is_file() else None


class Bucket:
    """A prefix of a bucket. The source's time of change is kept with each object, as DataSync does."""

    KEPT = "file-mtime"

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self.s3, self.bucket, self.prefix = s3, bucket, prefix

    def _keys(self) -> Iterator[Mapping[str, Any]]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
            yield from page.get("Contents", [])

    def entries(self) -> Iterator[Entry]:
        for entry in self._keys():
            path = entry["Key"].removeprefix(self.prefix)
            if path and not path.endswith("/"):
                found = self.entry(path)
                if found is not None:
                    yield found

    def entry(self, path: str) -> Entry | None:
        from botocore.exceptions import ClientError

        try:
            head = self.s3.head_object(Bucket=self.bucket, Key=self.prefix + path)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise
        kept = head["Metadata"].get(self.KEPT)
        return Entry(path, head["ContentLength"], int(kept or head["LastModified"].timestamp() * 10**9))

    def read(self, path: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + path)["Body"].read()
        return body

    def write(self, path: str, body: bytes, changed: int) -> None:
        metadata = {self.KEPT: str(changed)}
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=body, Metadata=metadata)

    def delete(self, path: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + path)
