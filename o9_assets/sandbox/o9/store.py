"""What the sandbox o9 holds, in one SQLite file (WAL), so that every process of a run sees the same o9.

Quantities are kept as the text they came in, so that they come back digit for digit.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from o9_assets.failures import Permanent

__all__ = ["Store"]

VERSION = 3
SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE IF NOT EXISTS members (
    dimension TEXT, name TEXT, attributes TEXT, PRIMARY KEY (dimension, name)
) WITHOUT ROWID;
-- A cell's first day follows from its time member; with it in front, pages and new weeks lie together.
CREATE TABLE IF NOT EXISTS facts (
    measure_group TEXT, start_date TEXT, cell TEXT, row TEXT, writes INTEGER,
    PRIMARY KEY (measure_group, start_date, cell)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY, receipt TEXT, measure_group TEXT, batch_id TEXT, rows INTEGER, rejected INTEGER
);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, expires_at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pipeline_runs (run TEXT PRIMARY KEY, pipeline TEXT, status TEXT, message TEXT) WITHOUT ROWID;
"""


FREE = ("Version", "Event")
"""Dimensions whose members need not be there before a fact names them."""


class Store:
    """Members, facts, and every batch that was received. One object serves one process; many processes share a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One connection, used by one request at a time: an app's requests may come on any thread.
        self._con = sqlite3.connect(path, timeout=60, check_same_thread=False)
        self._lock = threading.RLock()
        self._known: dict[str, dict[str, str]] = {}
        self._known_at: tuple[int, int] | None = None
        self._own_changes = 0
        [(version,)] = self._con.execute("PRAGMA user_version").fetchall()
        empty = not self._con.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        if not empty and version != VERSION:
            raise Permanent(
                f"{path} was made by another version of the sandbox o9.", remedy="Remove it, or run `make clean`."
            )
        self._con.execute("PRAGMA journal_mode = WAL")
        # Safe against a killed process, which is what a sandbox meets; a power cut may lose the last commits.
        self._con.execute("PRAGMA synchronous = NORMAL")
        self._con.executescript(SCHEMA)

        self.files = path.with_name(f"{path.name}.files")
        """Folder of the files that were sent: the tenant's data lake, and the root of SFTP."""

    def close(self) -> None:
        """Let go of the file."""
        self._con.close()

    # Members

    def add_members(self, dimension: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Add members, or give those that are there other attributes; returns how many."""
        with self._lock, self._con:
            self._con.executemany(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?)",
                [(dimension, str(row["Name"]), json.dumps(dict(row), sort_keys=True)) for row in rows],
            )
            self._own_changes += 1
        return len(rows)

    def remove_member(self, dimension: str, name: str) -> None:
        """Take a member away, as an administrator of o9 would."""
        with self._lock, self._con:
            self._con.execute("DELETE FROM members WHERE dimension = ? AND name = ?", (dimension, name))
            self._own_changes += 1

    def members(self, dimension: str, after: str, size: int, names: Sequence[str] | None = None) -> list[str]:
        """Members after a name in order, as JSON; with `names` those alone."""
        among = "" if names is None else f" AND name IN ({', '.join('?' * len(names))})"
        with self._lock:
            found = self._con.execute(
                f"SELECT attributes FROM members WHERE dimension = ? AND name > ?{among} ORDER BY name LIMIT ?",
                (dimension, after, *(names or ()), size),
            ).fetchall()
        return [row[0] for row in found]

    def dimensions(self) -> list[str]:
        """Dimensions that have members."""
        with self._lock:
            found = self._con.execute("SELECT DISTINCT dimension FROM members ORDER BY 1").fetchall()
        return [row[0] for row in found]

    def known_members(self) -> dict[str, dict[str, str]]:
        """By dimension, each member's first day (empty but for time)."""
        with self._lock:
            [(version,)] = self._con.execute("PRAGMA data_version").fetchall()
            if self._known_at != (version, self._own_changes):
                known: dict[str, dict[str, str]] = {}
                for dimension, name, attributes in self._con.execute("SELECT dimension, name, attributes FROM members"):
                    start = json.loads(attributes).get("StartDate", "") if dimension == "Time" else ""
                    known.setdefault(dimension, {})[name] = start
                self._known, self._known_at = known, (version, self._own_changes)
            return self._known

    # Facts

    def write(
        self, measure_group: str, batch_id: str, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[str, list[dict[str, Any]]]:
        """Upsert rows by their dimensions; a row whose measures are all null is taken away. Numbers are Decimals.

        Returns the receipt, and refused rows with their place and reason. It is one commit.
        """
        rejected, good, gone = [], [], []
        with self._lock, self._con:
            self._con.execute("BEGIN IMMEDIATE")
            known = self.known_members()
            shapes: dict[tuple[str, ...], Shape] = {}
            for place, row in enumerate(rows):
                names = tuple(row)
                shape = shapes.get(names) or shapes.setdefault(names, Shape(names))
                problem = shape.problem(row, known)
                if problem is not None:
                    rejected.append({"Row": place, "Reason": problem})
                    continue
                start, cell = shape.start(row, known), shape.cell(row)
                if (text := shape.text(row)) is None:
                    gone.append((measure_group, start, cell))
                else:
                    good.append((measure_group, start, cell, text))
            self._con.executemany(
                "INSERT INTO facts VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE "
                "SET row = excluded.row, writes = writes + 1",
                good,
            )
            self._con.executemany("DELETE FROM facts WHERE measure_group = ? AND start_date = ? AND cell = ?", gone)
            receipt = secrets.token_hex(8)
            self._con.execute(
                "INSERT INTO batches (receipt, measure_group, batch_id, rows, rejected) VALUES (?, ?, ?, ?, ?)",
                (receipt, measure_group, batch_id, len(rows), len(rejected)),
            )
        return receipt, rejected

    def facts(
        self,
        measure_group: str,
        *,
        first: str = "",
        last: str = "9999-12-31",
        after: tuple[str, str] = ("", ""),
        size: int,
        only: Mapping[str, Sequence[str]] | None = None,
    ) -> list[tuple[str, str, str]]:
        """First day, cell and JSON of rows in that order, after a first day and cell; `only` bounds columns."""
        conditions, parameters = "", list[Any]()
        for column, members in (only or {}).items():
            conditions += f" AND json_extract(row, ?) IN ({', '.join('?' * len(members))})"
            parameters += [f'$."{column}"', *members]
        with self._lock:
            return self._con.execute(
                "SELECT start_date, cell, row FROM facts WHERE measure_group = ? AND (start_date, cell) > (?, ?) "
                f"AND start_date <= ?{conditions} ORDER BY start_date, cell LIMIT ?",
                (measure_group, *max((first, ""), after), last, *parameters, size),
            ).fetchall()

    def measure_groups(self) -> list[str]:
        """Measure groups that hold facts."""
        with self._lock:
            found = self._con.execute("SELECT DISTINCT measure_group FROM facts ORDER BY 1").fetchall()
        return [row[0] for row in found]

    # What tests count

    def received(self) -> list[tuple[str, int]]:
        """Batch ids and row counts of every batch that was taken, in order."""
        with self._lock:
            return self._con.execute("SELECT batch_id, rows FROM batches ORDER BY number").fetchall()

    def writes(self) -> dict[str, int]:
        """How often each cell that is held was written."""
        with self._lock:
            return dict(self._con.execute("SELECT cell, writes FROM facts").fetchall())

    # Tokens and pipelines

    def new_token(self, expires_in_seconds: float) -> str:
        """A token of a login."""
        token = secrets.token_urlsafe(24)
        with self._lock, self._con:
            self._con.execute("INSERT INTO tokens VALUES (?, ?)", (token, time.time() + expires_in_seconds))
        return token

    def knows_token(self, token: str) -> bool:
        """Whether a token is good."""
        with self._lock:
            found = self._con.execute("SELECT expires_at FROM tokens WHERE token = ?", (token,)).fetchall()
        return bool(found) and found[0][0] > time.time()

    def forget_tokens(self) -> None:
        """Let every token expire."""
        with self._lock, self._con:
            self._con.execute("DELETE FROM tokens")

    def set_run(self, run: str, pipeline: str, status: str, message: str = "") -> None:
        """Keep how a pipeline run stands."""
        with self._lock, self._con:
            self._con.execute(
                "INSERT OR REPLACE INTO pipeline_runs VALUES (?, ?, ?, ?)", (run, pipeline, status, message)
            )

    def run_status(self, run: str) -> tuple[str, str] | None:
        """How a pipeline run stands, with a message; None for one that is not known."""
        with self._lock:
            found = self._con.execute("SELECT status, message FROM pipeline_runs WHERE run = ?", (run,)).fetchall()
        return (str(found[0][0]), str(found[0][1])) if found else None


class Shape:
    """What rows with the same columns have in common: which are dimensions, which are measures."""

    def __init__(self, names: Iterable[str]) -> None:
        self.dimensions = sorted(name for name in names if ".[" in name)
        self.measures = [name for name in names if ".[" not in name]
        self._checked = [(d, d.split(".[")[0]) for d in self.dimensions if d.split(".[")[0] not in FREE]
        self._time = next((d for d in self.dimensions if d.startswith("Time.[")), None)

    def problem(self, row: Mapping[str, Any], known: Mapping[str, Mapping[str, str]]) -> str | None:
        """Why a row is refused, if it is."""
        if self._time is None:
            return "there is no column of Time"
        for column in self.dimensions:
            if not isinstance(row[column], str):
                return f"{column} is no text"
        for column, dimension in self._checked:
            if row[column] not in known.get(dimension, {}):
                return f"{dimension} has no member {row[column]!r}"
        for name in self.measures:
            if row[name] is not None and not isinstance(row[name], Decimal):
                return f"{name} is no number"
        return None

    def cell(self, row: Mapping[str, Any]) -> str:
        """A cell's identity: its members in the order of their columns' names."""
        return "\x1f".join(row[column] for column in self.dimensions)

    def start(self, row: Mapping[str, Any], known: Mapping[str, Mapping[str, str]]) -> str:
        """First day of a row's bucket."""
        return known["Time"][row[self._time]] if self._time else ""

    def text(self, row: Mapping[str, Any]) -> str | None:
        """The row as JSON, digits as they came; None where no measure has a value."""
        measures = [f"{json.dumps(name)}:{row[name]:f}" for name in self.measures if row[name] is not None]
        if not measures:
            return None
        return json.dumps({d: row[d] for d in self.dimensions})[:-1] + "," + ",".join(measures) + "}"
