import time
from typing import Any
import pytest

@pytest.mark.parametrize("day", ["1900-01-01", "2200-06-01", "9999-12-31", "0001-01-01"])
def test_x(company: Any, day: str) -> None:
    company.order("2025-02-24", "O1 1 A 5", f"O2 1 B 7 requested={day}", f"O3 1 C 7 requested={day} ordered={day}")
    began = time.monotonic()
    company.refresh()
    print(day, time.monotonic() - began, len(company.rows(__import__('o9_assets.assets.curated.demand_history', fromlist=['x']).DEMAND_HISTORY)), [ (c["bucket_start"], c["state"]) for c in company.cells("B")][:3], company.lines()["O2/1"])
