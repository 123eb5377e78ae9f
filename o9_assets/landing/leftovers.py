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
from o9_assets.resources.lake import Lake, all_of, equal
from o9_assets.resources.landing_zone import LandingZone
from o9_assets.resources.transfers.mover import Mover, State

__all__ = ["set_leftovers_aside"]


@runtime_checkable
class _TellsWritten(Protocol):
    def written(self, execution: str) -> tuple[str, ...]: ...


def set_leftovers_aside(
    transfer: str, mover: Mover, lands: str, feeds: Mapping[str, Feed], *, zone: LandingZone, lake: Lake, now: datetime
) -> int:
    """Withdraw the objects of executions that did not succeed; returns how many. Each is withdrawn once."""
    if not isinstance(mover, _TellsWritten):
        return 0
    where = all_of(equal("transfer", transfer), equal("resource", mover.name))
    rows = lake.read(TRANSFERS, columns=["number", "execution", "state"], where=where).to_pylist()
    # Those before the last success were withdrawn before that began.
    good = max((row["number"] for row in rows if row["state"] == State.SUCCEEDED), default=0)
    done = 0
    for row in rows:
        ended_badly = row["state"] in (State.FAILED, State.CANCELLED)
        if row["number"] < good or row["execution"] is None or not ended_badly:
            continue
        names = set(mover.written(row["execution"]))
        reason = f"the execution {row['execution']} {row['state']}: what it wrote is no whole"
        done += sum(withdraw(feeds, lands, names.__contains__, reason, zone=zone, lake=lake, now=now).values())
    return done
