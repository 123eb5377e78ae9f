"""Revisions of a data set brought in: each exported once, and those that were revoked taken out of what is read.

What there is to do is worked out each time from what Data Exchange lists, the ledger of transfers and the manifest, so
an event that was missed, a run that died or a run that is repeated all come to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.transfers import Outcome, carry_out
from o9_assets.landing.withdrawn import read_below, withdraw
from o9_assets.planning.feeds import Feed
from o9_assets.resources.lake import Lake, equal, isin
from o9_assets.resources.landing_zone import LandingZone
from o9_assets.resources.transfers.data_exchange import Revision
from o9_assets.resources.transfers.mover import Mover, Progress, State

__all__ = ["Exchange", "Exported", "bring_in", "to_export", "to_withdraw", "work"]


class Exchange(Protocol):
    """A data set whose revisions can be exported."""

    data_set: str
    lands: str

    def revisions(self) -> list[Revision]:
        """Finalized revisions, the oldest first."""
        ...

    def mover(self, revision: Revision) -> Mover:
        """The export of a revision."""
        ...

    def resource(self, revision: Revision) -> str:
        """The revision's name in the ledger."""
        ...


@dataclass
class Exported:
    """What a run did: exports by revision, and how many objects of each revoked revision it took out."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    withdrawn: dict[str, int] = field(default_factory=dict)
    revisions: int = 0
    revoked: int = 0


def _states(lake: Lake, transfer: str) -> dict[str, State]:
    """The latest state of each resource of the transfer in the ledger."""
    columns = ["transfer", "number", "resource", "state"]
    rows = lake.read(TRANSFERS, columns=columns, where=equal("transfer", transfer)).to_pylist()
    return {row["resource"]: State(row["state"]) for row in sorted(rows, key=lambda row: row["number"])}


def to_export(transfer: str, exchange: Exchange, revisions: Sequence[Revision], lake: Lake) -> list[Revision]:
    """Revisions that hold and whose export has not succeeded: one under way first, then the oldest."""
    states = _states(lake, transfer)
    open_ones = [
        (states.get(exchange.resource(one)) is not State.RUNNING, one.created_at, one.id, one)
        for one in revisions
        if one.revoked_at is None and states.get(exchange.resource(one)) is not State.SUCCEEDED
    ]
    return [one for *_, one in sorted(open_ones, key=lambda entry: entry[:3])]


def to_withdraw(exchange: Exchange, revisions: Sequence[Revision], lake: Lake) -> dict[str, Revision]:
    """Folders in which something of a revoked revision may have landed: the transfer may have had another name, or
    another place to land, when it was exported."""
    revoked = {exchange.resource(one): one for one in revisions if one.revoked_at is not None}
    if not revoked:
        return {}
    rows = lake.read(TRANSFERS, columns=["resource", "lands"], where=isin("resource", revoked)).to_pylist()
    found = {}
    for row in sorted(rows, key=lambda row: (row["resource"], row["lands"])):
        one = revoked[row["resource"]]
        # A ledger of before may have the transfer's place instead of the revision's folder below it.
        found[f"{row['lands'].removesuffix(one.folder)}{one.folder}"] = one
    return found


def work(
    transfer: str, exchange: Exchange, feeds: Mapping[str, Feed], revisions: Sequence[Revision], lake: Lake
) -> list[str]:
    """What a run would have to do, one entry each: revisions to export, and revoked ones whose rows are still read."""
    revoked = to_withdraw(exchange, revisions, lake)
    read = {revoked[folder].id for folder in read_below(feeds, revoked, lake)}
    return [f"export {one.id}" for one in to_export(transfer, exchange, revisions, lake)] + [
        f"withdraw {one.id}" for one in revisions if one.id in read
    ]


def bring_in(
    transfer: str,
    exchange: Exchange,
    feeds: Mapping[str, Feed],
    *,
    lake: Lake,
    zone: LandingZone,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    patience_seconds: float,
    progress: Callable[[str], None] | None = None,
    account: Callable[[Progress, tuple[str, ...]], None] = lambda seen, names: None,
) -> Exported:
    """Take revoked revisions out, then export what is new, the oldest first; `account` looks at each export.

    Raises what carry_out raises, and EntitlementExpired; what was exported until then stays exported.
    """
    revisions = exchange.revisions()
    done = Exported(revisions=len(revisions), revoked=sum(one.revoked_at is not None for one in revisions))
    revoked = to_withdraw(exchange, revisions, lake)

    def why(name: str) -> str | None:
        return next((_revocation(one) for folder, one in revoked.items() if name.startswith(folder)), None)

    counts = withdraw(feeds, revoked, why, zone=zone, lake=lake, now=now())
    for one in revisions:
        reason = _revocation(one)
        if counts[reason]:
            done.withdrawn[one.id] = counts[reason]
            if progress is not None:
                progress(f"{transfer}: {reason}; {counts[reason]:,} objects are no longer read")
    for revision in to_export(transfer, exchange, revisions, lake):
        done.outcomes[revision.id] = carry_out(
            transfer,
            exchange.mover(revision),
            f"{exchange.lands}{revision.folder}",
            lake=lake,
            now=now,
            sleep=sleep,
            clock=clock,
            patience_seconds=patience_seconds,
            progress=progress,
            account=account,
        )
    return done


def _revocation(revision: Revision) -> str:
    said = f": {revision.revocation}" if revision.revocation else ""
    return f"revision {revision.id} was revoked{said}"
