"""What every mover can do: start, be looked at, say what it landed; and how an execution is followed to its end.

A mover is a service that writes objects into the landing zone: DMS, DataSync, AppFlow, Data Exchange. Each has a thin
client in a file of its own. What is landed is read by the feeds; nothing of that belongs here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from o9_assets.failures import Passing, Permanent

__all__ = [
    "Layout",
    "Mover",
    "PartialTransfer",
    "Progress",
    "State",
    "TransferCancelled",
    "TransferFailed",
    "TransferUnderWay",
    "UnknownTransfer",
    "follow",
]

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0


class State(StrEnum):
    """Where an execution stands, in words that all movers share."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """An execution as the service tells it.

    `status` is the service's own word. `counters` holds its figures under its own names, and, where it tells them,
    under the names that the account of a transfer is made with: `files`, `bytes` and `rows` that it says it wrote.
    `reason` is the service's own text on why it failed or stopped.
    """

    state: State
    status: str
    counters: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a mover writes its objects, as far as it takes to count their records."""

    type: Literal["csv", "parquet", "jsonl"]
    header: bool = False
    delimiter: str = ","
    quote: str = '"'


class Mover(Protocol):
    """One declared transfer: a replication task, a flow, a DataSync task, a data set.

    Every method raises Permanent where the call will fail again (no such resource, access denied, bad request) and
    Passing where the service was busy or away.
    """

    @property
    def kind(self) -> str:
        """dms, datasync, appflow or data_exchange."""
        ...

    @property
    def name(self) -> str:
        """The resource's own name, as errors and logs show it."""
        ...

    def start(self, token: str) -> str:
        """Start an execution and return its id. The same token finds the same execution, whoever asks, and starts no
        second one. `token` has at most 36 characters of a-z, 0-9 and -."""
        ...

    def look(self, execution: str) -> Progress:
        """How the execution stands. Raises UnknownTransfer where the service no longer knows it."""
        ...

    def landed(self, execution: str) -> tuple[str, ...]:
        """Names, below the landing zone's root, of the objects that a succeeded execution wrote, each whole, sorted.

        Raises PartialTransfer where it did not succeed as a whole: a part is never a list.
        """
        ...

    def layout(self) -> Layout | None:
        """How its objects are written, where the service counts `rows`; None where it does not."""
        ...


class TransferFailed(Permanent):
    """The service gave up. The message carries its own reason and counters."""

    def __init__(self, mover: Mover, progress: Progress, *, remedy: str = "") -> None:
        said = f": {progress.reason}" if progress.reason else ""
        super().__init__(
            f"The {mover.kind} transfer {mover.name} ended as {progress.status}{said} ({told(progress.counters)}).",
            remedy=remedy or "Mend what the service names and start the transfer again; nothing of it was taken in.",
        )
        self.progress = progress


class TransferCancelled(TransferFailed):
    """Somebody stopped the execution."""


class PartialTransfer(Permanent):
    """The execution wrote only a part of what it should have."""


class UnknownTransfer(Permanent):
    """The service does not know the execution, or no longer."""


class TransferUnderWay(Passing):
    """Patience ended before the execution did. It goes on, and the next run follows it."""


def told(counters: Mapping[str, int]) -> str:
    """Counters as one line: `files 3, rows 1,204`."""
    return ", ".join(f"{name} {value:,}" for name, value in counters.items()) or "no counters"


def follow(
    mover: Mover,
    execution: str,
    *,
    patience_seconds: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    progress: Callable[[str], None] | None = None,
) -> Progress:
    """Look at the execution until it has succeeded, ever more rarely, and return how it ended.

    `clock` gives seconds that only rise. A look that fails in passing is one look less. Raises TransferFailed or
    TransferCancelled with the service's reason and counters, TransferUnderWay where `patience_seconds` are over.
    """
    end, wait, before = clock() + patience_seconds, FIRST_WAIT_SECONDS, ""
    while True:
        try:
            seen = mover.look(execution)
        except Passing as away:
            seen = Progress(State.RUNNING, "not to be reached", reason=away.message)
        now = f"{mover.kind} {mover.name}: {seen.status}, {told(seen.counters)}"
        if progress is not None and now != before:
            progress(now)
            before = now
        match seen.state:
            case State.SUCCEEDED:
                return seen
            case State.FAILED:
                raise TransferFailed(mover, seen)
            case State.CANCELLED:
                raise TransferCancelled(mover, seen)
        left = end - clock()
        if left <= 0:
            raise TransferUnderWay(
                f"The {mover.kind} transfer {mover.name} ({execution}) is still {seen.status} after "
                f"{patience_seconds:,.0f} seconds ({told(seen.counters)}).{' ' + seen.reason if seen.reason else ''}",
                remedy="It goes on; the next run follows it. Raise patience_minutes if it always takes so long.",
            )
        sleep(min(wait, left))
        wait = min(wait * 1.5, LONGEST_WAIT_SECONDS)
