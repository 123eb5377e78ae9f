"""What a fake remembers: JSON documents by kind and key in one SQLite file, safe for threads, kept across restarts."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["State"]


class State:
    """Documents by (kind, key). Every call is a transaction; `change` reads and writes in one.

    Values are JSON with datetimes (kept as such) and bytes left to the caller.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS documents (kind, key, value, PRIMARY KEY (kind, key))")

    def get(self, kind: str, key: str) -> Any | None:
        """The document, None without."""
        with self._lock:
            row = self._db.execute("SELECT value FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return _read(row[0]) if row else None

    def put(self, kind: str, key: str, value: Any) -> None:
        """Write the document, over one that was there."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, _written(value)))

    def add(self, kind: str, key: str, value: Any) -> bool:
        """Write the document unless there is one; whether it was written."""
        with self._lock:
            done = self._db.execute("INSERT OR IGNORE INTO documents VALUES (?, ?, ?)", (kind, key, _written(value)))
            return done.rowcount == 1

    def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""
        with self._lock:
            return self._db.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key)).rowcount == 1

    def all(self, kind: str) -> dict[str, Any]:
        """The documents of a kind by key, in the order of their keys."""
        with self._lock:
            rows = self._db.execute("SELECT key, value FROM documents WHERE kind = ? ORDER BY key", (kind,)).fetchall()
        return {key: _read(value) for key, value in rows}

    def change(self, kind: str, key: str, function: Callable[[Any | None], Any]) -> Any:
        """Replace the document by what `function` makes of it (of None without one), in one step; returns the new."""
        with self.exclusive():
            value = function(self.get(kind, key))
            self.put(kind, key, value)
        return value

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other threads out meanwhile."""
        with self._lock:
            yield

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _written(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    raise TypeError(f"{type(value).__name__} is not kept as JSON")


def _read(text: str) -> Any:
    return json.loads(text, object_hook=lambda d: datetime.fromisoformat(d["$datetime"]) if "$datetime" in d else d)
