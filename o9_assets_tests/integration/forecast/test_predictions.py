"""Predictions of a cycle reach over the whole horizon, however late the last delivery is."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.forecast import backtest, predictions
from o9_assets.assets.forecast.backtest import BACKTEST
from o9_assets.assets.forecast.inputs import read_inputs
from o9_assets.assets.forecast.predictions import PREDICTIONS
from o9_assets.failures import Permanent
from o9_assets.planning.settings import parse
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource
from o9_assets.resources.lake import Lake, everything
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import cell

CYCLE = date(2025, 6, 30)


@pytest.mark.faults
@pytest.mark.parametrize("late", [0, 3, 20])
def test_a_late_delivery_shortens_no_horizon(tmp_path: Path, late: int) -> None:
    settings, lake = parse(SETTINGS), Lake.local(tmp_path / "lake")
    days = [CYCLE - timedelta(weeks=n + 1 + late) for n in range(12)]
    rows = [{**cell(d, orders=str(5 + n % 3)), "month_start": d.replace(day=1)} for n, d in enumerate(days)]
    rows = [{**row, "week_start": row["bucket_start"], "days": 7} for row in rows]
    lake.overwrite(DEMAND_HISTORY, pa.Table.from_pylist(rows, schema=DEMAND_HISTORY.arrow_schema), everything())
    result = dg.materialize(
        [thing for module in (backtest, predictions) for thing in module.build(settings)],
        partition_key=CYCLE.isoformat(),
        resources={
            "clock": ClockResource(fixed_at=f"{CYCLE}T08:00:00"),
            "engine": EngineResource(memory_limit="500MB"),
            "lake": LakeResource(location=str(tmp_path / "lake")),
        },
    )
    assert result.success
    found = sorted((row["week_start"], row["lag_weeks"]) for row in lake.read(PREDICTIONS).to_pylist())
    weeks = settings.forecast.horizon_weeks
    assert found == [(CYCLE + timedelta(weeks=n), n + 1) for n in range(weeks)]


@pytest.mark.faults
def test_a_history_that_became_short_since_its_backtest_is_forecast_as_a_short_one(tmp_path: Path) -> None:
    settings, lake = parse(SETTINGS), Lake.local(tmp_path / "lake")
    resources = {
        "clock": ClockResource(fixed_at=f"{CYCLE}T08:00:00"),
        "engine": EngineResource(memory_limit="500MB"),
        "lake": LakeResource(location=str(tmp_path / "lake")),
    }

    def made(module: Any, weeks: int) -> dg.ExecuteInProcessResult:
        days = [CYCLE - timedelta(weeks=n + 1) for n in range(weeks)]
        rows = [{**cell(d, orders=str(5 + n % 3)), "month_start": d.replace(day=1)} for n, d in enumerate(days)]
        rows = [{**row, "week_start": row["bucket_start"], "days": 7} for row in rows]
        lake.overwrite(DEMAND_HISTORY, pa.Table.from_pylist(rows, schema=DEMAND_HISTORY.arrow_schema), everything())
        return dg.materialize(module.build(settings), partition_key=CYCLE.isoformat(), resources=resources)

    assert made(backtest, 60).success
    assert {row["method"] for row in lake.read(BACKTEST).to_pylist() if row["is_champion"]} - {"historic_average"}
    for weeks in (1, 5):
        assert made(predictions, weeks).success
        assert {row["method"] for row in lake.read(PREDICTIONS).to_pylist()} == {"historic_average"}


@pytest.mark.faults
def test_where_nothing_is_sold_any_more_the_run_says_so(tmp_path: Path) -> None:
    settings, lake = parse(SETTINGS), Lake.local(tmp_path / "lake")
    days = [CYCLE - timedelta(weeks=n + 1) for n in range(12)]
    rows = [{**cell(d), "month_start": d.replace(day=1), "week_start": d, "days": 7} for d in days]
    lake.overwrite(DEMAND_HISTORY, pa.Table.from_pylist(rows, schema=DEMAND_HISTORY.arrow_schema), everything())
    gone = {"item_code": "A", "in_master": True, "known_at": datetime(2025, 6, 1), "delisted_from_date": CYCLE}
    items = pa.Table.from_pylist([{**dict.fromkeys(ITEMS.column_names), **gone}], schema=ITEMS.arrow_schema)
    lake.overwrite(ITEMS, items, everything())
    engine = EngineResource(memory_limit="500MB").open()
    with pytest.raises(Permanent, match="Every item of which demand is known was delisted before 2025-06-30"):
        read_inputs(settings, CYCLE.isoformat(), lake, engine)
