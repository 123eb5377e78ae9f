"""Who delivers: one at a time. A lease beside the planned cells says who; a dead holder's is taken over.

The commit of a plan, and of a takeover, is refused by the lake when somebody else was quicker: that decides races. The
lease's time only says how long a holder that cannot be seen (another machine's) is waited for.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from o9_assets.exchange.datasets import LEDGER, PLANNED
from o9_assets.failures import Passing
from o9_assets.resources.lake import Lake

__all__ = ["Busy", "Lease"]

GOOD_FOR = timedelta(minutes=10)


class Busy(Passing):
    """Another export is under way, or took over."""


@dataclass(frozen=True)
class Lease:
    """One delivery's right to send."""

    holder: str

    @classmethod
    def new(cls) -> Lease:
        return cls(uuid.uuid4().hex)

    def mark(self) -> str:
        """The lease as a mark, good from now on."""
        until = datetime.now(UTC) + GOOD_FOR
        return json.dumps(
            {"holder": self.holder, "host": socket.gethostname(), "pid": os.getpid(), "until": until.isoformat()}
        )

    def check(self, lake: Lake) -> None:
        """Raise Busy where somebody else took over."""
        found = _read(lake.marks(PLANNED))
        if found is None or found["holder"] != self.holder:
            raise Busy("Another export took this one over.", remedy="It ends what is left.")

    def release(self, lake: Lake) -> None:
        """Let others deliver at once, after a failure."""
        found = _read(lake.marks(PLANNED))
        if found is not None and found["holder"] == self.holder:
            lake.append(PLANNED, PLANNED.arrow_schema.empty_table(), marks={"lease": None})


def held_by_another(lake: Lake) -> str | None:
    """Who delivers at present, told for a person; None where nobody who lives does."""
    found = _read(lake.marks(PLANNED))
    if found is None:
        return None
    renewed = _read(lake.marks(LEDGER))
    if renewed is not None and renewed["holder"] == found["holder"]:
        found = renewed
    if datetime.fromisoformat(found["until"]) <= datetime.now(UTC):
        return None
    if found["host"] == socket.gethostname() and not _lives(int(found["pid"])):
        return None
    return f"process {found['pid']} on {found['host']}, until {found['until'][:19]} UTC unless it ends before"


def _read(marks: Mapping[str, str]) -> dict[str, Any] | None:
    text = marks.get("lease")
    return dict(json.loads(text)) if text else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
