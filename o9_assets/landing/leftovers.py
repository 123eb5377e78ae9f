"""What a failed or cancelled execution of a mover left behind, where the mover can tell its objects from others'.

The feeds hold it back until a later execution succeeds; before that one starts, it is withdrawn for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.withdrawn import withdraw
from o9_assets.planning.feeds import Feed
from o9_assets.resources.aws import Denied
from o9_assets.resources.lake import Lake, equal
from o9_assets.resources.landing_zone import LandingZone
from o9_assets.resources.transfers.mover import Mover, Progress, State, TransferUnderWay, UnknownTransfer

__all__ = ["set_leftovers_aside"]


@runtime_checkable
class _TellsApart(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    def look(self, execution: str) -> Progress: ...

    def wrote(self, execution: str, name: str) -> bool: ...

    def former(self, flow: str, seconds_ago: float) -> _TellsApart: ...


def set_leftovers_aside(
    transfer: str, mover: Mover, lands: str, feeds: Mapping[str, Feed], *, zone: LandingZone, lake: Lake, now: datetime
) -> int:
    """Withdraw the objects of executions that did not succeed; returns how many. Each is withdrawn once.

    The transfer, or what it starts, may have had another name then: a success of the new one releases all the same.
    Raises TransferUnderWay while an execution of what the transfer started before still writes.
    """
    if not isinstance(mover, _TellsApart):
        return 0
    columns = ["transfer", "number", "resource", "lands", "execution", "state", "started_at"]
    rows = lake.read(TRANSFERS, columns=columns, where=equal("kind", mover.kind)).to_pylist()
    good: dict[str, int] = {}
    for row in rows:
        if row["state"] == State.SUCCEEDED:
            good[row["transfer"]] = max(row["number"], good.get(row["transfer"], 0))
    latest = max((row["number"] for row in rows if row["transfer"] == transfer), default=0)
    partial: dict[str, str] = {}
    places = set()
    for row in rows:
        # Those before the last success were withdrawn before that began.
        if row["execution"] is None or row["number"] < good.get(row["transfer"], 0):
            continue
        if transfer != row["transfer"] and lands != row["lands"]:
            continue
        execution, state = row["execution"], State(row["state"])
        followed = (row["transfer"], row["number"], row["resource"]) == (transfer, latest, mover.name)
        if state is State.RUNNING and not followed:
            state = _end_of(mover.former(row["resource"], (now - row["started_at"]).total_seconds()), execution)
            if state is State.RUNNING and row["transfer"] == transfer:
                raise TransferUnderWay(
                    f"The {mover.kind} transfer {row['resource']}, which {transfer} started before, still writes "
                    f"({execution}): a success of {mover.name} would release half of it.",
                    remedy="It is started when that has ended; stop the execution where it is no longer wanted.",
                )
        if state in (State.FAILED, State.CANCELLED):
            partial[execution] = f"the execution {execution} {state.value}: what it wrote is no whole"
            places.add(row["lands"])

    def why(name: str) -> str | None:
        return next((reason for execution, reason in partial.items() if mover.wrote(execution, name)), None)

    return withdraw(feeds, places, why, zone=zone, lake=lake, now=now).total()


def _end_of(mover: _TellsApart, execution: str) -> State:
    """How an execution stands that no run follows any more: the transfer, or its flow, was renamed while it ran.

    One that nobody can tell of has failed; the flow that is named now pulls what it pulled.
    """
    try:
        return mover.look(execution).state
    except (UnknownTransfer, Denied):
        return State.FAILED
