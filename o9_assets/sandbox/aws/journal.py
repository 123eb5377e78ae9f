"""What was called: every call to the twin, in order, the newest 200,000."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Entry", "Journal"]

KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A call. `when` is UTC in ISO 8601, `digest` the SHA-256 of method, path, query and body, `fault` what was
    injected."""

    when: str
    service: str
    operation: str
    principal: str
    digest: str
    status: int
    seconds: float
    fault: str | None = None


class Journal:
    """Calls, safe for threads."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def calls(self, service: str | None = None, operation: str | None = None) -> list[Entry]:
        """The calls, all or of a service and operation."""
        with self._lock:
            found = list(self._entries)
        return [
            e for e in found if (not service or e.service == service) and (not operation or e.operation == operation)
        ]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def told(self) -> list[dict[str, Any]]:
        """The calls as JSON."""
        return [asdict(entry) for entry in self.calls()]
