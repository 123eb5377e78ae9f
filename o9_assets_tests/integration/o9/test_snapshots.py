"""Each cycle's plan is kept once and never overwritten, and accuracy by lag follows from the cycles kept."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from o9_assets.assets.o9 import plan_snapshots
from o9_assets.assets.raw import o9_forecasts, o9_members
from o9_assets.exchange.snapshots import PLAN_SNAPSHOTS, SnapshotReport, keep_snapshot
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import parse
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource
from o9_assets_tests.company import SETTINGS, Company

FEEDS = """  o9_forecasts:
    path: "o9/forecasts/{covers_date:%Y-%m-%d}.jsonl"
    format: {type: jsonl}
    columns:
      plan_cycle: "Plan Cycle"
      version_name: "Version"
      item_code: "Item"
      location_code: {value: ALL}
      channel_code: {value: ALL}
      bucket_label: "Week"
      measure_name: Measure
      quantity: Value
  o9_members:
    path: "o9/members/{covers_date:%Y-%m-%d}.jsonl"
    format: {type: jsonl}
    columns: {plan_cycle: "Plan Cycle", dimension_name: Dimension, member_name: Name, attributes_text: Attributes}
"""
TEXT = SETTINGS.replace("o9:\n", FEEDS + "o9:\n", 1)
MONDAYS = [date(2025, 5, 5) + timedelta(weeks=n) for n in range(6)]
NOW = datetime(2025, 6, 1)


def label(day: date) -> str:
    return Calendar(parse(TEXT).calendar).bucket_of(day).bucket_label


def drop(company: Company, cycle: date, quantities: dict[str, str], measure: str = "Consensus Fcst") -> None:
    """o9's answer for a cycle: a quantity of item A for each label."""
    rows = [
        {"Plan Cycle": cycle.isoformat(), "Version": "CWV", "Item": "A", "Week": week, "Measure": measure, "Value": q}
        for week, q in quantities.items()
    ]
    company.put(f"o9/forecasts/{cycle}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    company.ingest("o9_forecasts")


def keep(company: Company, cycle: date, **given: Any) -> SnapshotReport:
    with company.engine.connect() as con:
        return keep_snapshot(
            con, company.settings, [o9_forecasts.O9_FORECASTS], cycle, lake=company.lake, now=NOW, **given
        )


def kept(company: Company) -> list[tuple[Any, ...]]:
    rows = company.lake.read(PLAN_SNAPSHOTS).to_pylist()
    return sorted((r["cycle"], r["revision"], r["bucket_label"], r["lag_weeks"], r["quantity"]) for r in rows)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path, TEXT)


def test_a_cycle_is_kept_once_with_the_weeks_ahead(company: Company) -> None:
    drop(company, MONDAYS[0], {label(MONDAYS[0]): "10", label(MONDAYS[2]): "12.5"})
    assert keep(company, MONDAYS[0]) == SnapshotReport(2, 1, True, ())
    snapshot = company.lake.snapshot_id(PLAN_SNAPSHOTS)
    assert keep(company, MONDAYS[0]) == SnapshotReport(2, 1, False, ())
    assert company.lake.snapshot_id(PLAN_SNAPSHOTS) == snapshot
    assert kept(company) == [
        ("2025-05-05", 1, "2025-W19", 1, Decimal(10)),
        ("2025-05-05", 1, "2025-W21", 3, Decimal("12.5")),
    ]


@pytest.mark.faults
def test_other_content_for_a_closed_cycle_overwrites_nothing_and_is_told(company: Company) -> None:
    from o9_assets.exchange.snapshots import SnapshotDiffers

    drop(company, MONDAYS[0], {label(MONDAYS[0]): "10"})
    keep(company, MONDAYS[0])
    drop(company, MONDAYS[0], {label(MONDAYS[0]): "11", label(MONDAYS[1]): "5"})
    with pytest.raises(
        SnapshotDiffers, match=r"2 cells, such as .*A · ALL · ALL · 2025-W19: 10\.0000 kept, 11\.0000 now"
    ):
        keep(company, MONDAYS[0])
    assert [row[-1] for row in kept(company)] == [Decimal(10)]
    assert keep(company, MONDAYS[0], new_revision=True) == SnapshotReport(2, 2, True, ())
    assert [(row[1], row[-1]) for row in kept(company)] == [(1, Decimal(10)), (2, Decimal(11)), (2, Decimal(5))]


@pytest.mark.faults
def test_an_unknown_week_label_is_kept_and_named(company: Company) -> None:
    drop(company, MONDAYS[0], {label(MONDAYS[0]): "10", "2025-W99": "1"})
    assert keep(company, MONDAYS[0]).unknown_labels == ("2025-W99",)
    assert kept(company)[1] == ("2025-05-05", 1, "2025-W99", None, Decimal(1))
    result = dg.materialize(
        plan_snapshots.build(company.settings),
        partition_key="2025-05-05",
        resources={
            "clock": ClockResource(fixed_at="2025-06-01T08:00:00"),
            "engine": EngineResource(memory_limit="1GB"),
            "lake": LakeResource(location=str(company.home / "lake")),
        },
    )
    [check] = result.get_asset_check_evaluations()
    assert not check.passed and check.description == "no week is called 2025-W99"


def test_accuracy_by_lag_follows_from_the_cycles_kept(company: Company) -> None:
    """Every cycle forecast each week with an error of its own; the week of 9 June came in at 100."""
    actual, week = 100, MONDAYS[5]
    for n, cycle in enumerate(MONDAYS):
        # Known one week before it is 4 off, known six weeks before 24.
        weeks_ahead = 6 - n
        drop(company, cycle, {label(week): str(actual + 4 * weeks_ahead)})
        keep(company, cycle)
    # o9's working view has only the last cycle's forecast by now; what was known before is in the snapshots.
    with company.engine.connect() as con:
        company.lake.view(con, "snapshots", PLAN_SNAPSHOTS)
        rows = con.execute(
            "SELECT lag_weeks, CAST(sum(abs(quantity - $1)) / sum($1) AS DOUBLE) FROM snapshots "
            "WHERE measure_name = 'Consensus Fcst' AND bucket_label = $2 GROUP BY 1 ORDER BY 1",
            [actual, label(week)],
        ).fetchall()
    assert rows == [(lag, pytest.approx(0.04 * lag)) for lag in range(1, 7)]


def test_members_are_raw_rows_by_cycle(company: Company) -> None:
    lines = [
        {"Plan Cycle": "2025-05-05", "Dimension": "Item", "Name": "A", "Attributes": '{"Brand": "x"}'},
        {"Plan Cycle": "2025-05-05", "Dimension": "Item", "Name": "B, b", "Attributes": None},
    ]
    company.put("o9/members/2025-05-05.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert company.ingest("o9_members").accepted_rows == 2
    found = company.raw("o9_members", "plan_cycle", "dimension_name", "member_name", "attributes_text")
    assert [tuple(row.values()) for row in found] == [
        ("2025-05-05", "Item", "A", '{"Brand": "x"}'),
        ("2025-05-05", "Item", "B, b", None),
    ]
    assert company.dataset("o9_members") is o9_members.O9_MEMBERS
