"""A transfer carried out once, whoever dies in between: the ledger of executions, and what they landed.

The ledger gets its row before the service is started and the execution's id after. A run that finds a row that still
runs follows that execution instead of starting another. What an execution wrote is held back from the feeds until it,
or a later one, has succeeded.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from o9_assets.failures import Permanent
from o9_assets.landing.datasets import TRANSFERS
from o9_assets.resources.lake import CommitConflict, Lake, all_of, equal
from o9_assets.resources.landing_zone import LandedObject
from o9_assets.resources.transfers.mover import (
    Mover,
    PartialTransfer,
    Progress,
    State,
    TransferCancelled,
    TransferFailed,
    UnknownTransfer,
    follow,
)

__all__ = ["Hold", "Outcome", "carry_out", "held_back", "releases"]

SKEW = timedelta(seconds=10)
"""How far this machine's clock may be from S3's."""


@dataclass(frozen=True)
class Outcome:
    """An execution that succeeded: `resumed` where an earlier run had started it; `names` are the objects it wrote."""

    execution: str
    number: int
    resumed: bool
    progress: Progress
    names: tuple[str, ...]
    started_at: datetime
    ended_at: datetime
    counters: dict[str, int] = field(default_factory=dict)


def carry_out(
    transfer: str,
    mover: Mover,
    lands: str,
    *,
    lake: Lake,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    patience_seconds: float,
    progress: Callable[[str], None] | None = None,
    account: Callable[[Progress, tuple[str, ...]], None] = lambda seen, names: None,
) -> Outcome:
    """Start the transfer, or take up what an earlier run left under way, and follow it to its end.

    `account` looks at what was written before anybody may read it: a run that dies meanwhile is followed by one that
    looks anew. `now` gives UTC without a zone. Raises TransferFailed, TransferCancelled, PartialTransfer,
    UnknownTransfer, and any Permanent that the first start met with, after which the next call starts a new execution;
    TransferUnderWay, or what the start met with that an earlier run died at, after which it follows the same one.
    """
    row, resumed = _under_way(lake, transfer, mover, lands, now)
    try:
        # What is known is followed: a service may find nothing by a token that is old (AppFlow after eight hours).
        execution = row["execution"] or mover.start(row["token"])
    except Permanent as error:
        if not resumed:  # else the run that died may have started it, and it may still be writing
            _end(lake, row, State.FAILED, now(), Progress(State.FAILED, "not started", reason=error.message))
        raise
    try:
        if row["execution"] != execution:
            row = _keep(lake, {**row, "execution": execution})
        if progress is not None:
            progress(f"{transfer}: {'follows' if resumed else 'started'} {mover.kind} {mover.name}, {execution}")
        seen = follow(mover, execution, patience_seconds=patience_seconds, sleep=sleep, clock=clock, progress=progress)
        names = mover.landed(execution)
        if astray := [name for name in names if not name.startswith(lands)]:
            raise PartialTransfer(
                f"The {mover.kind} transfer {mover.name} wrote {astray[0]}, which is not below {lands}.",
                remedy=f"Mend `lands` of the transfer {transfer} in the settings, or where the service writes.",
            )
    except TransferFailed as error:
        state = State.CANCELLED if isinstance(error, TransferCancelled) else State.FAILED
        _end(lake, row, state, now(), error.progress)
        raise
    except (PartialTransfer, UnknownTransfer) as error:
        _end(lake, row, State.FAILED, now(), Progress(State.FAILED, "unknown", reason=error.message))
        raise
    account(seen, names)
    ended = _end(lake, row, State.SUCCEEDED, now(), seen, objects=len(names))
    return Outcome(
        execution, row["number"], resumed, seen, names, row["started_at"], ended["ended_at"], dict(seen.counters)
    )


def _under_way(
    lake: Lake, transfer: str, mover: Mover, lands: str, now: Callable[[], datetime]
) -> tuple[dict[str, Any], bool]:
    """The row of the execution that is under way, or a new one; and whether an earlier run had made it."""
    for _ in range(20):
        base = lake.snapshot_id(TRANSFERS)
        rows = lake.read(TRANSFERS, where=equal("transfer", transfer)).to_pylist()
        last = max(rows, key=lambda row: row["number"], default=None)
        if last is not None and last["state"] == State.RUNNING and last["resource"] == mover.name:
            return last, True
        row = dict.fromkeys(TRANSFERS.column_names) | {
            "transfer": transfer,
            "number": (last["number"] if last else 0) + 1,
            "token": str(uuid.uuid4()),
            "kind": mover.kind,
            "resource": mover.name,
            "lands": lands,
            "state": State.RUNNING.value,
            "started_at": now(),
        }
        try:
            lake.overwrite(TRANSFERS, _table(row), _slice(row), based_on=base)
        except CommitConflict:
            continue  # somebody else was quicker; it may be this very transfer
        return row, False
    raise CommitConflict(f"The ledger of {transfer} is written by too many at once.", remedy="Run it again.")


def _table(row: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([row], schema=TRANSFERS.arrow_schema)


def _slice(row: dict[str, Any]) -> Any:
    return all_of(equal("transfer", row["transfer"]), equal("number", row["number"]))


def _keep(lake: Lake, row: dict[str, Any]) -> dict[str, Any]:
    lake.overwrite(TRANSFERS, _table(row), _slice(row))
    return row


def _end(
    lake: Lake, row: dict[str, Any], state: State, at: datetime, seen: Progress, *, objects: int | None = None
) -> dict[str, Any]:
    return _keep(
        lake,
        {
            **row,
            "state": state.value,
            "status": seen.status,
            "reason": seen.reason or None,
            "counters": json.dumps(dict(seen.counters), sort_keys=True),
            "objects": objects,
            "ended_at": at,
        },
    )


@dataclass(frozen=True, slots=True)
class Hold:
    """Objects below `lands` written from `begin` to `end` (UTC with a zone) belong to no whole transfer yet."""

    transfer: str
    lands: str
    begin: datetime
    end: datetime | None


def held_back(lake: Lake) -> list[Hold]:
    """What transfers that have not succeeded wrote since their last success, or since that of another transfer which
    has the same task of the service and the same place: they were renamed."""
    columns = ["transfer", "number", "kind", "resource", "lands", "state", "started_at", "ended_at"]
    rows = lake.read(TRANSFERS, columns=columns).to_pylist()
    holds = []

    def repeated(row: dict[str, Any]) -> bool:
        return any(
            other["state"] == State.SUCCEEDED
            and all(other[name] == row[name] for name in ("kind", "resource", "lands"))
            and other["started_at"] > row["started_at"]
            for other in rows
        )

    for transfer in sorted({row["transfer"] for row in rows}):
        own = sorted((row for row in rows if row["transfer"] == transfer), key=lambda row: row["number"])
        good = max((row["number"] for row in own if row["state"] == State.SUCCEEDED), default=0)
        open_rows = [row for row in own if row["number"] > good and not repeated(row)]
        for lands in dict.fromkeys(row["lands"] for row in open_rows):
            there = [row for row in open_rows if row["lands"] == lands]
            end = there[-1]["ended_at"]
            begin = there[0]["started_at"].replace(tzinfo=UTC) - SKEW
            last = None if end is None else end.replace(tzinfo=UTC) + SKEW
            holds.append(Hold(transfer, lands, begin, last))
    return holds


def releases(found: LandedObject, holds: Iterable[Hold]) -> bool:
    """Whether no transfer holds the object back."""
    return not any(
        found.name.startswith(hold.lands)
        and found.modified_at >= hold.begin
        and (hold.end is None or found.modified_at <= hold.end)
        for hold in holds
    )
