"""Planning cycles: one partition a week, named by the ISO date of the week's first day."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._utils.schedules import get_latest_completed_cron_tick

from o9_assets.planning.calendar import WEEKDAYS, Calendar
from o9_assets.planning.settings import Settings

__all__ = ["cycle_of", "cycle_partitions", "due_cycle", "next_cycle"]


def cycle_partitions(settings: Settings) -> dg.WeeklyPartitionsDefinition:
    """Every cycle from the settings' first one to the present week, which is a cycle from its first day on."""
    first = Calendar(settings.calendar).week_start(settings.forecast.first_cycle)
    # cron's week begins on Sunday.
    day_of_week = (WEEKDAYS.index(settings.calendar.week_start) + 1) % 7
    return dg.WeeklyPartitionsDefinition(
        start_date=first.isoformat(), timezone=settings.timezone, day_offset=day_of_week, end_offset=1
    )


def cycle_of(settings: Settings, day: date) -> str:
    """The cycle that `day` belongs to."""
    return Calendar(settings.calendar).week_start(day).isoformat()


def next_cycle(settings: Settings, day: date) -> str:
    """The cycle of the week after the one that holds `day`."""
    return cycle_of(settings, day + timedelta(days=7))


def due_cycle(settings: Settings, now: datetime) -> str:
    """The cycle that the schedule last began by `now` (UTC)."""
    tick = get_latest_completed_cron_tick(settings.schedules.cycle, now.replace(tzinfo=UTC), settings.timezone)
    return cycle_of(settings, tick.date())
