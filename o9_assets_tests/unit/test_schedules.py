"""When jobs start: in the company's time zone, stopped until somebody switches them on, each cycle once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from o9_assets import schedules
from o9_assets.assets.cycles import cycle_of, cycle_partitions, due_cycle, next_cycle
from o9_assets.definitions import build_defs
from o9_assets.deployment import aws, local
from o9_assets.planning import settings as planning
from o9_assets.planning.settings import Settings, parse
from o9_assets_tests.company import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = planning.load(ROOT / "planning.yaml")


def company(**changed: str) -> Settings:
    text = SETTINGS
    for key, value in changed.items():
        text = text.replace("timezone: UTC", f"timezone: {value}") if key == "timezone" else f"{text}{key}: {value}\n"
    return parse(text)


def schedule(settings: Settings, name: str) -> dg.ScheduleDefinition:
    return build_defs(local(settings)).resolve_schedule_def(name)


def test_schedules_of_the_sample_company() -> None:
    found = {
        s.name: (s.job_name, s.cron_schedule, s.execution_timezone, s.default_status)
        for s in schedules.build(SAMPLE, running=False)
    }
    stopped = dg.DefaultScheduleStatus.STOPPED
    assert found == {
        "daily_refresh": ("refresh", "0 5 * * *", "Europe/Berlin", stopped),
        "weekly_cycle": ("cycle", "0 6 * * mon", "Europe/Berlin", stopped),
        "nightly_maintenance": ("maintenance", "30 2 * * *", "Europe/Berlin", stopped),
    }


def test_a_deployment_says_what_starts_by_itself() -> None:
    environment = {
        "O9_LAKE": "s3://b/lake",
        "O9_LANDING_ZONE": "s3://b/landing",
        "O9_BASE_URL": "https://o9.example.com",
        "O9_WAREHOUSE": "/data/warehouse.duckdb",
    }
    for deployment, status in ((local(SAMPLE), "STOPPED"), (aws(SAMPLE, environment), "RUNNING")):
        defs = build_defs(deployment)
        assert {s.default_status.value for s in defs.schedules or []} == {status}
        assert {s.default_status.value for s in defs.sensors or []} == {"RUNNING"}


def request(settings: Settings, at: datetime) -> dg.RunRequest:
    """What the weekly schedule asks for at a tick."""
    context = dg.build_schedule_context(
        scheduled_execution_time=at, repository_def=build_defs(local(settings)).get_repository_def()
    )
    [asked] = schedule(settings, "weekly_cycle").evaluate_tick(context).run_requests or []
    return asked


def test_the_weekly_schedule_asks_for_the_cycle_of_its_week() -> None:
    monday = datetime(2026, 6, 29, 6, tzinfo=ZoneInfo("Europe/Berlin"))
    asked = request(SAMPLE, monday)
    assert (asked.partition_key, asked.run_key) == ("2026-06-29", "2026-06-29")


def test_the_week_is_the_one_of_the_company_s_clock_not_of_utc() -> None:
    """Half past midnight on Monday in Auckland is Sunday in UTC."""
    settings = company(timezone="Pacific/Auckland", schedules='{cycle: "30 0 * * mon"}')
    local_time = datetime(2026, 6, 29, 0, 30, tzinfo=ZoneInfo("Pacific/Auckland"))
    assert local_time.astimezone(UTC).date() == date(2026, 6, 28)
    assert request(settings, local_time).partition_key == "2026-06-29"


@pytest.mark.parametrize(
    ("week_start", "first"),
    [("monday", "2026-06-22"), ("sunday", "2026-06-28"), ("saturday", "2026-06-27"), ("wednesday", "2026-06-24")],
)
def test_a_cycle_is_named_after_its_first_day_and_is_a_partition(week_start: str, first: str) -> None:
    settings = company(calendar=f"{{week_start: {week_start}}}")
    assert cycle_of(settings, date(2026, 6, 28)) == first
    keys = cycle_partitions(settings).get_partition_keys(current_time=datetime(2026, 6, 28, 12, tzinfo=UTC))
    assert keys[-1] == first
    assert {date.fromisoformat(b) - date.fromisoformat(a) for a, b in pairwise(keys)} == {timedelta(days=7)}


def test_the_next_cycle_begins_a_week_later_over_the_end_of_the_year() -> None:
    assert next_cycle(SAMPLE, date(2026, 12, 31)) == "2027-01-04"


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-06-29T03:59", "2026-06-22"),  # 05:59 in Berlin: this week's has not begun
        ("2026-06-29T04:00", "2026-06-29"),
        ("2026-07-05T23:00", "2026-06-29"),  # Monday in Berlin, before six
        ("2026-12-28T04:59", "2026-12-21"),  # winter time
    ],
)
def test_the_cycle_that_is_due_is_the_one_that_the_schedule_last_began(now: str, due: str) -> None:
    assert due_cycle(SAMPLE, datetime.fromisoformat(now)) == due


def test_a_cron_of_three_days_a_week_is_passed_on_as_it_is() -> None:
    settings = company(schedules='{daily: "15 4 * * mon,wed,fri"}')
    assert schedule(settings, "daily_refresh").cron_schedule == "15 4 * * mon,wed,fri"
