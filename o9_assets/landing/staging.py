"""Objects read but not yet written: typed rows, each sound or with its fault, in DuckDB (which spills to disk).

A large object is read and judged in one pass. Small ones are first gathered as texts and judged together, for judging
costs DuckDB some ten milliseconds of planning however few the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any

import duckdb
import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.failures import Passing
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.landing.dms import moment_of, own_records
from o9_assets.landing.plain import Hopeless, Plain
from o9_assets.landing.records import LONGEST, count_lines, records, wanted_records
from o9_assets.landing.source import Source, json_source, open_source, source_alias
from o9_assets.landing.typing_sql import fault_expression, name, typed_select, value_at_risk
from o9_assets.planning.dms import dms_file
from o9_assets.planning.feeds import Feed
from o9_assets.resources.landing_zone import LandedObject

__all__ = ["Staging"]

LARGE_BYTES = 8 << 20
BUCKET = 128
PLATFORM = ("known_at", "object_id", "object_name", "line")
REASONS = {
    "MISSING COLUMNS": ("too_few_fields", "the record has too few fields"),
    "TOO MANY COLUMNS": ("too_many_fields", "the record has too many fields"),
    "UNQUOTED VALUE": ("broken_quote", "a quote is not closed or stands within a value"),
    "LINE SIZE OVER MAXIMUM": ("record_too_long", "the record is longer than 8 MiB"),
    "INVALID ENCODING": ("wrong_encoding", "the record holds bytes that are no UTF-8"),
    "INVALID STATE": ("broken_record", "the record cannot be parsed"),
}
NOT_JSON = ("not_json", "the line is no JSON object")


@dataclass
class Fault:
    """A record that goes to quarantine; `line` is None where the feed asks for no numbers."""

    line: int | None
    reason: str
    column: str | None
    detail: str
    value_at_risk: object = None
    text: str | None = None


@dataclass
class Entry:
    """An object that was read: records that could be split into fields, those that could not, and all faults.

    `others` are records that are no business of the feed."""

    found: LandedObject
    known_at: datetime
    plain: Plain | None = None
    records: pa.Table | None = None
    hopeless: Hopeless | None = None
    parsed: int = 0
    unparsed: int = 0
    faults: list[Fault] = field(default_factory=list)
    others: int | None = None


class Staging:
    """Rows of one feed's objects on their way into the lake."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, feed_name: str, feed: Feed, dataset: Dataset, timezone: str
    ) -> None:
        self.feed_name, self.feed, self.dataset = feed_name, feed, dataset
        # A position within the object is counted by the records' numbers.
        self._numbered = feed.line_numbers or any(m.position_within is not None for m in feed.columns.values())
        self._con, self._zone = con, timezone
        self._entries: list[Entry] = []
        self._gathered: tuple[dict[str, str], bool] | None = None
        self.rows = 0
        self._own = [c for c in dataset.columns if c.name not in PLATFORM]
        own = ", ".join(f"{name(c.name)} {c.duckdb_type}" for c in self._own)
        texts = ", ".join(f"{source_alias(c)} VARCHAR" for c in feed.source_columns)
        self._run(
            f"CREATE TEMP TABLE staged (object_no INTEGER, source_line BIGINT, {own}, fault VARCHAR[], "
            "at_risk DECIMAL(18,4), original VARCHAR)"
        )
        json = ", not_json BOOLEAN, nested VARCHAR[]" if feed.format.type == "jsonl" else ""
        self._run(f"CREATE TEMP TABLE texts (object_no INTEGER, source_line BIGINT{json}, {texts})")

    @property
    def _quote(self) -> str:
        """What may reach over a line end."""
        return self.feed.format.quote if self.feed.format.type == "csv" else ""

    def _run(self, sql: str) -> list[Any]:
        return self._con.execute(sql).fetchall()

    # Reading

    def add(self, found: LandedObject, plain: Plain, known_at: datetime) -> None:
        """Read an object. Raises Hopeless, with nothing of the object staged; Passing where memory or disk ran out."""
        whole, own = plain, None
        if self.feed.dms is not None and (known := dms_file(found.name)) and known.kind == "transactions":
            own = own_records(plain, self.feed.format, self.feed.dms)
            plain = own.plain
        source = open_source(self._con, plain, self.feed, self.dataset, self.feed.header_of(found.name))
        entry = Entry(found, known_at, whole, others=None if own is None else own.others)
        small = plain.path.stat().st_size < LARGE_BYTES
        if not small or self._gathered not in (None, (source.natives, plain.has_nul)):
            self._judge_gathered()
        try:
            if small or self._numbered or not source.parallel:
                self._read_in_order(entry, plain, source, small)
            else:
                rows = f"SELECT {len(self._entries)} AS object_no, 0 AS source_line, * FROM ({source.sql})"
                [(entry.parsed,)] = self._run(f"INSERT INTO staged {self._judged(source, plain.has_nul, rows)}")
                self._take_rejects(entry, plain, source)
        except duckdb.OutOfMemoryException as error:
            # A full disk too. It says nothing about the object, which must not be taken for unreadable.
            raise Passing(
                f"There was no room to read {found.name}: {str(error).splitlines()[0][:500]}",
                remedy="It is tried again; if that does not help, raise O9_MEMORY_LIMIT or free the disk of spills.",
            ) from error
        except duckdb.Error as error:
            self._run("DROP TABLE IF EXISTS reject_errors")
            self._run("DROP TABLE IF EXISTS reject_scans")
            raise Hopeless("unreadable", str(error).splitlines()[0][:500]) from error
        self._entries.append(entry)
        if not plain.lines_are_records:
            self._take_last(entry, plain, source.header)
        if own is not None:
            self._number_as_in_whole(entry, own.numbers, "texts" if small else "staged")
            own.plain.path.unlink()
        self.rows += entry.parsed

    def _read_in_order(self, entry: Entry, plain: Plain, source: Source, small: bool) -> None:
        """Read texts into a fresh table, which keeps the object's order so that rows can be numbered."""
        [(entry.parsed,)] = self._run(f"CREATE OR REPLACE TEMP TABLE object AS {source.sql}")
        skipped = self._take_rejects(entry, plain, source)
        line, counted = f"rowid + {1 + source.header}", "object"
        if not self._numbered:
            line = "0"
        elif skipped:
            self._con.register("shifts", _shifts(skipped, entry.parsed + source.header))
            counted = f"object JOIN shifts ON ({line} - 1) // {BUCKET} = bucket AND {line} > after AND {line} <= until"
            line = f"{line} + shift"
        rows = f"SELECT {len(self._entries)} AS object_no, {line} AS source_line, object.* FROM {counted}"
        if small:
            self._gathered = (source.natives, plain.has_nul)
            listed = ", ".join(source.available.get(c, "NULL") for c in self.feed.source_columns)
            json = ", not_json, nested" if self.feed.format.type == "jsonl" else ""
            self._run(f"INSERT INTO texts SELECT object_no, source_line{json}, {listed} FROM ({rows})")
        else:
            self._run(f"INSERT INTO staged {self._judged(source, plain.has_nul, rows)}")
        self._run("DROP TABLE object")

    def add_records(self, found: LandedObject, records: pa.Table, known_at: datetime) -> None:
        """Take JSON records that are in memory: `records` has line (from 1, in order) and record (text)."""
        number = len(self._entries)
        self._con.register("records_in_memory", records)
        source = json_source("SELECT line AS source_line, record FROM records_in_memory", self.feed, numbered=True)
        # A NUL comes into a JSON text by its escape only.
        select = self._judged(source, True, f"SELECT {number} AS object_no, * FROM ({source.sql})")
        [(parsed,)] = self._run(f"INSERT INTO staged {select}")
        self._con.unregister("records_in_memory")
        self._entries.append(Entry(found, known_at, records=records, parsed=parsed))
        self.rows += parsed

    def _number_as_in_whole(self, entry: Entry, numbers: list[int], table: str) -> None:
        """Give records that were taken out of a file the numbers that they have in it."""
        for fault in entry.faults:
            fault.line = None if fault.line is None else numbers[fault.line - 1]
        own = pa.table({"own": pa.array(range(1, len(numbers) + 1)), "whole": pa.array(numbers, pa.int64())})
        self._con.register("record_numbers", own)
        self._run(
            f"UPDATE {table} SET source_line = n.whole FROM record_numbers AS n "
            f"WHERE object_no = {len(self._entries) - 1} AND source_line = n.own"
        )
        self._con.unregister("record_numbers")

    def set_aside(self, found: LandedObject, known_at: datetime, hopeless: Hopeless) -> None:
        """Put a whole object into quarantine."""
        fault = Fault(None, hopeless.reason, None, hopeless.detail)
        self._entries.append(Entry(found, known_at, hopeless=hopeless, faults=[fault]))

    def _judged(self, source: Source, has_nul: bool, sql: str) -> str:
        """Select of the staged columns over a relation of texts with object_no and source_line."""
        texts, typed = typed_select(self.dataset, self.feed, self._zone, source.available, source.natives)
        nul = tuple(c.name for c in self.dataset.columns if c.type == "string") if has_nul else ()
        fault = fault_expression(self.dataset, self.feed, source.natives, nul_columns=nul)
        if self.feed.format.type == "jsonl":
            fault = f"CASE WHEN not_json THEN ['{NOT_JSON[0]}', NULL, '{NOT_JSON[1]}'] ELSE {fault} END"
        given = {c.name for c in self._own if c.name in self.feed.columns}
        own = ", ".join(name(c.name) if c.name in given else f"NULL AS {name(c.name)}" for c in self._own)
        original = "NULL"
        if self.feed.format.type == "parquet" or not self._numbered:
            # There is no line to look the record up by: its fields are what is kept.
            fields = ", ".join(f"{name(c)} := {alias}" for c, alias in source.available.items())
            original = f"left(CAST(to_json(struct_pack({fields})) AS VARCHAR), {LONGEST})"
        return (
            f"SELECT object_no, source_line, {own}, fault, "
            f"CASE WHEN fault IS NOT NULL THEN {value_at_risk(self.feed)} END AS at_risk, "
            f"CASE WHEN fault IS NOT NULL THEN {original} END AS original FROM ("
            f"SELECT *, {fault} AS fault FROM (SELECT *, {typed} FROM (SELECT *, {texts} FROM ({sql}))))"
        )

    def _judge_gathered(self) -> None:
        if self._gathered is None:
            return
        natives, has_nul = self._gathered
        source = Source("", {c: source_alias(c) for c in self.feed.source_columns}, natives)
        self._run(f"INSERT INTO staged {self._judged(source, has_nul, 'SELECT * FROM texts')}")
        self._run("TRUNCATE texts")
        self._gathered = None

    def _take_rejects(self, entry: Entry, plain: Plain, source: Source) -> list[int]:
        """Faults of the records that the CSV parser could not split; returns their numbers in order."""
        if not source.rejects:
            return []
        found = self._run(
            "SELECT line_byte_position, any_value(CAST(error_type AS VARCHAR)), any_value(error_message) "
            "FROM reject_errors GROUP BY line_byte_position ORDER BY line_byte_position"
        )
        self._run("DROP TABLE reject_errors")
        self._run("DROP TABLE reject_scans")
        if not found:
            return []
        entry.unparsed = len(found)
        texts, held = wanted_records(
            plain.path, self._quote, self.feed.format.delimiter, set(), {row[0] for row in found}
        )
        for offset, kind, message in found:
            reason, detail = REASONS.get(kind, ("broken_record", "the record cannot be parsed"))
            if self.feed.format.type == "jsonl" and kind == "TOO MANY COLUMNS":
                # It holds the sign that no JSON text can hold.
                reason, detail = NOT_JSON
            line = held.get(offset)
            text = None if line is None else texts[line]
            entry.faults.append(Fault(line, reason, None, f"{detail} ({message})"[:500], text=text))
        return sorted(held.values())

    def _take_last(self, entry: Entry, plain: Plain, headers: int) -> None:
        """A quote that is never closed swallows the end of the object, and the parser may pass over it in silence."""
        taken = headers + entry.parsed + entry.unparsed
        if count_lines(plain.path) == taken:
            return  # no line is missing, as of a sound file that quotes everything
        last, text = 0, b""
        for last, _, text in records(plain.path, self.feed.format.quote, self.feed.format.delimiter):  # noqa: B007 - the last one is wanted
            pass
        if last > taken:
            reason, detail = REASONS["UNQUOTED VALUE"]
            entry.faults.append(Fault(last, reason, None, detail, text=text.decode("utf-8", "replace")[:LONGEST]))
            entry.unparsed += 1

    # What came of it

    def finish(self) -> None:
        """Judge what is gathered and collect every fault with its original text."""
        self._judge_gathered()
        bad = self._run(
            "SELECT object_no, source_line, fault, at_risk, original FROM staged WHERE fault IS NOT NULL "
            "ORDER BY object_no, source_line"
        )
        for number, line, (reason, column, detail), at_risk, original in bad:
            fault = Fault(line or None, reason, column, detail, at_risk, original)
            self._entries[number].faults.append(fault)
        for entry in self._entries:
            wanted = {fault.line for fault in entry.faults if fault.line is not None and fault.text is None}
            if wanted and entry.plain is not None:
                texts, _ = wanted_records(entry.plain.path, self._quote, self.feed.format.delimiter, wanted, set())
                for fault in entry.faults:
                    fault.text = fault.text or texts.get(fault.line or 0)
            elif wanted and entry.records is not None:
                places = {line: place for place, line in enumerate(entry.records["line"].to_pylist())}
                for fault in entry.faults:
                    fault.text = str(entry.records["record"][places[fault.line]])[:LONGEST]

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Landed, accepted and quarantined records by object id."""
        found = {}
        for entry in self._entries:
            if entry.hopeless is not None:
                continue
            landed = entry.parsed + entry.unparsed
            bad = len(entry.faults)
            found[entry.found.object_id] = (landed, landed - bad, bad)
        return found

    def others(self) -> dict[str, int | None]:
        """Records that are another feed's, by object id; None where an object holds one feed's only."""
        return {entry.found.object_id: entry.others for entry in self._entries}

    def hopeless(self) -> dict[str, Hopeless]:
        """Objects that were set aside, by object id."""
        return {entry.found.object_id: entry.hopeless for entry in self._entries if entry.hopeless is not None}

    def quarantined(self) -> pa.Table:
        """Quarantine rows, in the order of object and line."""
        rows = [
            {
                "feed": self.feed_name,
                "object_id": entry.found.object_id,
                "object_name": entry.found.name,
                "line": fault.line,
                "column_name": fault.column,
                "reason": fault.reason,
                "detail": fault.detail,
                "original_text": fault.text,
                "value_at_risk": fault.value_at_risk,
                "known_at": entry.known_at,
                "mended_at": None,
            }
            for entry in self._entries
            for fault in sorted(entry.faults, key=lambda f: f.line or 0)
        ]
        return pa.Table.from_pylist(rows, schema=QUARANTINE.arrow_schema)

    def accepted(self) -> duckdb.DuckDBPyRelation:
        """Sound rows with their lineage, as the raw dataset declares them."""
        moments = [moment_of(e.found) if self.feed.dms else (None, None) for e in self._entries]
        # Rows are staged in the order of their objects, and within one in its own.
        begun = self._run("SELECT rowid FROM staged LIMIT 1")
        first_rows = list(accumulate((e.parsed for e in self._entries), initial=begun[0][0] if begun else 0))
        objects = pa.table(
            {
                "object_no": pa.array(range(len(self._entries)), pa.int32()),
                "object_id": pa.array([e.found.object_id for e in self._entries], pa.string()),
                "object_name": pa.array([e.found.name for e in self._entries], pa.string()),
                "ingest_known_at": pa.array([e.known_at for e in self._entries], pa.timestamp("us")),
                "object_changed_at": pa.array([moment[0] for moment in moments], pa.timestamp("us")),
                "object_seq": pa.array([moment[1] for moment in moments], pa.int64()),
                "first_row": pa.array(first_rows[:-1], pa.int64()),
            }
        )
        self._con.register("objects", objects)
        # Each row carries its line, so that rows need no order and are written in parallel.
        self._run("SET preserve_insertion_order = false")
        # Where a feed's records are not numbered (those in memory are all the same), their places tell two of one key
        # apart, and which of them is the later.
        place = "CASE WHEN source_line > 0 THEN source_line ELSE staged.rowid - first_row + 1 END"
        changed = "coalesce(changed_at, object_changed_at, ingest_known_at)"
        known = changed if self.feed.known_at == "changed_at" else "ingest_known_at"
        lineage = {
            "op": "coalesce(op, 'I')",
            "changed_at": changed,
            "change_seq": "coalesce(change_seq, object_seq, 0)",
            "known_at": known,
            "object_id": "object_id",
            "object_name": "object_name",
            "line": "source_line" if self._numbered else place,
        }
        listed = ", ".join(f"{lineage.get(c.name, name(c.name))} AS {name(c.name)}" for c in self.dataset.columns)
        return self._con.sql(f"SELECT {listed} FROM staged JOIN objects USING (object_no) WHERE fault IS NULL")

    def clear(self) -> None:
        """Forget what was written."""
        self._run("SET preserve_insertion_order = true")
        self._run("TRUNCATE staged")
        self._entries.clear()
        self.rows = 0


def _shifts(skipped: list[int], last: int) -> pa.Table:
    """By how many skipped records (numbers in order) a row stands later than its own count says, for counts up to
    `last`: one row for each piece (after, until] of a bucket of counts, so that a hash join finds it."""
    import numpy as np

    # The j-th skipped record is number r: rows that are counted above r - j come after it.
    steps = np.array(skipped) - np.arange(1, len(skipped) + 1)
    cuts = np.union1d(steps, np.arange(0, last + 1, BUCKET))
    return pa.table(
        {
            "bucket": cuts // BUCKET,
            "after": cuts,
            "until": np.append(cuts[1:], cuts[-1] + BUCKET),
            "shift": np.searchsorted(steps, cuts, side="right"),
        }
    )
