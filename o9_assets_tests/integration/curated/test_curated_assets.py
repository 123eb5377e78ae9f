"""The curated assets in Dagster: what they tell, and checks that fail when the law they watch over is broken."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from o9_assets.assets.curated import demand_history, demand_segments, items, locations, order_lines
from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource
from o9_assets.resources.lake import all_of, equal

MODULES = (items, locations, order_lines, demand_history, demand_segments)


def run(company: Any, *, config: dict[str, Any] | None = None) -> Any:
    """Materialize the curated assets with their checks; nothing is raised."""
    things = [thing for module in MODULES for thing in module.build(company.settings)]
    assets = [t for t in things if not isinstance(t, dg.AssetChecksDefinition)]
    checks = [t for t in things if isinstance(t, dg.AssetChecksDefinition)]
    raw = [dg.AssetSpec(["raw", feed]) for feed in company.settings.feeds]
    defs = dg.Definitions(
        assets=[*assets, *raw],
        asset_checks=checks,
        resources={
            "lake": LakeResource(location=str(company.home / "lake")),
            "engine": EngineResource(memory_limit="500MB"),
            "clock": ClockResource(fixed_at=company.now.isoformat()),
        },
        jobs=[dg.define_asset_job("curated", dg.AssetSelection.groups("curated"))],
        executor=dg.in_process_executor,
    )
    return defs.resolve_job_def("curated").execute_in_process(raise_on_error=False, run_config=config)


def failed(result: Any) -> set[str]:
    return {e.check_name for e in result.get_asset_check_evaluations() if not e.passed}


def told(result: Any, name: str) -> dict[str, Any]:
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(["curated", name])]
    return {key: value.value for key, value in event.materialization.metadata.items()}


@pytest.fixture
def sold(company: Any) -> Any:
    company.land("units/1.csv", "*,CASE,2020-01-01,12")
    company.land("items/1.csv", "A,EA,,", "B,EA,,")
    company.order(
        "2025-01-27", "S1 1 A 10", "S1 2 B 2 unit=CASE", "S2 1 A -1", "S1 1 A 12 changed_at=2025-01-28T09:00:00"
    )
    company.order("2025-01-28", "S3 1 A 3 op=D", "S4 1 B 5")
    company.now = company.now.replace(year=2025, month=1, day=29, hour=6)
    company.ingest()
    return company


def test_a_run_tells_what_it_made_and_every_check_passes(sold: Any) -> None:
    result = run(sold)
    assert result.success
    assert failed(result) == set()
    assert told(result, "items")["dagster/row_count"] == 2
    lines = told(result, "order_lines")
    assert (lines["dagster/row_count"], lines["made"]) == (4, "the whole, from raw rows")
    kinds = [(r.data["kind"], r.data["lines"]) for r in lines["lines by kind"].records]
    assert kinds == [("return", 1), ("sale", 3)]
    history = told(result, "demand_history")
    assert history["made"] == "the whole"
    assert history["picture of the most valuable series"].startswith("![Demand of A · L1 · ALL](data:image/png;base64,")
    segments = told(result, "demand_segments")
    assert segments["dagster/row_count"] == 2
    assert "- new: 2" in segments["demand classes"]


def test_a_second_run_tells_which_weeks_it_touched(sold: Any) -> None:
    run(sold)
    sold.order("2025-01-29", "S5 1 A 1 ordered=2025-01-14 requested=2025-01-14")
    sold.ingest()
    history = told(run(sold), "demand_history")
    # The series begins two weeks earlier, so the week between is new as well.
    assert history["touched weeks"] == "2025-01-13, 2025-01-20"
    assert history["weeks touched"] == 2


def test_weeks_can_be_asked_for_in_run_config(sold: Any) -> None:
    run(sold)
    asked = {"weeks": {"from": "2025-01-27", "to": "2025-01-28"}}
    result = run(sold, config={"ops": {"curated__demand_history": {"config": asked}}})
    assert told(result, "demand_history")["touched weeks"] == "2025-01-27"


def test_days_that_are_none_fail_with_what_would_be_right(sold: Any) -> None:
    run(sold)
    asked = {"weeks": {"from": "2025-13-01", "to": "2025-01-28"}}
    result = run(sold, config={"ops": {"curated__demand_history": {"config": asked}}})
    [failure] = result.get_step_failure_events()
    assert "2025-03-01" in failure.step_failure_data.user_failure_data.description


def test_unknown_items_and_units_warn_with_their_volume(sold: Any) -> None:
    sold.order("2025-01-29", "S6 1 Z 7", "S7 1 A 4 unit=KAR")
    sold.ingest()
    result = run(sold)
    assert result.success
    [check] = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert (check.check_name, check.severity) == ("items_and_units_known", dg.AssetCheckSeverity.WARN)
    found = {(r.data["what"], r.data["which"], r.data["quantity"]) for r in check.metadata["unknown"].value.records}
    assert found == {("item not in the master", "Z", 7.0), ("unknown_uom", "KAR", 4.0)}


def test_an_order_file_that_is_due_warns(sold: Any) -> None:
    sold.now = sold.now.replace(day=31)
    result = run(sold)
    assert result.success
    assert failed(result) == {"latest_delivery_is_in"}


def test_a_line_that_is_lost_stops_what_comes_after(sold: Any) -> None:
    run(sold)
    nothing = sold.lake.read(ORDER_LINES).slice(0, 0)
    sold.lake.overwrite(ORDER_LINES, nothing, equal("order_id", "S4"))
    result = run(sold)
    assert not result.success
    assert "every_row_accounted_for" in failed(result)
    assert [e.asset_key.path[-1] for e in result.get_asset_materialization_events()] == [
        "items",
        "locations",
        "order_lines",
    ]


def test_a_line_that_is_there_twice_stops_what_comes_after(sold: Any) -> None:
    run(sold)
    sold.lake.append(ORDER_LINES, sold.lake.read(ORDER_LINES, where=equal("order_id", "S4")))
    result = run(sold)
    assert not result.success
    assert "every_row_accounted_for" in failed(result)


def test_a_cell_that_is_lost_fails_the_sums(sold: Any) -> None:
    run(sold)
    sold.lake.overwrite(DEMAND_HISTORY, sold.lake.read(DEMAND_HISTORY).slice(0, 0), equal("item_code", "B"))
    result = run(sold)
    assert "sums_are_those_of_the_lines" in failed(result)
    assert not result.success


def test_a_gap_in_the_spine_is_found(sold: Any) -> None:
    from datetime import date

    for day in range(29, 32):
        sold.order(f"2025-01-{day}", f"T{day} 1 A 1 requested=2025-02-{day - 20:02d}")
    sold.ingest()
    run(sold)
    gone = all_of(equal("item_code", "A"), equal("bucket_start", date(2025, 2, 1)))
    sold.lake.overwrite(DEMAND_HISTORY, sold.lake.read(DEMAND_HISTORY).slice(0, 0), gone)
    assert "spine_is_complete" in failed(run(sold))
