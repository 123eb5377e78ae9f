"""Events on their way to o9: as cells of a measure group, one an event, sent so that each key keeps its order.

o9's streaming payload is not public. What is assumed: a measure group takes rows by REST like any other, an event is
named by a column of its own, and a row that comes again replaces itself. The settings' o9.streaming holds the names.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from o9_assets.exchange.datasets import MEASURES
from o9_assets.exchange.members import create_members
from o9_assets.exchange.sending import Sender
from o9_assets.failures import Passing, Permanent
from o9_assets.landing.typing_sql import quoted
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["Forwarded", "as_cells", "event_settings", "event_view", "forward"]

EVENTS = Path(__file__).with_name("events.sql")


def event_settings(settings: Settings) -> Settings:
    """The settings with o9's names for events in place of those for history. Raises Permanent without o9.streaming."""
    names = settings.o9.streaming
    if names is None:
        raise Permanent("No events are forwarded: o9.streaming is not set.", remedy="Name its measure group there.")
    own: dict[str, Any] = {
        "measure_group": names.measure_group,
        "columns": {**settings.o9.columns, "event": names.event},
        "measures": {"orders_quantity": names.quantity},
    }
    return settings.model_copy(update={"o9": settings.o9.model_copy(update=own)})


def event_view(con: duckdb.DuckDBPyConnection, settings: Settings, events: str, name: str) -> None:
    """Make the table `name` of a relation of raw events: cells with their place in the stream, and with a `reason`
    where one cannot be forwarded."""
    [(first, last)] = con.execute(
        f"SELECT coalesce(min(event_at), TIMESTAMP '2000-01-03'), coalesce(max(event_at), TIMESTAMP '2000-01-03') "
        f"FROM {events}"
    ).fetchall()
    day = timedelta(days=1)
    con.register("buckets", Calendar(settings.calendar).buckets_table((first - day).date(), (last + day).date()))
    sql = EVENTS.read_text(encoding="utf-8").format(
        base_uom=quoted(settings.units.base_uom), zone=quoted(settings.timezone), events=events
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}").fetchall()


def as_cells(con: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Make the view `planned`, which a Sender sends, of events with chunk_no and row_no."""
    others = ", ".join(f"CAST(NULL AS DECIMAL(18,4)) AS {m}" for m in MEASURES if m != "orders_quantity")
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW planned AS SELECT *, quantity AS orders_quantity, {others}, "
        f"CASE WHEN quantity IS NULL THEN 'retracted' ELSE 'new' END AS change FROM {relation}"
    ).fetchall()


@dataclass
class Forwarded:
    """What became of events by their place: `failed` are to be tried again, `refused` never without a change."""

    sent: int = 0
    found: int = 0
    failed: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    stopped: Passing | None = None


def forward(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    client: O9Client,
    *,
    together: int,
    sleep: Callable[[float], None] = time.sleep,
) -> Forwarded:
    """Send the table `waiting` (cells of `event_view` with `place`, in order), `together` rows a request.

    What o9 holds already is not sent again. After a request that failed, later events of its keys are not sent and
    count as failed as well. Raises what no later attempt can mend (the key is refused, the contract is broken).
    """
    done = Forwarded()
    rows = con.execute("SELECT place, reason FROM waiting WHERE reason IS NOT NULL").fetchall()
    done.refused.update(rows)
    con.execute("CREATE OR REPLACE TEMP TABLE blocked (partition_key VARCHAR)").fetchall()
    con.execute(
        "CREATE OR REPLACE TEMP TABLE queued AS SELECT *, row_number() OVER (ORDER BY place) - 1 AS turn "
        "FROM waiting WHERE reason IS NULL"
    ).fetchall()
    [(count,)] = con.execute("SELECT count(*) FROM queued").fetchall()
    ours = event_settings(settings)
    for start in range(0, count, together):
        con.execute(
            "CREATE OR REPLACE TEMP TABLE requested AS SELECT *, 0 AS chunk_no, row_number() OVER (ORDER BY turn) - 1 "
            f"AS row_no FROM queued WHERE turn BETWEEN {start} AND {start + together - 1} "
            "AND partition_key NOT IN (SELECT partition_key FROM blocked)"
        ).fetchall()
        held_back = con.execute(
            f"SELECT place FROM queued WHERE turn BETWEEN {start} AND {start + together - 1} "
            "AND partition_key IN (SELECT partition_key FROM blocked)"
        ).fetchall()
        done.failed.update(row[0] for row in held_back)
        places = [row[0] for row in con.execute("SELECT place FROM requested ORDER BY row_no").fetchall()]
        if not places:
            continue
        as_cells(con, "requested")
        try:
            create_members(con, settings, client)
            settled, stopped = Sender(con, ours, client, sleep).send([0], look_first=True)
            if stopped is not None:
                raise stopped
        except Passing as error:
            done.stopped = done.stopped or error
            done.failed.update(places)
            con.execute("INSERT INTO blocked SELECT DISTINCT partition_key FROM requested").fetchall()
            continue
        for request in settled[0].requests:
            if request.outcome == "found":
                done.found += request.row_count
            elif request.outcome == "accepted":
                done.sent += request.row_count - request.rejected_count
        done.refused.update((places[place], reason) for place, reason in settled[0].rejected)
    return done
