"""A reconciliation: what something touched is compared through all stages, and the results replace those of before."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.exchange.datasets import DEMAND_EXPORT, HELD, REJECTED
from o9_assets.exchange.plan import target
from o9_assets.exchange.reconciliation.cells import compare_cells
from o9_assets.exchange.reconciliation.comparing import classify, prepare
from o9_assets.exchange.reconciliation.files import compare_files
from o9_assets.exchange.reconciliation.lines import compare_lines
from o9_assets.exchange.reconciliation.plans import compare_plans, latest_cycle
from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION
from o9_assets.exchange.reconciliation.touched import months_of, objects_since, seen
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, isin
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["Inputs", "Reconciled", "reconcile"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The datasets of the stages: every feed's raw one by its name, order lines and demand history."""

    feeds: Mapping[str, Dataset]
    lines: Dataset
    history: Dataset

    @property
    def returned(self) -> dict[str, Dataset]:
        """Feeds that bring o9's forecasts back. Without the API way they have nothing to be compared with."""
        if "o9_forecasts" not in self.feeds:
            return {}
        return {name: self.feeds[name] for name in ("o9_plan", "o9_forecasts") if name in self.feeds}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a run compared: how many slices, whether all of them, and what it could not compare."""

    slices: int
    full: bool
    notes: tuple[str, ...]


def reconcile(
    settings: Settings,
    inputs: Inputs,
    *,
    lake: Lake,
    engine: Engine,
    client: O9Client,
    now: datetime,
    full: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Reconciled:
    """Compare what was touched since the last run (everything where `full`, or when that is due again).

    Raises o9's errors where it cannot be read; what was compared before stays then.
    """
    base = lake.snapshot_id(RECONCILIATION)
    marks = lake.marks(RECONCILIATION)
    given = settings.reconciliation
    goal = f"{target(settings, client)}/{given.model_dump_json()}"
    last = datetime.fromisoformat(marks["full_at"]) if "full_at" in marks else None
    full = full or last is None or now - last >= timedelta(days=given.full_every_days) or marks.get("goal") != goal
    # A run that was cut off between its two commits left breaks of what nobody may look at again.
    full = full or lake.marks(BREAKS).get("run") != marks.get("run")
    run = uuid.uuid4().hex
    told: dict[str, str | None] = {"goal": goal, "run": run}
    if full:
        marks, told["full_at"] = {}, now.isoformat()
    with engine.connect() as con:
        prepare(con)
        work = _Work(con, settings, inputs, lake, client, marks, told, progress)
        slices, fresh = work.files()
        slices |= work.lines(full) | work.cells()
        work.whole |= {"files ", "cells "} if full else set()
        if any(feed in fresh for feed in inputs.returned):
            cycle, notes = latest_cycle(con, lake, inputs.returned)
            work.notes += notes
            slices |= compare_plans(con, settings, inputs.returned, cycle, client) if cycle is not None else set()
        if slices:
            classify(con, given)
            progress(f"{len(slices):,} slices compared")
            # Plans of cycles that o9 has overwritten cannot be compared again, so those slices stay.
            where = isin("slice", slices | _kept(con, lake, tuple(work.whole)))
            breaks = con.sql("FROM classified ORDER BY slice, step, period_start, item_code")
            lake.overwrite(BREAKS, breaks, where, marks={"run": run})
            order = "slice, period_start, measure_name, level, member, stage"
            totals = con.sql(f"FROM totals ORDER BY {order}")
            lake.overwrite(RECONCILIATION, totals, where, marks=told, based_on=base)
    return Reconciled(len(slices), full, tuple(work.notes))


@dataclass
class _Work:
    """A run's parts: each compares what the marks do not know yet, and tells the new marks."""

    con: duckdb.DuckDBPyConnection
    settings: Settings
    inputs: Inputs
    lake: Lake
    client: O9Client
    marks: Mapping[str, str]
    told: dict[str, str | None]
    progress: Callable[[str], None]
    notes: list[str] = field(default_factory=list)
    demand_months: set[date] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    """How the slices begin of which all were compared: those that were not are gone."""

    def files(self) -> tuple[set[str], set[str]]:
        """Compare files; returns the slices, and the feeds that have new objects."""
        slices, fresh = set[str](), set[str]()
        for feed, dataset in sorted(self.inputs.feeds.items()):
            objects, self.told[f"{feed}.seq"] = objects_since(self.con, self.lake, feed, self.marks.get(f"{feed}.seq"))
            if objects:
                fresh.add(feed)
                slices |= compare_files(self.con, self.lake, feed, dataset, objects)
        return slices, fresh

    def lines(self, full: bool) -> set[str]:
        """Compare order lines, once curated has taken in what raw has."""
        orders, lines = self.inputs.feeds["erp_orders"], self.inputs.lines
        objects, seq = objects_since(self.con, self.lake, "erp_orders", self.marks.get("lines.seq"))
        if seq != self.lake.marks(lines).get("erp_orders.seq", "0"):
            self.notes.append("raw is ahead of curated/order_lines; they are compared after the next refresh")
            if full:
                # What is known of them stays until then.
                self.told["lines.due"] = "yes"
            return set()
        full = full or "lines.due" in self.marks
        self.told["lines.due"] = None
        looked = seen(self.lake, "lines", lines, self.marks)
        self.told |= {"lines.seq": seq, **dict([looked.mark])}
        levels = self.settings.reconciliation.levels
        if full:
            self.whole.add("lines ")
            return compare_lines(self.con, self.lake, orders, lines, None, levels)
        changed = looked.changed
        if changed:
            # Demand of changed lines falls on months that history should have made anew.
            columns = ["demand_date", "order_month"]
            self.lake.view(self.con, "changed_lines", lines, columns=columns, where=isin("order_month", changed))
            days = self.con.execute("SELECT DISTINCT demand_date FROM changed_lines").fetchall()
            calendar = Calendar(self.settings.calendar)
            self.demand_months = {calendar.bucket_of(day).month_start for (day,) in days}
        months = changed | months_of(self.con, self.lake, orders, "order_date", objects)
        return compare_lines(self.con, self.lake, orders, lines, months, levels) if months else set()

    def cells(self) -> set[str]:
        """Compare cells, and read those months back from o9."""
        months = set(self.demand_months)
        for name, dataset in (("history", self.inputs.history), ("books", DEMAND_EXPORT)):
            looked = seen(self.lake, name, dataset, self.marks)
            self.told |= dict([looked.mark])
            months |= looked.changed
        # Refusals and corrections that wait change neither, but they change what explains a difference.
        causes = [self.lake.snapshot_id(dataset) for dataset in (REJECTED, HELD)]
        self.told["causes"] = json.dumps(causes)
        if self.marks.get("causes") != self.told["causes"]:
            self.lake.view(self.con, "differed", BREAKS, columns=["slice", "step"])
            rows = self.con.execute(
                "SELECT DISTINCT CAST(split_part(slice, ' ', 2) AS DATE) FROM differed WHERE step = 'history → sent'"
            ).fetchall()
            months |= {row[0] for row in rows}
        if not months:
            return set()
        self.progress(f"{len(months):,} months of cells to compare, and to read back from o9")
        return compare_cells(
            self.con, self.settings, self.lake, self.inputs.lines, self.inputs.history, sorted(months), self.client
        )


def _kept(con: duckdb.DuckDBPyConnection, lake: Lake, beginnings: tuple[str, ...]) -> set[str]:
    """Every slice that is kept whose name begins so."""
    if not beginnings:
        return set()
    found = set[str]()
    for dataset in (RECONCILIATION, BREAKS):
        lake.view(con, "kept", dataset, columns=["slice"])
        found |= {row[0] for row in con.execute("SELECT DISTINCT slice FROM kept").fetchall()}
    return {name for name in found if name.startswith(beginnings)}
