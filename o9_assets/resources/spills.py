"""Folders for what does not fit into memory: gone when they are left, and where a process was killed, a day later.

Whoever makes one holds a lock on it for as long as it lives; the next one to make a folder in the same place removes
those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["spill_folder"]

PREFIX = "o9-spill-"
DAY_SECONDS = 86_400
"""Younger ones are left alone: another one's lock cannot be seen everywhere, on a network share for one."""


@contextmanager
def spill_folder(home: Path | None = None) -> Iterator[Path]:
    """A new folder in `home` (the system's folder for temporary files without), removed with what is in it."""
    place = Path(tempfile.gettempdir()) if home is None else home
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    lock = os.open(made, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def _sweep(place: Path) -> None:
    """Remove what processes left that were killed."""
    limit = time.time() - DAY_SECONDS
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another one's, held, or gone meanwhile
            if left.lstat().st_mtime >= limit:
                continue
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
