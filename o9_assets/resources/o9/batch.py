"""Rows for one request or file: as they go out, how many they are, and their content's hash.

A request's rows are held in memory; a file's, which may be any number, on disk, from where they are sent in blocks.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Batch:
    """Equal content, equal id. `size_bytes` is the body's."""

    batch_id: str
    count: int
    size_bytes: int
    _body: bytes | IO[bytes]

    @classmethod
    def of(cls, rows: bytes, count: int) -> Batch:
        """A batch in memory."""
        return cls(hashlib.sha256(rows).hexdigest(), count, len(rows), rows)

    @classmethod
    def spooled(cls, start: str, rows: Iterable[str], between: str, end: str) -> Batch:
        """A batch on disk, written row by row; the file is gone when nobody holds the batch any more."""
        file: IO[bytes] = tempfile.TemporaryFile(prefix="o9-batch-")  # noqa: SIM115 - closed with the batch
        digest, count = hashlib.sha256(), 0

        def write(text: str) -> None:
            part = text.encode()
            digest.update(part)
            file.write(part)

        write(start)
        for count, row in enumerate(rows, start=1):
            write(row if count == 1 else between + row)
        write(end)
        file.flush()
        made = cls(digest.hexdigest(), count, file.tell(), file)
        weakref.finalize(made, file.close)
        return made

    def rows(self) -> bytes:
        """The whole body."""
        return self._body if isinstance(self._body, bytes) else self.open().read()

    def open(self) -> IO[bytes]:
        """The body as a file, at its beginning. One reader at a time."""
        if isinstance(self._body, bytes):
            return io.BytesIO(self._body)
        self._body.seek(0)
        return self._body
