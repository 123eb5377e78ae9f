"""When curated datasets are made anew without anybody asking: after new input, and never twice for the same input.

One trigger per asset: landed files request raw datasets (sensors/landing.py), the condition here requests curated
ones, schedules (schedules.py) request forecast, o9 and warehouse.
"""

from typing import Any

import dagster as dg

__all__ = ["after_new_input", "automation_sensor"]


def after_new_input() -> dg.AutomationCondition[Any]:
    """Request a dataset when what it is made from has changed.

    - `any_deps_updated`, with what is about to be requested counted as updated: a chain of curated datasets goes into
      one run, in order. Unlike `eager` there is no look at time windows: a late file is as good a reason as a new one.
    - `since_last_handled`: one request for each change, however many ticks see it, failed runs included; a failed run
      is mended by a person or by the next change, never by a loop.
    - not while an input is being written: the run after it sees it all, where now it would see half and run again.
    - not while it is running itself: the change waits for the next tick instead of queueing runs.
    - no `any_deps_missing`: a company's feed may be declared long before its first file comes.
    """
    return (
        dg.AutomationCondition.any_deps_updated().since_last_handled()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("after new input")


def automation_sensor(*, running: bool) -> dg.AutomationConditionSensorDefinition:
    """The named sensor that evaluates the condition (Dagster's unnamed one is stopped by default)."""
    return dg.AutomationConditionSensorDefinition(
        "curated_after_new_input",
        target=dg.AssetSelection.groups("curated"),
        description="Requests curated datasets when raw data has changed.",
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
    )
