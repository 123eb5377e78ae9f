"""When jobs start by the clock, in the company's time zone. They are stopped until somebody switches them on."""

from datetime import datetime

import dagster as dg

from o9_assets.assets.cycles import cycle_of
from o9_assets.planning.settings import Settings

__all__ = ["MAINTENANCE_CRON", "build"]

MAINTENANCE_CRON = "30 2 * * *"
"""At night, when nobody waits for the lake."""


def build(settings: Settings, *, running: bool) -> list[dg.ScheduleDefinition]:
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name="weekly_cycle",
        job_name="cycle",
        cron_schedule=settings.schedules.cycle,
        execution_timezone=settings.timezone,
        default_status=status,
        description="Runs the planning cycle that begins in the present week.",
    )
    def weekly_cycle(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        at: datetime = context.scheduled_execution_time
        cycle = cycle_of(settings, at.date())
        return dg.RunRequest(run_key=cycle, partition_key=cycle)

    return [
        dg.ScheduleDefinition(
            name="daily_refresh",
            job_name="refresh",
            cron_schedule=settings.schedules.daily,
            execution_timezone=settings.timezone,
            default_status=status,
            description="Brings demand history up to date and sends what changed to o9.",
        ),
        weekly_cycle,
        dg.ScheduleDefinition(
            name="nightly_maintenance",
            job_name="maintenance",
            cron_schedule=MAINTENANCE_CRON,
            execution_timezone=settings.timezone,
            default_status=status,
            description="Keeps the lake small and quick.",
        ),
        *(
            [
                dg.ScheduleDefinition(
                    name="hourly_convergence",
                    job_name="convergence",
                    cron_schedule="10 * * * *",
                    execution_timezone=settings.timezone,
                    default_status=status,
                    description="Compares the stream's totals with those of the order feed.",
                )
            ]
            if "demand_events" in settings.streams
            else []
        ),
    ]
