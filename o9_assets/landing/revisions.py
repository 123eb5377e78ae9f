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
from o9_assets.landing.withdrawn import is_read, withdraw
from o9_assets.planning.feeds import Feed
from o9_assets.resources.lake import Lake, equal
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


def to_withdraw(exchange: Exchange, revisions: Sequence[Revision], lake: Lake) -> list[tuple[Revision, list[str]]]:
    """Revoked revisions of which something may have landed, and the folders where: the transfer may have had another
    name, or another place to land, when they were exported."""
    rows = lake.read(TRANSFERS, columns=["resource", "lands"]).to_pylist()
    found = []
    for one in revisions:
        # A ledger of before may have the transfer's place instead of the revision's folder below it.
        places = {row["lands"].removesuffix(one.folder) for row in rows if row["resource"] == exchange.resource(one)}
        if one.revoked_at is not None and places:
            found.append((one, sorted(f"{place}{one.folder}" for place in places)))
    return found


def work(
    transfer: str, exchange: Exchange, feeds: Mapping[str, Feed], revisions: Sequence[Revision], lake: Lake
) -> list[str]:
    """What a run would have to do, one entry each: revisions to export, and revoked ones whose rows are still read."""
    revoked = to_withdraw(exchange, revisions, lake)
    read = [one.id for one, folders in revoked if any(is_read(feeds, folder, lake) for folder in folders)]
    return [f"export {one.id}" for one in to_export(transfer, exchange, revisions, lake)] + [
        f"withdraw {one}" for one in read
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
    for revision, folders in to_withdraw(exchange, revisions, lake):
        said = f": {revision.revocation}" if revision.revocation else ""
        reason = f"revision {revision.id} was revoked{said}"
        counts = [withdraw(feeds, f, lambda name: True, reason, zone=zone, lake=lake, now=now()) for f in folders]
        if any(counts):
            done.withdrawn[revision.id] = sum(sum(by_feed.values()) for by_feed in counts)
            if progress is not None:
                progress(f"{transfer}: {reason}; {done.withdrawn[revision.id]:,} objects are no longer read")
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
