"""o9's assets in Dagster: the export with its checks, and o9's plan of a cycle back through the landing zone."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.assets.o9 import demand_export, outbound_plan
from o9_assets.assets.raw import o9_plan
from o9_assets.planning.settings import parse
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, O9Resource, ZoneResource
from o9_assets.sandbox.o9 import Store
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import Exchange, cell

PLAN_FEED = """  o9_plan:
    path: "o9/outbound/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv, delimiter: ",", encoding: utf-8, decimal: "."}
    columns:
      plan_cycle: "Plan Cycle"
      version_name: "Version.[Version Name]"
      item_code: "Item.[Item]"
      location_code: "Location.[Location]"
      channel_code: {value: ALL}
      bucket_label: "Time.[Partial Week]"
      measure_name: {value: "Stat Fcst"}
      quantity: "Stat Fcst"
"""
JAN_6 = date(2025, 1, 6)


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    made = Exchange(tmp_path, settings=parse(SETTINGS.replace("o9:\n", PLAN_FEED + "o9:\n", 1)))
    made.history(
        *(cell(JAN_6 + timedelta(weeks=n), item, "14") for n in range(3) for item in ("A", "B, with a comma")),
        cell(JAN_6, '=cmd|"x"', "0"),
    )
    return made


def run(exchange: Exchange, *modules: object, cycle: str | None = None) -> dg.ExecuteInProcessResult:
    assets = [thing for module in modules for thing in module.build(exchange.settings)]  # type: ignore[attr-defined]
    landing = str(exchange.home / "landing")
    return dg.materialize(
        assets,
        partition_key=cycle,
        resources={
            "clock": ClockResource(fixed_at="2025-02-01T08:00:00"),
            "engine": EngineResource(memory_limit="1GB"),
            "lake": LakeResource(location=str(exchange.home / "lake")),
            "zone": ZoneResource(location=landing, settle_seconds=0),
            "o9": O9Resource(location=str(exchange.home / "o9.db"), outbound=landing, profile="platform"),
        },
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    [event] = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_the_export_says_what_it_did_and_its_checks_pass(exchange: Exchange) -> None:
    result = run(exchange, demand_export)
    assert result.success
    told = metadata(result)
    assert (told["cells sent"], told["cells new"], told["cells unchanged"], told["cells refused by o9"]) == (7, 7, 0, 0)
    assert told["dagster/row_count"] == 7
    shown = str(told["picture of orders sent by month"])
    assert shown.startswith("![Orders in the cells of the last delivery, by month](data:image/png")
    checks = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert checks["o9_holds_what_was_sent"].passed and checks["o9_refuses_nothing"].passed
    assert checks["o9_holds_what_was_sent"].description == "14 values in 3 partial weeks agree"
    again = metadata(run(exchange, demand_export))
    assert (again["cells sent"], again["requests"], again["cells unchanged"]) == (0, 0, 7)


def test_a_cell_that_changed_in_o9_blocks(exchange: Exchange) -> None:
    assert run(exchange, demand_export).success
    with Store(exchange.home / "o9.db")._con as con:
        con.execute("DELETE FROM facts WHERE cell LIKE '%comma%'")
    result = run(exchange, demand_export)
    assert not result.success
    [check] = [e for e in result.get_asset_check_evaluations() if e.check_name == "o9_holds_what_was_sent"]
    assert not check.passed and "B, with a comma · L1 · ALL: 14.0000 here, None there" in str(check.description)


def test_a_refused_cell_is_a_warning_with_the_volume_that_planning_lacks(exchange: Exchange) -> None:
    Store(exchange.home / "o9.db").add_members("Item", [{"Name": "A"}])
    profile = exchange.home / "own.yaml"
    profile.write_text("based_on: platform\nname: own\ncreate_members: [location, time]\n")
    assets = demand_export.build(exchange.settings)
    result = dg.materialize(
        assets,
        resources={
            "clock": ClockResource(fixed_at="2025-02-01T08:00:00"),
            "engine": EngineResource(memory_limit="1GB"),
            "lake": LakeResource(location=str(exchange.home / "lake")),
            "o9": O9Resource(location=str(exchange.home / "o9.db"), outbound="", profile=str(profile)),
        },
    )
    [check] = [e for e in result.get_asset_check_evaluations() if e.check_name == "o9_refuses_nothing"]
    assert result.success and not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == (
        'o9 lacks Item B, with a comma: 3 cells, 42 units; o9 lacks Item =cmd|"x": 1 cells, 0 units'
    )


def is_new(planned: dg.ExecuteInProcessResult) -> tuple[bool, dg.AssetCheckSeverity]:
    [check] = [e for e in planned.get_asset_check_evaluations() if e.check_name == "plan_is_new"]
    return check.passed, check.severity


def test_o9s_plan_comes_back_through_the_landing_zone(exchange: Exchange) -> None:
    assert run(exchange, demand_export).success
    planned = run(exchange, outbound_plan, cycle="2025-01-27")
    assert planned.success
    assert is_new(planned)[0]
    assert metadata(planned)["files"] == ["o9/outbound/2025-01-27-Fact.StatFcst.csv"]
    assert run(exchange, o9_plan).success
    rows = exchange.lake.read(o9_plan.O9_PLAN).to_pylist()
    assert {row["item_code"] for row in rows} == {"A", "B, with a comma", '=cmd|"x"'}
    found = {(row["item_code"], row["bucket_label"]): row["quantity"] for row in rows}
    # 42 units in 91 days, for a whole week and for the two parts of a week that a month's end cuts.
    assert found[("A", "2025-W06")] == Decimal("3.2308")
    assert found[("A", "2025-W05A")] + found[("A", "2025-W05B")] == Decimal("3.2308")


def test_a_plan_that_is_asked_for_again_is_not_taken_in_twice(exchange: Exchange) -> None:
    run(exchange, demand_export)
    run(exchange, outbound_plan, cycle="2025-01-27")
    run(exchange, o9_plan)
    before = exchange.lake.snapshot_id(o9_plan.O9_PLAN)
    again = run(exchange, outbound_plan, cycle="2025-01-27")
    assert again.success
    assert is_new(again) == (False, dg.AssetCheckSeverity.WARN)
    assert metadata(run(exchange, o9_plan))["objects (this run)"] == 0
    assert exchange.lake.snapshot_id(o9_plan.O9_PLAN) == before
