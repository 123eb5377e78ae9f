"""Input that nobody can mean does no harm: it stands in quarantine, or in a line that says why it does not count.

What is wrong with a file or with a record (empty, header only, encodings, decimal commas, 100 MB in a line, NUL bytes,
cut gzip, another Parquet type, changed while it is read, two runs at once) is in landing/test_ingest.py; names that
lead out of the landing zone are in unit/resources/test_landing_zone.py; items that no master has in
test_curated_assets.py.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.failures import Permanent
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.planning.settings import parse
from o9_assets_tests.integration.curated.conftest import SETTINGS, Company


@pytest.mark.faults
def test_a_day_that_nobody_can_mean_makes_no_century_of_partial_weeks(company: Any) -> None:
    days = ["1900-01-01", "2200-06-01", "9999-12-31", "0001-01-01", "1989-12-31", "2051-01-01"]
    company.order(
        "2025-02-24",
        "O1 1 A 5",
        *(f"R{n} 1 B 7 requested={day}" for n, day in enumerate(days)),
        *(f"D{n} 1 C 7 ordered={day}" for n, day in enumerate(days)),
    )
    company.land("shipments/2025-03-02.csv", "S1,1,A,L1,,2025-02-25,1,", "S2,1,A,L1,,1900-01-01,1,")
    company.refresh()
    assert [row["item_code"] for row in company.rows(DEMAND_HISTORY).to_pylist()] == ["A"]
    aside = company.lake.read(QUARANTINE).to_pylist()
    assert {row["reason"] for row in aside} == {"date_out_of_calendar"}
    assert sorted((row["feed"], row["line"]) for row in aside) == [
        *(("erp_orders", line) for line in range(3, 15)),
        ("erp_shipments", 3),
    ]
    span = "between date '1990-01-01' and date '2050-12-31'"
    assert {row["detail"] for row in aside} == {
        f"must: {day} {span}" for day in ("order_date", "requested_date", "ship_date")
    }


@pytest.mark.faults
def test_the_first_and_the_last_day_of_the_calendar_are_taken(company: Any) -> None:
    company.order("2025-02-24", "O1 1 A 5", "O2 1 B 7 ordered=1990-01-01", "O3 1 C 7 ordered=2050-12-31")
    company.refresh()
    assert {row["item_code"] for row in company.lines().values()} == {"A", "B", "C"}


@pytest.mark.faults
def test_a_factor_of_zero_and_a_unit_nobody_knows_count_nowhere_and_say_so(company: Any) -> None:
    company.land("units/all.csv", "A,CASE,2025-01-01,0", "A,BOX,2025-01-01,-2", "A,PAL,2025-01-01,12")
    company.order("2025-02-24", *(f"O{n} 1 A 5 unit={unit}" for n, unit in enumerate(("CASE", "BOX", "PAL", "KAR"))))
    company.refresh()
    found = {key: (line["issue"], line["base_quantity"]) for key, line in company.lines().items()}
    assert found == {
        "O0/1": ("factor_not_positive", None),
        "O1/1": ("factor_not_positive", None),
        "O2/1": (None, Decimal(60)),
        "O3/1": ("unknown_uom", None),
    }
    [cell] = [c for c in company.cells("A") if c["bucket_start"] == date(2025, 2, 24)]
    assert (cell["orders_quantity"], cell["order_line_count"]) == (Decimal(60), 1)


@pytest.mark.faults
def test_quantities_beyond_all_measure_are_kept_and_never_wrap_around(company: Any) -> None:
    huge = "99999999999999.9999"
    company.land("units/all.csv", "A,CASE,2025-01-01,12")
    company.order(
        "2025-02-24", f"O1 1 A {huge} unit=CASE price=1", f"O2 1 A -{huge} price=1", "O3 1 A 3 price=1", "O4 1 B 1e20"
    )
    company.refresh()
    found = {key: (line["issue"], line["counts_as"], line["base_quantity"]) for key, line in company.lines().items()}
    assert found == {
        "O1/1": ("quantity_out_of_range", "none", None),
        "O2/1": (None, "returns", -Decimal(huge)),
        "O3/1": (None, "orders", Decimal(3)),
    }
    assert [row["reason"] for row in company.lake.read(QUARANTINE).to_pylist()] == ["not_a_number"]


@pytest.mark.faults
def test_a_key_that_stands_twice_in_a_file_counts_once_as_its_last_record_says(company: Any) -> None:
    company.order("2025-02-24", "O1 1 A 5", "O2 1 A 1", "O1 1 A 7")
    company.refresh()
    assert {key: line["base_quantity"] for key, line in company.lines().items()} == {
        "O1/1": Decimal(7),
        "O2/1": Decimal(1),
    }
    assert sum(cell["orders_quantity"] or 0 for cell in company.cells("A")) == 8


@pytest.mark.faults
def test_a_sum_that_history_cannot_hold_names_its_cell_and_what_to_do(company: Any) -> None:
    company.order("2025-02-24", "O1 1 A 60000000000000 price=0", "O2 1 A 60000000000000 price=0", "O3 1 B 1")
    with pytest.raises(Permanent, match=r"item A at L1 .* 2025-02-24 adds up to 120,000,000,000,000.*`must: abs"):
        company.refresh()


@pytest.mark.faults
@pytest.mark.parametrize("day", ["1900-01-06", "2199-01-06"])
def test_a_day_in_a_file_s_name_that_nobody_can_mean_makes_no_series_longer(company: Any, day: str) -> None:
    company.order("2025-02-24", "O1 1 A 5")
    company.order(day, "O2 1 A 7 ordered=2025-02-24 requested=2025-02-24")
    company.refresh()
    assert company.rows(DEMAND_HISTORY).num_rows == 1


@pytest.mark.faults
def test_an_order_of_a_day_to_come_does_not_say_that_all_until_then_is_in(tmp_path: Path) -> None:
    text = SETTINGS.replace("orders/{covers_date:%Y-%m-%d}*.csv", "orders/*.csv").replace(
        "    delivery: {every: day}\n", ""
    )
    company = Company(tmp_path, parse(text))
    company.order("2025-02-17", "O1 1 A 5", "O2 1 B 5")
    company.order("2025-02-24", "O3 1 A 5", "O4 1 H 1 ordered=2030-01-07")
    company.refresh()
    others = [row for row in company.rows(DEMAND_HISTORY).to_pylist() if row["item_code"] == "B"]
    assert max(row["bucket_start"] for row in others) < date(2025, 3, 1)
