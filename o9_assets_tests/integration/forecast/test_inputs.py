"""What methods learn from and what they are told of the weeks to come mean the same: promotions and successors."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from o9_assets.assets.forecast.inputs import Inputs, read_inputs
from o9_assets.planning.settings import parse
from o9_assets_tests.integration.curated.conftest import HEADERS, SETTINGS, Company

FEEDS = """  promotions:
    path: "promotions/*.csv"
    format: {type: csv}
    columns: {promotion_id: promotion, item_code: item, location_code: location, start_date: start, end_date: end}
  erp_locations:
    path: "locations/*.csv"
    format: {type: csv}
    columns: {location_code: location, customer_code: customer}
  item_transitions:
    path: "transitions/*.csv"
    format: {type: csv}
    columns: {from_item_code: old, to_item_code: new, effective_date: effective}
o9:"""
MORE = {"promotions": "promotion,item,location,start,end", "locations": "location,customer"}
CUSTOMERS = "customer_code: {from: location, values: {L1: C1}}"


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the files of further feeds."""
    for folder, header in (MORE | {"transitions": "old,new,effective"}).items():
        monkeypatch.setitem(HEADERS, folder, header)


def sold(home: Path, text: str, *items: str) -> Company:
    """A company that sold two of each item at L1 every day of June and July 2025."""
    company = Company(home, parse(text))
    company.now = datetime(2025, 8, 4, 4)
    for n in range(64):
        day = str(date(2025, 6, 1) + timedelta(n))
        company.order(day, *(f"{item}{n} 1 {item} 2" for item in items))
    return company


def inputs(company: Company, cycle: str) -> Inputs:
    return read_inputs(company.settings, cycle, company.lake, company.engine)


def promoted(given: Inputs) -> dict[str, dict[str, float]]:
    """Days on promotion of weeks known and to come, by item and week."""
    known = given.series.frame[given.series.frame["promotion_days"] > 0]
    found: dict[str, dict[str, float]] = {}
    for frame in (known, given.promotions):
        for row in frame.itertuples():
            found.setdefault(row.unique_id.split("\x1f")[0], {})[row.ds.date().isoformat()] = row.promotion_days
    return found


@pytest.mark.usefixtures("headers")
@pytest.mark.parametrize("place", ["location_code", "customer_code"])
@pytest.mark.parametrize("grain", ["[item, location]", "[item]"])
def test_a_promotion_counts_as_many_days_in_weeks_known_as_in_weeks_to_come(
    tmp_path: Path, place: str, grain: str
) -> None:
    text = SETTINGS.replace("o9:", FEEDS, 1).replace("location: location_code", f"location: {place}", 1)
    text = text.replace("location_code: location, channel", f"location_code: location, {CUSTOMERS}, channel", 1)
    company = sold(tmp_path, f"{text}forecast: {{grain: {grain}}}\n", "A", "B", "OLD")
    # Two whole weeks, of which the first, known one is cut by the month's end; OLD was replaced.
    company.land("promotions/1.csv", *(f"P,{item},L1,2025-07-28,2025-08-10" for item in ("A", "OLD")))
    company.land("promotions/2.csv", "P2,B,*,2025-07-30,2025-07-31", "P3,B,L1,2025-08-04,2025-08-05")
    company.land("locations/1.csv", "L1,C1")
    company.land("transitions/1.csv", "OLD,NEW,2025-08-01")
    company.refresh()
    assert promoted(inputs(company, "2025-08-04")) == {
        "A": {"2025-07-28": 7, "2025-08-04": 7},
        "B": {"2025-07-28": 2, "2025-08-04": 2},
        "NEW": {"2025-07-28": 7, "2025-08-04": 7},
    }


@pytest.mark.usefixtures("headers")
def test_an_item_is_forecast_by_itself_until_the_cycle_in_whose_first_week_another_takes_over(tmp_path: Path) -> None:
    company = sold(tmp_path, SETTINGS.replace("o9:", FEEDS, 1), "A", "C")
    # A is replaced by B now, and B by C in a month.
    company.land("transitions/1.csv", "A,B,2025-08-10", "B,C,2025-09-10")
    company.refresh()

    def weeks(cycle: str) -> dict[str, float]:
        given = inputs(company, cycle).series
        last = given.frame[given.frame["ds"] == given.last_week].merge(given.keys, on="unique_id")
        return dict(zip(last["item_code"], last["y"], strict=True))

    assert weeks("2025-07-28") == {"A": 14, "C": 14}
    assert weeks("2025-08-04") == {"B": 14, "C": 14}
    assert weeks("2025-09-08") == {"C": 28}
