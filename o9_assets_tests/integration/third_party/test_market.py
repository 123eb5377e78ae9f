"""Sell-out and drivers of the sample company: mapped as its truth says, strangers named, changed files set aside."""

from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from o9_assets.assets.curated.drivers import DRIVERS
from o9_assets.assets.curated.locations import LOCATIONS
from o9_assets.assets.curated.sell_out import SELL_OUT
from o9_assets.assets.curated.sell_out_coverage import SELL_OUT_COVERAGE
from o9_assets.resources.lake import equal


@pytest.fixture(scope="module")
def result(market: Any) -> Any:
    return market.run()


def checks(result: Any) -> dict[str, Any]:
    return {f"{e.asset_key.path[-1]}.{e.check_name}": e for e in result.get_asset_check_evaluations()}


def told(result: Any, name: str) -> dict[str, Any]:
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(["curated", name])]
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_every_row_is_there_and_what_maps_comes_to_the_truth(market: Any, result: Any) -> None:
    assert result.success
    rows = market.lake.read(SELL_OUT).to_pylist()
    planted = market.truth.market
    assert len(rows) == planted["sell_out_rows"]
    assert sum(row["quantity"] for row in rows) == planted["sell_out_packs"]
    mapped = sum(row["base_quantity"] for row in rows if row["issue"] is None)
    assert mapped == Decimal(str(planted["mapped_base_quantity"]))
    by_issue = {issue: sum(r["quantity"] for r in rows if r["issue"] == issue) for issue in {r["issue"] for r in rows}}
    assert by_issue.keys() == {None, "unknown_product", "unknown_region"}
    assert by_issue["unknown_product"] == planted["unknown_product"]["packs"] > 0
    assert by_issue["unknown_region"] == planted["unknown_region"]["packs"] == 25 * 13
    assert checks(result)["sell_out.every_row_accounted_for"].passed


def test_strangers_are_named_with_their_volume_the_largest_first(market: Any, result: Any) -> None:
    check = checks(result)["sell_out.products_and_regions_known"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    records = [dict(record.data) for record in check.metadata["unmapped"].value.records]
    planted = market.truth.market
    named = [(r["issue"], r["which"].split(" ")[0], r["packs"]) for r in records]
    chains = planted["unknown_product"]["by_retailer"]
    assert named == [
        ("unknown_product", "NORDKAUF", chains["NORDKAUF"]),
        ("unknown_product", "ALPENMARKT", chains["ALPENMARKT"]),
        ("unknown_region", "Luxemburg", planted["unknown_region"]["packs"]),
    ]
    assert f"NORDKAUF NK-{int(planted['unknown_product']['item_code'][3:]):05d}" in check.description


def test_coverage_adds_up_to_what_was_shipped_and_is_shown(market: Any, result: Any) -> None:
    rows = market.lake.read(SELL_OUT_COVERAGE).to_pylist()
    shipped = sum(row["shipments_quantity"] for row in market.truth.shipments().to_pylist())
    assert sum(row["shipped_quantity"] for row in rows) == shipped
    stranger = market.truth.market["unknown_product"]["item_code"]
    assert {row["covered_quantity"] for row in rows if row["item_code"] == stranger} == {0}
    regions = {row["region_name"] for row in rows if row["covered_quantity"] > 0}
    assert regions <= {"North", "East", "South", "West", "Austria"}
    metadata = told(result, "sell_out_coverage")
    assert 0.5 < metadata["share of shipped value covered"] < 1
    assert metadata["coverage"].startswith("![Share of shipped volume that sell-out covers, by item and region]")
    assert checks(result)["sell_out_coverage.sell_out_covers_shipments"].passed


def test_coverage_below_what_the_settings_ask_for_warns(market: Any) -> None:
    asks = market.settings.third_party.model_copy(update={"min_coverage": 1.0})
    strict = type(market)(market.home, market.settings.model_copy(update={"third_party": asks}), market.truth)
    check = checks(strict.run())["sell_out_coverage.sell_out_covers_shipments"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description.endswith("of shipped value is covered; 100% is asked for")


def test_drivers_keep_outlook_and_outcome_with_the_day_of_each(market: Any, result: Any) -> None:
    rows = market.lake.read(DRIVERS, where=equal("region_name", "North")).to_pylist()
    weeks: dict[Any, list[Any]] = {}
    for row in sorted(rows, key=lambda r: r["known_from_at"]):
        weeks.setdefault(row["week_start"], []).append(row["is_outlook"])
    # A week is foreseen in one or two revisions, later or earlier measured in one; history never was foreseen.
    assert {tuple(kinds) for kinds in weeks.values()} == {
        (False,),
        (True, False),
        (True, True, False),
        (True,),
        (True, True),
    }
    assert all(row["known_from_at"].date() > row["week_start"] for row in rows if not row["is_outlook"])
    # A company this small is in few regions.
    ours = set(market.lake.read(LOCATIONS, columns=["region_name"])["region_name"].to_pylist())
    said = checks(result)["drivers.regions_known"].description
    assert {name for name in ("North", "East", "South", "West", "Austria") if name in said} | ours == {
        *("North", "East", "South", "West", "Austria")
    }
    assert not any(name in said for name in ours)
    confidence = market.lake.read(DRIVERS, where=equal("driver_name", "consumer_confidence")).to_pylist()
    assert {(row["known_from_at"].date() - row["week_start"]).days >= 34 for row in confidence} == {True}


HEADER = "RETAILER,ITEM,GTIN,REGION,WEEK_ENDING,UNITS,VALUE"
ROW = "NORDKAUF,NK-01001,4012345010015,Nord,2026-07-05,7,10.00"


@pytest.mark.faults
def test_a_renamed_column_sets_the_file_aside_whole_and_a_new_one_is_no_matter(market: Any) -> None:
    renamed = HEADER.replace("UNITS", "UNITS_SOLD")
    market.zone.put("data_exchange/sell_out/2026-07-05T18:00:00.000Z/a.csv", f"{renamed}\n{ROW}\n".encode())
    market.zone.put(
        "data_exchange/sell_out/2026-07-05T18:00:00.000Z/b.csv", f"{HEADER},BRAND\n{ROW},Nussini\n".encode()
    )
    report = market.ingest()["data_exchange_sell_out"]
    assert (report.accepted_rows, report.quarantined_rows) == (1, 0)
    [(name, reason)] = report.set_aside.items()
    assert name.endswith("/a.csv")
    assert reason.startswith("wrong_header: lacks 'UNITS'; did you mean 'UNITS_SOLD'?")
