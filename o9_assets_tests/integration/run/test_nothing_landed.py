"""A company of which nothing has landed yet: jobs pass or say what is missing, and a run by hand says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment, local
from o9_assets.failures import Permanent
from o9_assets.planning.settings import parse
from o9_assets.run.cycle import say_what_no_feed_reads

ROOT = Path(__file__).resolve().parents[3]


def company(home: Path, settings: str) -> Deployment:
    return local(parse((ROOT / settings).read_text(encoding="utf-8")), home, settle_seconds=0)


def executed(deployment: Deployment, job: str, cycle: str | None = None) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return (
            build_defs(deployment)
            .resolve_job_def(job)
            .execute_in_process(instance=instance, partition_key=cycle, raise_on_error=False)
        )


@pytest.mark.faults
@pytest.mark.parametrize("settings", ["planning.yaml", "examples/online_retail.yaml"])
def test_a_refresh_of_nothing_passes_twice(tmp_path: Path, settings: str) -> None:
    deployment = company(tmp_path, settings)
    for _ in range(2):
        found = executed(deployment, "refresh")
        assert found.success
        assert all(
            check.passed or check.severity is dg.AssetCheckSeverity.WARN
            for check in found.get_asset_check_evaluations()
        )


@pytest.mark.faults
def test_a_cycle_of_nothing_says_at_once_what_is_missing(tmp_path: Path) -> None:
    found = executed(company(tmp_path, "examples/online_retail.yaml"), "cycle", "2011-12-05")
    said = {event.step_key: event.step_failure_data.error for event in found.get_step_failure_events()}
    assert {
        key: (error.cause or error).message.partition(": ")[2].partition(". ")[0] for key, error in said.items()
    } == {
        "forecast__backtest": "Before 2011-12-05 no whole week of demand is known",
        "o9__outbound_plan": "There is no demand history yet, so o9 has nothing to plan from",
    }


def test_a_run_by_hand_names_the_folder_where_nothing_is_and_files_that_nobody_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment = company(tmp_path, "examples/online_retail.yaml")
    zone = deployment.resources["zone"]
    with pytest.raises(Permanent, match=re.escape(f"Nothing has landed in {zone.location}. Put files there")):
        say_what_no_feed_reads(deployment)
    zone.open().put("orders.xlsx", b"no CSV")
    with pytest.raises(Permanent, match=r"No feed reads any of the 1 files .*orders\.xlsx.* erp_orders '{covers_date"):
        say_what_no_feed_reads(deployment)
    zone.open().put("2010-12-01.csv", b"InvoiceNo\n")
    say_what_no_feed_reads(deployment)
    assert capsys.readouterr().out == "  1 files are read by no feed, such as orders.xlsx\n"
