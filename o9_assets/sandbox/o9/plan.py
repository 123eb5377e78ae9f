"""The sandbox o9's planner: a moving average of what it holds, and the file that it drops. Deterministic.

A series' quantity a day is its average over the 91 days before the cycle; a bucket ahead gets that times its days. Its
planners adjust one series in eight by a tenth; the consensus is both together, and it is published as it is.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from o9_assets.sandbox.o9.store import Store

__all__ = ["FORECAST", "Drop", "folder_drop", "hold_forecasts", "outbound_file", "plan"]

FORECAST = "Forecast"
"""Measure group that holds forecasts, where a pipeline's parameters name none."""

Drop = Callable[[str, bytes], None]
"""Puts a file where o9's outbound data goes, given its name and content."""

WINDOW_DAYS = 91
PLACES = Decimal("0.0001")


def plan(store: Store, measure_group: str, measure: str, cycle: date, weeks: int) -> list[dict[str, Any]]:
    """One row per series and bucket ahead: the dimensions' columns and `quantity` (Decimal, four places)."""
    start, until = (cycle - timedelta(days=WINDOW_DAYS)).isoformat(), (cycle - timedelta(days=1)).isoformat()
    totals: dict[tuple[tuple[str, str], ...], Decimal] = {}
    time, after = "", ("", "")
    while found := store.facts(measure_group, first=start, last=until, after=after, size=20_000):
        for _, _, text in found:
            row = json.loads(text, parse_float=Decimal, parse_int=Decimal)
            time = time or next(column for column in row if column.startswith("Time.["))
            series = tuple((k, v) for k, v in row.items() if ".[" in k and k != time)
            totals[series] = totals.get(series, Decimal(0)) + row.get(measure, Decimal(0))
        after = (found[-1][0], found[-1][1])
    last = (cycle + timedelta(weeks=weeks)).isoformat()
    buckets = [json.loads(text) for text in store.members("Time", "", 1_000_000)]
    ahead = sorted(
        (b for b in buckets if cycle.isoformat() <= b.get("StartDate", "") < last), key=lambda b: b["StartDate"]
    )
    return [
        {
            **dict(series),
            time: b["Name"],
            "quantity": (max(Decimal(0), total) / WINDOW_DAYS * b["Days"]).quantize(PLACES),
        }
        for series, total in sorted(totals.items())
        for b in ahead
    ]


def hold_forecasts(store: Store, group: str, run: str, rows: Sequence[dict[str, Any]]) -> None:
    """Hold a plan as facts: the statistical forecast, the planners' adjustment, the consensus and what is published."""
    facts = []
    for row in rows:
        members = {name: value for name, value in row.items() if name != "quantity"}
        series = "\x1f".join(value for name, value in members.items() if not name.startswith("Time."))
        stat = row["quantity"]
        adjustment = (stat / 10).quantize(PLACES) if zlib.crc32(series.encode()) % 8 == 0 else None
        consensus = stat + (adjustment or 0)
        measures = {"Stat Fcst": stat, "Fcst Adjustment 1": adjustment, "Consensus Fcst": consensus}
        facts.append({**members, **measures, "Published Fcst": consensus})
    store.write(group, run, facts)


def outbound_file(rows: list[dict[str, Any]], cycle: date, plan_measure: str) -> tuple[str, bytes]:
    """Name and content of the file: a CSV with o9's columns, the cycle first and the plan's measure last."""
    columns = [name for name in rows[0] if name != "quantity"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Plan Cycle", *columns, plan_measure])
    writer.writerows([cycle.isoformat(), *(row[c] for c in columns), f"{row['quantity']:f}"] for row in rows)
    return f"o9/outbound/{cycle.isoformat()}-Fact.StatFcst.csv", text.getvalue().encode()


def folder_drop(root: Path) -> Drop:
    """Drops files into a folder, whole or not at all. One that is there with the same content is left alone."""

    def drop(name: str, content: bytes) -> None:
        path = root / name
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(content)
        part.replace(path)

    return drop
