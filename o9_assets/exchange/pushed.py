"""Pushed events forwarded to o9 at once: those that cannot be are kept as dead letters, those that failed are named.

A dead letter is one object named by stream, shard and sequence, so that a repetition writes the same object. A record
counts as failed when its request, the request of an earlier event of its key, or its dead letter did not go through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from o9_assets.exchange.events import event_view, forward
from o9_assets.failures import Passing
from o9_assets.landing.event_datasets import DEMAND_EVENTS, PAYLOAD
from o9_assets.landing.events import Events, Range
from o9_assets.planning.settings import Settings, bind_stream
from o9_assets.resources.engine import Engine
from o9_assets.resources.o9 import O9Client
from o9_assets.resources.streams.pushed import Pushed, dead_letter

__all__ = ["forward_pushed"]

TOGETHER = 500
"""Rows of a request: what fails, fails together."""


def forward_pushed(
    settings: Settings,
    part: Pushed,
    *,
    engine: Engine,
    client: O9Client,
    bury: Callable[[str, bytes], None],
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Forward the records of a shard; returns the sequence numbers of those that are to be tried again, in order.

    `bury` keeps a dead letter under a name. Raises what trying again does not mend, such as a revoked key.
    """
    stream = bind_stream(settings, "demand_events", PAYLOAD)
    records, now = part.records, datetime.now(UTC).replace(tzinfo=None)
    last = records[-1].position if records else None
    whole = Range(f"kinesis/{part.stream}", part.shard, None, last, records, now)
    failed: set[int] = set()

    def keep(line: int, reason: str, detail: str) -> None:
        try:
            bury(*dead_letter(part, records[line - 1], reason, detail))
        except Passing:
            failed.add(line)

    with engine.connect() as con:
        judged = Events(con, "demand_events", stream, PAYLOAD, settings.timezone).judge([whole], now, DEMAND_EVENTS)
        for row in judged.quarantined.to_pylist():
            keep(row["line"], row["reason"], row["detail"])
        judged.accepted.create_view("accepted_now", replace=True)
        event_view(con, settings, "accepted_now", "cells")
        con.execute("CREATE OR REPLACE TEMP TABLE waiting AS SELECT *, line AS place FROM cells").fetchall()
        together = min(TOGETHER, client.profile.batch_size)
        done = forward(con, settings, client, together=together, sleep=sleep)
    for line, reason in sorted(done.refused.items()):
        keep(line, "refused", reason)
    failed |= done.failed
    return list(dict.fromkeys(records[line - 1].position for line in sorted(failed)))
