"""What each job makes: every dataset that is planned belongs to one job, and a job can run whatever feeds there are."""

from pathlib import Path

import dagster as dg
import pytest

from o9_assets.definitions import build_defs
from o9_assets.deployment import local
from o9_assets.planning import settings as planning
from o9_assets.planning.settings import parse
from o9_assets_tests.company import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = build_defs(local(planning.load(ROOT / "planning.yaml")))
SMALL = build_defs(local(parse(SETTINGS)))


def made(job: str, defs: dg.Definitions = SAMPLE) -> set[str]:
    keys = defs.resolve_job_def(job).asset_layer.selected_asset_keys
    return {key.to_user_string() for key in keys}


def group(*names: str) -> set[str]:
    graph = SAMPLE.resolve_asset_graph()
    return {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).group_name in names}


def test_refresh_makes_what_a_day_brings() -> None:
    assert made("refresh") == group("raw", "curated") | {"o9/demand_export", "o9/reconciliation", "lake/quarantine"}


def test_the_cycle_makes_what_a_week_needs_on_top() -> None:
    back = group("o9") - {"o9/demand_export"}
    assert {"o9/outbound_plan", "raw/o9_plan", "raw/o9_forecasts", "raw/o9_members", "o9/plan_snapshots"} <= back
    assert made("cycle") == group("forecast", "warehouse") | back | {"lake/cycle_close"}


def test_maintenance_is_a_job_of_its_own() -> None:
    assert made("maintenance") == {"lake/maintenance"}


def test_every_dataset_is_made_by_exactly_one_job_but_for_the_reconciliation_that_ends_two() -> None:
    jobs = [made(job) for job in ("refresh", "cycle", "maintenance")]
    everything = {key.to_user_string() for key in SAMPLE.resolve_asset_graph().get_all_asset_keys()}
    assert set().union(*jobs) == everything
    assert sum(map(len, jobs)) == len(everything) + 1
    assert jobs[0] & jobs[1] == {"o9/reconciliation"}


def test_a_company_with_one_feed_has_the_same_jobs_without_the_others() -> None:
    assert {name for name in made("refresh", SMALL) if name.startswith("raw/")} == {"raw/erp_orders"}
    assert "raw/o9_plan" not in made("cycle", SMALL)
    of_returned_feeds = {"o9/outbound_forecasts", "o9/outbound_members", "o9/plan_snapshots"}
    returned = {"raw/o9_plan", "raw/o9_forecasts", "raw/o9_members"}
    assert made("cycle") - made("cycle", SMALL) == returned | of_returned_feeds


@pytest.mark.parametrize("job", ["refresh", "cycle"])
def test_a_job_runs_every_check_of_what_it_makes(job: str) -> None:
    graph = SAMPLE.resolve_asset_graph()
    job_graph = SAMPLE.resolve_job_def(job).asset_layer.asset_graph
    of_its_own = {check for check in graph.asset_check_keys if check.asset_key.to_user_string() in made(job)}
    assert of_its_own and set(job_graph.asset_check_keys) == of_its_own


def test_a_job_is_one_process_and_says_what_it_does() -> None:
    for name in ("refresh", "cycle", "maintenance"):
        job = SAMPLE.resolve_job_def(name)
        assert job.executor_def is dg.in_process_executor
        assert job.description
