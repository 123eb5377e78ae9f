"""What the sandbox o9 holds, in one SQLite file (WAL), so that every process of a run sees the same o9."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

__all__ = ["Store"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS members (dimension TEXT, name TEXT, attributes TEXT, PRIMARY KEY (dimension, name));
CREATE TABLE IF NOT EXISTS facts (
    measure_group TEXT, cell TEXT, start_date TEXT, row TEXT, PRIMARY KEY (measure_group, cell)
);
CREATE INDEX IF NOT EXISTS facts_by_date ON facts (measure_group, start_date, cell);
CREATE TABLE IF NOT EXISTS batches (receipt TEXT PRIMARY KEY, batch_id TEXT, rows INTEGER);
"""


class Store:
    """Members, facts and the batches that were received."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as con:
            con.execute("PRAGMA journal_mode = WAL")
            con.executescript(SCHEMA)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        con = sqlite3.connect(self._path, timeout=60)
        try:
            with con:
                yield con
        finally:
            con.close()

    def add_members(self, dimension: str, rows: list[dict[str, Any]]) -> int:
        with self._connect() as con:
            con.executemany(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?)",
                [(dimension, str(row["Name"]), json.dumps(row, sort_keys=True)) for row in rows],
            )
        return len(rows)

    def members(self, dimension: str, after: str, size: int) -> list[dict[str, Any]]:
        with self._connect() as con:
            found = con.execute(
                "SELECT attributes FROM members WHERE dimension = ? AND name > ? ORDER BY name LIMIT ?",
                (dimension, after, size),
            ).fetchall()
        return [json.loads(row[0]) for row in found]

    def write(self, measure_group: str, batch_id: str, rows: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
        """Upsert rows by their dimensions; a row whose measures are all null is taken away. Returns the receipt, and
        refused rows with their place and reason."""
        rejected, good, gone = [], [], []
        with self._connect() as con:
            known: dict[str, dict[str, str]] = {}
            for name, member, attributes in con.execute("SELECT dimension, name, attributes FROM members"):
                known.setdefault(name, {})[member] = attributes
            starts = {name: json.loads(text).get("StartDate", "") for name, text in known.get("Time", {}).items()}
            for place, row in enumerate(rows):
                dimensions = {key: value for key, value in row.items() if ".[" in key}
                problem = next(
                    (
                        f"{key.split('.[')[0]} has no member {value!r}"
                        for key, value in sorted(dimensions.items())
                        if key.split(".[")[0] != "Version" and str(value) not in known.get(key.split(".[")[0], {})
                    ),
                    None,
                )
                if problem is None and not all(
                    value is None or isinstance(value, int | float) for key, value in row.items() if ".[" not in key
                ):
                    problem = "a measure is no number"
                if problem is not None:
                    rejected.append({"Row": place, "Reason": problem})
                    continue
                cell = json.dumps(dimensions, sort_keys=True)
                measures = {key: value for key, value in row.items() if ".[" not in key and value is not None}
                if measures:
                    time = next((v for k, v in dimensions.items() if k.startswith("Time.[")), "")
                    good.append((measure_group, cell, starts.get(time, ""), json.dumps({**dimensions, **measures})))
                else:
                    gone.append((measure_group, cell))
            con.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", good)
            con.executemany("DELETE FROM facts WHERE measure_group = ? AND cell = ?", gone)
            receipt = uuid.uuid4().hex
            con.execute("INSERT INTO batches VALUES (?, ?, ?)", (receipt, batch_id, len(rows)))
        return receipt, rejected

    def facts(self, measure_group: str, first: str, last: str, after: str, size: int) -> list[tuple[str, str]]:
        """Cell key and row text of facts, in the order of their cells, after a cell."""
        with self._connect() as con:
            return con.execute(
                "SELECT cell, row FROM facts WHERE measure_group = ? AND start_date >= ? AND start_date <= ? "
                "AND cell > ? ORDER BY cell LIMIT ?",
                (measure_group, first, last, after, size),
            ).fetchall()

    def received(self) -> list[tuple[str, int]]:
        """Batch ids and row counts of every request that was taken, in order."""
        with self._connect() as con:
            return con.execute("SELECT batch_id, rows FROM batches ORDER BY rowid").fetchall()

    def plan(self, measure_group: str, measure: str, cycle: date, weeks: int) -> list[dict[str, Any]]:
        """A plan from what is held: each series' average a day over the 91 days before the cycle, times each bucket's
        days ahead. Rows have the dimensions' columns and `quantity`."""
        start = (cycle - timedelta(days=91)).isoformat()
        totals: dict[str, float] = {}
        with self._connect() as con:
            for (text,) in con.execute(
                "SELECT row FROM facts WHERE measure_group = ? AND start_date >= ? AND start_date < ?",
                (measure_group, start, cycle.isoformat()),
            ):
                row = json.loads(text)
                series = {k: v for k, v in row.items() if ".[" in k and not k.startswith("Time.[")}
                key = json.dumps(series, sort_keys=True)
                totals[key] = totals.get(key, 0.0) + float(row.get(measure, 0))
            column = next(iter(con.execute("SELECT cell FROM facts LIMIT 1")), None)
            time = next((k for k in json.loads(column[0]) if k.startswith("Time.[")), "") if column else ""
            buckets = [
                json.loads(text)
                for (text,) in con.execute("SELECT attributes FROM members WHERE dimension = 'Time' ORDER BY name")
            ]
        last = (cycle + timedelta(weeks=weeks)).isoformat()
        ahead = sorted(
            (b for b in buckets if cycle.isoformat() <= b.get("StartDate", "") < last), key=lambda b: b["StartDate"]
        )
        return [
            {**json.loads(key), time: bucket["Name"], "quantity": round(max(0.0, total) / 91 * int(bucket["Days"]), 4)}
            for key, total in sorted(totals.items())
            for bucket in ahead
        ]
