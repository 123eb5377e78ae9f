"""A delivery of demand history to o9: planned in one commit, sent in chunks, each cell in o9 once.

The order of the commits is what makes a crash harmless: the plan; for each group of chunks the cells that o9 refused,
then the ledger; at the end corrections, then the books. A run that finds a delivery under way ends it first: a chunk
that the ledger lacks is looked up in o9, and sent only where o9 does not hold it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.exchange import lease as leases
from o9_assets.exchange.books import enter
from o9_assets.exchange.datasets import LEDGER, PLANNED
from o9_assets.exchange.lease import Busy, Lease
from o9_assets.exchange.members import create_members
from o9_assets.exchange.plan import Plan, pending, plan, target
from o9_assets.exchange.refusals import forsake, keep_refused
from o9_assets.exchange.report import Asked, Delivery, DeliveryReport
from o9_assets.exchange.sending import Sender, Settled
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import CommitConflict, Lake, equal, everything
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["Asked", "DeliveryReport", "deliver"]

ROWS_TOGETHER = 100_000
"""Rows whose requests are made, sent and receipted together; memory grows with it and not with the delivery."""
PATIENCE_SECONDS = 30.0


def deliver(
    settings: Settings,
    history: Dataset,
    *,
    lake: Lake,
    engine: Engine,
    client: O9Client,
    now: datetime,
    asked: Asked | None = None,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda text: None,
) -> DeliveryReport:
    """End a delivery that is under way, then send what changed in `history` since. A second call sends nothing.

    With `asked.dry_run` nothing is sent or written: the report says what would be. Raises Busy where another export
    does not end in time, CommitConflict where one was quicker, NotApproved for an approval of another difference, and
    o9's errors: what was confirmed until then is in the ledger, and the next call goes on from there.
    """
    asked = asked or Asked()
    delivery = Delivery(settings, lake, engine, client, now, sleep, progress, DeliveryReport(), Lease.new())
    interrupted = None if asked.dry_run else _wait(delivery)
    if interrupted is not None and interrupted.target == target(settings, client):
        progress(f"delivery {interrupted.delivery_id[:12]} was interrupted and is ended first")
        delivery.report.resumed = True
        with engine.connect() as con:
            _take_over(con, delivery, interrupted)
            with _releasing(delivery):
                _complete(con, delivery, interrupted, look_first=True)
    elif interrupted is not None:
        forsake(delivery, interrupted.delivery_id)
    with engine.connect() as con:
        made = plan(con, delivery, history, asked)
        if made is not None:
            with _releasing(delivery):
                _complete(con, delivery, made, look_first=False)
    return delivery.report


def _wait(delivery: Delivery) -> Plan | None:
    """The delivery that an earlier run left; one that a living export is at is waited for. Raises Busy."""
    waited = 0.0
    while (found := pending(delivery.lake)) is not None:
        holder = leases.held_by_another(delivery.lake)
        if holder is None:
            return found
        if waited >= PATIENCE_SECONDS:
            raise Busy(f"Another export is under way: {holder}.", remedy="It is waited for again.")
        delivery.sleep(1.0)
        waited += 1.0
    return None


def _take_over(con: duckdb.DuckDBPyConnection, delivery: Delivery, left: Plan) -> None:
    """Make an interrupted delivery ours, and register its cells as `planned`; of two that try, the lake refuses one.

    Raises CommitConflict where another export took it over, ended it or planned anew since it was looked at.
    """
    lake = delivery.lake
    base = lake.view(con, "planned", PLANNED)
    # Asked again after the cells: those of another plan must not be taken for the cells of this one.
    if pending(lake) != left or leases.held_by_another(lake) is not None:
        raise CommitConflict("Another export went on with it.", remedy="Run it again: it ends what is left.")
    rows = con.sql("SELECT * FROM planned ORDER BY chunk_no, row_no")
    lake.overwrite(PLANNED, rows, everything(), marks={**left.marks(), "lease": delivery.lease.mark()}, based_on=base)


@contextmanager
def _releasing(delivery: Delivery) -> Iterator[None]:
    """Give the lease back when something goes wrong; a delivery that ends needs none."""
    try:
        yield
    except BaseException:
        delivery.lease.release(delivery.lake)
        raise


def _complete(con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan, *, look_first: bool) -> None:
    """Send what the ledger lacks of the cells in `planned`, and enter the delivery into the books."""
    lake, report = delivery.lake, delivery.report
    report.delivery_id = planned.delivery_id
    lake.view(con, "ledger", LEDGER, where=equal("delivery_id", planned.delivery_id))
    for change, cells in con.execute("SELECT change, count(*) FROM planned GROUP BY 1 ORDER BY 1").fetchall():
        delivery.progress(f"{cells:,} cells to send are {change}")
    report.members_created += create_members(con, delivery.settings, delivery.client)
    chunks = con.execute(
        "SELECT DISTINCT chunk_no FROM planned WHERE chunk_no NOT IN (SELECT chunk_no FROM ledger) ORDER BY 1"
    ).fetchall()
    waiting = [row[0] for row in chunks]
    sender = Sender(con, delivery.settings, delivery.client, delivery.sleep)
    sent, left = 0, iter(waiting)
    together = max(1, ROWS_TOGETHER // delivery.client.profile.batch_size)
    # A group's receipts are committed while the next group is on its way.
    with ThreadPoolExecutor(1) as background:
        commit: Future[None] | None = None
        while group := list(islice(left, together)):
            settled, stopped = sender.send(group, look_first=look_first)
            if commit is not None:
                commit.result()
            delivery.lease.check(lake)
            keep_refused(con, delivery, planned, settled)
            commit = background.submit(_keep_receipts, delivery, planned, settled)
            if stopped is not None:
                commit.result()
                raise stopped
            sent += len(group)
            if len(waiting) > together:
                delivery.progress(f"{sent:,} of {len(waiting):,} chunks sent")
        if commit is not None:
            commit.result()
    enter(con, delivery, planned)


def _keep_receipts(delivery: Delivery, planned: Plan, settled: dict[int, Settled]) -> None:
    """Commit a group of outcomes; the lease is renewed with it."""
    rows = [
        {
            "delivery_id": planned.delivery_id,
            "chunk_no": chunk,
            **{name: getattr(request, name) for name in request.__slots__},
            "planned_at": planned.planned_at,
            "settled_at": delivery.now,
        }
        for chunk, found in sorted(settled.items())
        for request in found.requests
    ]
    if not rows:
        return
    delivery.report.requests += sum(row["outcome"] != "found" for row in rows)
    delivery.report.found += sum(row["outcome"] == "found" for row in rows)
    table = pa.Table.from_pylist(rows, schema=LEDGER.arrow_schema)
    delivery.lake.append(LEDGER, table, marks={"lease": delivery.lease.mark()})
