"""A dataset is stale when the run that should have made it did not come, in Dagster's own judgement."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, TimeWindowFreshnessPolicy
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest

from o9_assets.definitions import build_defs
from o9_assets.deployment import local
from o9_assets.freshness import fresh, longest_wait
from o9_assets.planning import settings as planning
from o9_assets.planning.settings import parse
from o9_assets_tests.company import SETTINGS

SAMPLE = planning.load(Path(__file__).resolve().parents[2] / "planning.yaml")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("cron", "wait"),
    [
        ("0 5 * * *", DAY),
        ("0 5 * * mon-fri", 3 * DAY),
        ("0 6 * * mon", 7 * DAY + HOUR),  # over the end of summer time
        ("0 8-17 * * *", 15 * HOUR),
        ("0 3 1 * *", 31 * DAY + HOUR),
    ],
)
def test_the_longest_wait_between_two_ticks(cron: str, wait: timedelta) -> None:
    assert longest_wait(cron, "Europe/Berlin") == wait


def windows(defs: dg.Definitions, name: str) -> tuple[timedelta, timedelta]:
    """Ages at which an asset warns and fails."""
    [spec] = [s for s in defs.resolve_all_asset_specs() if s.key.to_user_string() == name]
    policy = spec.freshness_policy
    assert isinstance(policy, TimeWindowFreshnessPolicy) and policy.warn_window is not None
    return policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()


def test_each_dataset_follows_the_schedule_that_makes_it() -> None:
    defs = build_defs(local(SAMPLE))
    daily, weekly = (26 * HOUR, 50 * HOUR), (7 * DAY + 3 * HOUR, 14 * DAY + 4 * HOUR)
    for name in ("raw/erp_orders", "curated/demand_history", "o9/demand_export", "lake/quarantine", "lake/maintenance"):
        assert windows(defs, name) == daily, name
    for name in ("forecast/predictions", "o9/outbound_plan", "raw/o9_plan", "warehouse/items", "lake/cycle_close"):
        assert windows(defs, name) == weekly, name


def test_a_company_that_works_five_days_is_not_stale_on_sunday() -> None:
    settings = parse(SETTINGS + 'schedules: {daily: "0 5 * * mon-fri"}\n')
    assert windows(build_defs(local(settings)), "curated/order_lines") == (3 * DAY + 2 * HOUR, 6 * DAY + 2 * HOUR)


@dg.asset(key=["curated", "x"], group_name="curated")
def made_daily() -> None: ...


@dg.asset(
    key=["raw", "stream"],
    group_name="raw",
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1)),
)
def with_its_own() -> None: ...


def test_a_policy_of_its_own_wins() -> None:
    defs = dg.Definitions(fresh(SAMPLE, [with_its_own]))
    [spec] = defs.resolve_all_asset_specs()
    assert spec.freshness_policy == with_its_own.get_asset_spec().freshness_policy


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.parametrize(
    ("hours_later", "state"),
    [(25, FreshnessState.PASS), (27, FreshnessState.WARN), (51, FreshnessState.FAIL)],
)
def test_dagster_judges_a_daily_dataset(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, hours_later: int, state: FreshnessState
) -> None:
    defs = dg.Definitions(fresh(SAMPLE, [made_daily]))
    node = defs.resolve_asset_graph().get(made_daily.key)
    judge = TimeWindowFreshnessPolicyEvaluator()

    def judged() -> FreshnessState:
        return asyncio.run(judge.evaluate_freshness(LoadingContextForTest(instance), node))

    assert judged() is FreshnessState.UNKNOWN
    dg.materialize([made_daily], instance=instance)
    later = time.time() + hours_later * 3600
    monkeypatch.setattr("dagster._core.definitions.freshness_evaluator.get_current_timestamp", lambda: later)
    assert judged() is state
