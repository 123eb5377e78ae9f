"""A task's run: full load, then changes until it is to stop; with the states and figures that DMS tells of it."""

from __future__ import annotations

import fnmatch
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from o9_assets.sandbox.aws.dms.source import Change, Source, SourceError, Table, open_source
from o9_assets.sandbox.aws.dms.target import Target

__all__ = ["Report", "TaskRun"]

POLL_SECONDS = 0.1
Report = Callable[..., None]
"""Called as report(status=…, reason=…, failure=…, tables={(schema, name): {…}}) with what is new."""


class TaskRun:
    """One start of a task. `run` works until the end and reports as it goes; `stop` ends it after the current batch."""

    def __init__(self, task: dict[str, Any], source: dict[str, Any], target: dict[str, Any], s3: Any) -> None:
        self._task, self._endpoint = task, source
        self._s3, self._target = s3, target
        self._stop = threading.Event()
        self._tables: dict[tuple[str, str], Table] = {}
        self._figures: dict[tuple[str, str], dict[str, Any]] = task["tables"]

    def stop(self) -> None:
        self._stop.set()

    def run(self, start: str, until: datetime | None, report: Report) -> None:
        """`start` is start-replication, resume-processing or reload-target; `until` the server time to stop at."""
        settings, kind = json.loads(self._task["ReplicationTaskSettings"] or "{}"), self._task["MigrationType"]
        full = kind != "cdc" and (start != "resume-processing" or kind == "full-load")
        try:
            source = open_source(self._endpoint, self._task["ReplicationTaskIdentifier"])
        except SourceError as error:
            report(status="failed", reason="FATAL_ERROR", failure=f"Last Error Cannot connect to the source: {error}")
            return
        try:
            self._choose(source)
            report(status="running", tables=self._figures)
            target = Target(self._s3, self._target["S3Settings"], self._task["started"])
            if kind != "full-load" and start != "resume-processing":
                source.begin_changes(list(self._tables.values()))
            if full:
                self._load(source, target, settings.get("FullLoadSettings", {}), report)
                if self._stop.is_set():
                    report(status="stopped", reason="NORMAL")
                    return
            if kind == "full-load":
                report(status="stopped", reason="FULL_LOAD_ONLY_FINISHED")
                return
            if settings.get("FullLoadSettings", {}).get("StopTaskCachedChangesNotApplied"):
                report(status="stopped", reason="STOPPED_AFTER_FULL_LOAD")
                return
            report(status="stopped", reason=self._follow(source, target, until, report))
        except SourceError as error:
            report(status="failed", reason="FATAL_ERROR", failure=f"Last Error {error}")
        except (ClientError, BotoCoreError) as error:
            report(status="failed", reason="FATAL_ERROR", failure=f"Last Error Failed to write to the target: {error}")
        except Exception as error:
            report(status="failed", reason="FATAL_ERROR", failure=f"The sandbox's DMS broke: {error!r}")
            raise
        finally:
            source.close()

    # Which tables

    def _choose(self, source: Source) -> None:
        rules = json.loads(self._task["TableMappings"])["rules"]
        known = source.tables()
        for key in known:
            if _selected(key, rules):
                self._tables[key] = source.table(*key)
        for rule in rules:
            # A table that is named in full and is not there is told; a pattern that fits nothing is not.
            wanted = rule["object-locator"]
            key = (wanted["schema-name"], wanted["table-name"])
            if rule.get("rule-action") == "include" and "%" not in "".join(key) and key not in self._tables:
                self._figures.setdefault(key, _figures())["TableState"] = "Table does not exist"
        if not self._tables:
            raise SourceError("No tables were found at task initialization")
        for key in self._tables:
            self._figures.setdefault(key, _figures())
            if self._task["MigrationType"] == "cdc":
                self._figures[key]["TableState"] = "Table completed"

    # Full load

    def _load(self, source: Source, target: Target, settings: dict[str, Any], report: Report) -> None:
        segments = _segments(json.loads(self._task["TableMappings"])["rules"])
        for key in self._tables:
            self._figures[key] = _figures()
        for key, table in self._tables.items():
            figures = self._figures[key]
            figures |= {"TableState": "Full load", "FullLoadStartTime": datetime.now(UTC)}
            report(tables=self._figures)
            try:
                if settings.get("TargetTablePrepMode", "DROP_AND_CREATE") != "DO_NOTHING":
                    target.clear(table)
                for number, where in segments.get(key, [(None, "")]):
                    for rows in target.load(table, source.rows(table, where), segment=number):
                        figures["FullLoadRows"] += rows
                        report(tables=self._figures)
                        if self._stop.is_set():
                            figures["TableState"] = "Table cancelled"
                            return
            except SourceError as error:
                figures["TableState"] = "Table error"
                report(tables=self._figures, failure=f"Last Error Table '{key[0]}'.'{key[1]}': {error}")
                continue
            figures |= {"TableState": "Table completed", "FullLoadEndTime": datetime.now(UTC)}
            report(tables=self._figures)

    # Changes

    def _follow(self, source: Source, target: Target, until: datetime | None, report: Report) -> str:
        """Write changes in batches until somebody stops the task or the server's time is `until`; says why it ended."""
        given = self._target["S3Settings"]
        interval = given.get("CdcMaxBatchInterval", 60)
        most = given.get("CdcMinFileSize", 32_000) * 1024
        waiting: list[Change] = []
        seen: Any = None
        oldest = 0.0
        while True:
            stopping, now = self._stop.is_set(), source.now()
            for change in source.changes(seen):
                if until is not None and change.at > until:
                    break
                if not waiting:
                    oldest = time.monotonic()
                waiting.append(change)
                seen = change.position
            over = until is not None and now > until
            size = sum(len(str(change.values)) for change in waiting)
            if waiting and (stopping or over or size >= most or time.monotonic() - oldest >= interval):
                self._apply(target, waiting, report)
                source.let_go(waiting[-1].position)
                waiting = []
            if stopping:
                return "NORMAL"
            if over:
                return "STOPPED_AT_SERVER_TIME"
            self._stop.wait(POLL_SECONDS)

    def _apply(self, target: Target, changes: list[Change], report: Report) -> None:
        batch: list[Change] = []
        for change in changes:
            if change.op == "T":
                target.changes(self._tables, batch)
                target.clear(change.table)
                batch = []
            else:
                batch.append(change)
                name = {"I": "Inserts", "U": "Updates", "D": "Deletes"}[change.op]
                self._figures[change.table][name] += 1
        target.changes(self._tables, batch)
        report(tables=self._figures)


def _figures() -> dict[str, Any]:
    return {"FullLoadRows": 0, "Inserts": 0, "Updates": 0, "Deletes": 0, "Ddls": 0, "TableState": "Before load"}


def _selected(key: tuple[str, str], rules: list[dict[str, Any]]) -> bool:
    included = False
    for rule in rules:
        if rule["rule-type"] != "selection":
            continue
        patterns = (rule["object-locator"]["schema-name"], rule["object-locator"]["table-name"])
        if all(fnmatch.fnmatchcase(name, p.replace("%", "*")) for name, p in zip(key, patterns, strict=True)):
            if rule["rule-action"] == "exclude":
                return False
            included = True
    return included


def _segments(rules: list[dict[str, Any]]) -> dict[tuple[str, str], list[tuple[int | None, str]]]:
    """Segments of tables that are loaded in parallel by ranges of one column: number and condition."""
    found: dict[tuple[str, str], list[tuple[int | None, str]]] = {}
    for rule in rules:
        load = rule.get("parallel-load", {})
        if rule["rule-type"] != "table-settings" or load.get("type") != "ranges":
            continue
        [column] = load["columns"]
        bounds = [entry[0] for entry in load["boundaries"]]
        quoted = [str(b) if isinstance(b, int | float) else "'" + str(b).replace("'", "''") + "'" for b in bounds]
        conditions = [f'"{column}" <= {quoted[0]}']
        conditions += [f'"{column}" > {low} AND "{column}" <= {high}' for low, high in pairwise(quoted)]
        conditions.append(f'"{column}" > {quoted[-1]} OR "{column}" IS NULL')
        locator = rule["object-locator"]
        key = (locator["schema-name"], locator["table-name"])
        found[key] = [(number, f"({where})") for number, where in enumerate(conditions, start=1)]
    return found
