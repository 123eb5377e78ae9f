"""What a failed or cancelled execution of a mover left behind, where the mover can tell its objects from others'.

The feeds hold it back until a later execution succeeds; before that one starts, it is withdrawn for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol, runtime_checkable

from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.withdrawn import withdraw
from o9_assets.planning.feeds import Feed
from o9_assets.resources.lake import Lake, equal
from o9_assets.resources.landing_zone import LandingZone
from o9_assets.resources.transfers.mover import Mover, Progress, State, UnknownTransfer

__all__ = ["set_leftovers_aside"]


@runtime_checkable
class _TellsApart(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def look(self, execution: str) -> Progress: ...

    def wrote(self, execution: str, name: str) -> bool: ...


def set_leftovers_aside(
    transfer: str, mover: Mover, lands: str, feeds: Mapping[str, Feed], *, zone: LandingZone, lake: Lake, now: datetime
) -> int:
    """Withdraw the objects of executions that did not succeed; returns how many. Each is withdrawn once.

    The transfer, or what it starts, may have had another name then: a success of the new one releases all the same.
    """
    if not isinstance(mover, _TellsApart):
        return 0
    columns = ["transfer", "number", "resource", "lands", "execution", "state"]
    rows = lake.read(TRANSFERS, columns=columns, where=equal("kind", mover.kind)).to_pylist()
    good: dict[str, int] = {}
    for row in rows:
        if row["state"] == State.SUCCEEDED:
            good[row["transfer"]] = max(row["number"], good.get(row["transfer"], 0))
    done = 0
    for row in rows:
        # Those before the last success were withdrawn before that began.
        if row["execution"] is None or row["number"] < good.get(row["transfer"], 0):
            continue
        if transfer != row["transfer"] and lands != row["lands"]:
            continue
        if not _ended_badly(row, transfer, mover):
            continue
        execution = row["execution"]
        reason = f"the execution {execution} {_words(row)}: what it wrote is no whole"
        meant = partial(mover.wrote, execution)
        done += sum(withdraw(feeds, row["lands"], meant, reason, zone=zone, lake=lake, now=now).values())
    return done


def _ended_badly(row: Mapping[str, Any], transfer: str, mover: _TellsApart) -> bool:
    if row["state"] != State.RUNNING:
        return row["state"] in (State.FAILED, State.CANCELLED)
    if row["transfer"] == transfer or row["resource"] != mover.name:
        return False
    # Nobody follows it any more: the transfer was renamed while it ran.
    try:
        return mover.look(row["execution"]).state in (State.FAILED, State.CANCELLED)
    except UnknownTransfer:
        return True


def _words(row: Mapping[str, Any]) -> str:
    return "failed" if row["state"] == State.RUNNING else str(row["state"])
