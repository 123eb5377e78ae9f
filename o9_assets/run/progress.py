"""Progress of a Dagster run on a terminal: a line when an asset is done, with its rows and its time."""

import os
import sys
import time
from typing import TextIO

import dagster as dg
from dagster import DagsterEventType

__all__ = ["Progress", "terminal"]


def terminal() -> TextIO:
    """The terminal itself, apart from the standard streams, which Dagster captures while a step runs."""
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")


class Progress:
    """Listens to a run's events and prints what a person wants to see of them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._started: dict[str, float] = {}
        self.failures: list[str] = []

    def __call__(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        step = event.step_key or ""
        if event.event_type is DagsterEventType.STEP_START:
            self._started[step] = time.monotonic()
            self._say(f"  … {step.replace('__', '/')}")
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            rows = materialization.metadata.get("dagster/row_count")
            seconds = time.monotonic() - self._started.get(step, time.monotonic())
            count = f"{rows.value:>12,} rows" if rows is not None else " " * 17
            self._say(f"  ✓ {materialization.asset_key.to_user_string():<28}{count}  {seconds:6.1f} s")
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                sign = "✗" if check.severity is dg.AssetCheckSeverity.ERROR else "!"
                self._say(
                    f"  {sign} check {check.check_name} of {check.asset_key.to_user_string()}: {check.description}"
                )
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            error = data.error.cause or data.error if data.error else None
            self.failures.append(f"{step}: {told or (error.message.strip() if error else 'failed')}")
            self._say(f"  ✗ {self.failures[-1]}")
        elif event.event_type is DagsterEventType.STEP_UP_FOR_RETRY:
            self._say(f"  ↻ {step}: tried again soon ({event.message})")

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)
