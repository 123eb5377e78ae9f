"""What a delivery is to send: the cells of changed months that differ from the books, written down in one commit.

The cost grows with the months that changed: each month of demand history has a fingerprint, and the books remember
those that they were compared with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.exchange.corrections import difference, hold, keep_held
from o9_assets.exchange.datasets import DEMAND_EXPORT, KEY, MEASURES, PLANNED, REJECTED
from o9_assets.exchange.refusals import no_longer_wanted, standing
from o9_assets.exchange.report import Asked, Delivery
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.lake import CommitConflict, Lake, everything, isin, nothing
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["Plan", "compared_months", "pending", "plan", "target"]

DIFF = Path(__file__).with_name("diff.sql")


@dataclass(frozen=True)
class Plan:
    """A planned delivery, as its marks say. `replaces_all`: the books speak of another place and are forgotten."""

    delivery_id: str
    planned_at: datetime
    target: str
    months: Mapping[str, str]
    replaces_all: bool

    def marks(self) -> dict[str, str | None]:
        return {
            "delivery": self.delivery_id,
            "planned_at": self.planned_at.isoformat(),
            "target": self.target,
            "months": json.dumps(dict(self.months), separators=(",", ":")),
            "replaces_all": "yes" if self.replaces_all else None,
        }

    @classmethod
    def of(cls, marks: Mapping[str, str]) -> Plan | None:
        if "delivery" not in marks:
            return None
        return cls(
            marks["delivery"],
            datetime.fromisoformat(marks["planned_at"]),
            marks["target"],
            json.loads(marks["months"]),
            "replaces_all" in marks,
        )


def target(settings: Settings, client: O9Client) -> str:
    """A hash of where cells go and what they are called there. With another one, o9 holds nothing yet."""
    o9 = settings.o9
    parts = [
        *(client.base_url, client.profile.tenant, o9.model, o9.measure_group, o9.version),
        *(o9.columns, o9.measures, settings.calendar.model_dump(mode="json")),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def pending(lake: Lake) -> Plan | None:
    """The delivery that was planned and is not in the books yet."""
    planned = Plan.of(lake.marks(PLANNED))
    if planned is None or lake.marks(DEMAND_EXPORT).get("delivered") == planned.delivery_id:
        return None
    return planned


def compared_months(marks: Mapping[str, str], goal: str) -> dict[str, str] | None:
    """The months' fingerprints that the books were compared with; None where they speak of another target."""
    if marks.get("target") != goal:
        return None
    return dict(json.loads(marks.get("months", "{}")))


def plan(con: duckdb.DuckDBPyConnection, delivery: Delivery, history: Dataset, asked: Asked) -> Plan | None:
    """Plan what differs, and register it on the connection as `planned`; None where nothing is to be sent.

    A correction of what o9 holds is shown first (progress, report.difference), and held where the settings say so.
    Raises CommitConflict where another export planned meanwhile, NotApproved for another difference than approved.
    """
    settings, lake, client, now = delivery.settings, delivery.lake, delivery.client, delivery.now
    goal, base = target(settings, client), lake.snapshot_id(PLANNED)
    # Asked again after the snapshot: a plan made since the first look would be overwritten while it is being sent.
    if not asked.dry_run and (other := pending(lake)) is not None and other.target == goal:
        raise CommitConflict("Another export has planned meanwhile.", remedy="Run it again: it ends that one first.")
    books_base, marks = lake.snapshot_id(DEMAND_EXPORT), lake.marks(DEMAND_EXPORT)
    snapshot, months = lake.fingerprints(history)
    compared = compared_months(marks, goal)
    before = compared or {}
    changed = {month for month in {*months, *before} if months.get(month) != before.get(month)}
    if compared is not None:
        changed |= standing(con, lake, client, asked.retry_refused)
    else:
        lake.view(con, "refused", REJECTED, where=isin("delivery_id", []))
    if not changed:
        if not asked.dry_run:
            keep_held(con, lake, None, now)
        return None
    days = [date.fromisoformat(month) for month in changed]
    lake.view(con, "demand_history", history, where=isin("month_start", days), snapshot_id=snapshot)
    known = isin("month_start", days if compared is not None else [])
    lake.view(con, "books", DEMAND_EXPORT, where=known, snapshot_id=books_base)
    count = _diff(con, settings, client.profile.batch_size)
    if compared is not None and not asked.dry_run and lake.row_count(REJECTED):
        no_longer_wanted(con, delivery, days, _difference_sql(settings, "NOT NULL") if count is not None else None)
    count = count or 0
    held = _judge_corrections(con, delivery, asked) if count else set()
    if held:
        [(count,)] = con.execute("SELECT count(*) FROM changes").fetchall()
    if asked.dry_run:
        if count:
            [(delivery.report.new,)] = con.execute("SELECT count(*) FROM changes WHERE change = 'new'").fetchall()
        return None
    keep_held(con, lake, delivery.report.difference if held else None, now)
    # No fingerprint: these months are looked at again until their corrections are approved or gone.
    months |= dict.fromkeys((month.isoformat() for month in held), "held")
    if not count:
        # Nothing to send; the next run need not look at the other months again.
        told = {"months": json.dumps(months, separators=(",", ":")), "target": goal}
        if any(marks.get(name) != mark for name, mark in told.items()):
            # Books that another export changed since were not compared with these months.
            none = DEMAND_EXPORT.arrow_schema.empty_table()
            lake.overwrite(DEMAND_EXPORT, none, nothing(), marks=told, based_on=books_base)
        return None
    # What is planned differs from the books, so the books' snapshot and the cells' months make it one of a kind.
    seed = json.dumps([goal, books_base, sorted(months.items()), now.isoformat(), delivery.lease.holder])
    made = Plan(hashlib.sha256(seed.encode()).hexdigest(), now, goal, months, compared is None)
    columns = ", ".join(c if c != "delivery_id" else f"'{made.delivery_id}' AS {c}" for c in PLANNED.column_names)
    # In the order in which they were made: a group of chunks is then read from few row groups.
    rows = con.sql(f"SELECT {columns} FROM changes")
    lake.overwrite(PLANNED, rows, everything(), marks={**made.marks(), "lease": delivery.lease.mark()}, based_on=base)
    # From here on they are read from where they are kept; the memory is needed for sending.
    con.execute("DROP TABLE changes").fetchall()
    lake.view(con, "planned", PLANNED)
    return made


def _judge_corrections(con: duckdb.DuckDBPyConnection, delivery: Delivery, asked: Asked) -> set[date]:
    """Show what `changes` corrects, before anything of it is sent; returns the months whose corrections are held."""
    o9, report = delivery.settings.o9, delivery.report
    report.difference = difference(con, {str(m): n for m, n in o9.measures.items()})
    if report.difference is None:
        return set()
    for line in report.difference.lines():
        delivery.progress(line)
    if o9.corrections == "send":
        return set()
    held = hold(con, report.difference, asked.approve_corrections, delivery.client.profile.batch_size)
    report.held = report.difference.replaced + report.difference.retracted if held else 0
    return held


def _difference_sql(settings: Settings, refused: str) -> str:
    """What differs: with `NULL` the cells to send, with `NOT NULL` those that o9 goes on refusing."""
    measures = {m: f"history.{m}" if m in settings.o9.measures else "CAST(NULL AS DECIMAL(18,4))" for m in MEASURES}
    return DIFF.read_text(encoding="utf-8").format(**measures, refused=refused)


def _diff(con: duckdb.DuckDBPyConnection, settings: Settings, batch_size: int) -> int | None:
    """Make the table `changes`, numbered by chunk and row; returns how many there are, None without any cell."""
    [(first, last)] = con.execute(
        "SELECT min(bucket_start), max(bucket_start) FROM (SELECT bucket_start FROM demand_history "
        "UNION ALL SELECT bucket_start FROM books)"
    ).fetchall()
    if first is None:
        return None
    con.register("buckets", Calendar(settings.calendar).buckets_table(first, last))
    con.execute(
        f"""
        CREATE TEMP TABLE changes AS
        SELECT *, place // {batch_size} AS chunk_no, place % {batch_size} AS row_no
        FROM (
            SELECT *, row_number() OVER () - 1 AS place
            FROM ({_difference_sql(settings, "NULL")} ORDER BY {", ".join(KEY)})
        )
        """
    ).fetchall()
    [(count,)] = con.execute("SELECT count(*) FROM changes").fetchall()
    return int(count)
