"""A run that cannot go on tells what was set aside and what is likely, and objects are judged again by pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from o9_assets.deployment import local
from o9_assets.failures import Permanent
from o9_assets.planning.settings import parse
from o9_assets.run.cycle import latest_cycle
from o9_assets_tests.by_hand import OWN, ByHand, section

DAILY = OWN.replace('"orders/*.csv"', '"orders/{covers_date:%Y-%m-%d}.csv"\n    delivery: {every: day}')


@pytest.mark.faults
def test_a_format_of_dates_that_fits_no_row(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    company = ByHand(tmp_path, capfd, monkeypatch)
    company.days("a.csv", form="%Y/%m/%d")
    code, out, err = company.ran("run", "--files", "files")
    assert code == 1
    assert section(out, "What came in") == ["erp_orders 1 files 59 rows 0 accepted, 59 rows and 0 files set aside"]
    assert section(out, "What was set aside, and why") == [
        "erp_orders not_a_date 59",
        "orders/a.csv, line 2, order_date: found 2025/01/01",
        "O0,1,A,P,2025/01/01,10",
    ]
    assert "✗ No whole week of demand is in, so there is nothing to forecast from. 59 rows and 0 files of" in err
    assert f"`O9_PLANNING={tmp_path / 'my.yaml'} .venv/bin/python -m o9_assets reread erp_orders`" in err
    # The settings are mended, and what is set aside is judged again; then all that matches a pattern is.
    (tmp_path / "my.yaml").write_text(OWN.replace("%d.%m.%Y", "%Y/%m/%d"), encoding="utf-8")
    again = "1 objects read again: 59 rows accepted, 0 quarantined, 0 objects set aside."
    assert again in company.ran("reread", "erp_orders")[1]
    assert company.ran("reread", "erp_orders")[1] == "Nothing of erp_orders is to be read again.\n"
    assert again in company.ran("reread", "erp_orders", "orders/*.csv")[1]
    code, _, err = company.ran("reread", "erp_orders", "order/*.csv")
    assert code == 1
    assert err.startswith("✗ Nothing that is in of erp_orders matches 'order/*.csv'. Names are orders/*.csv; * is any")
    # A file that is no longer there is told, and keeps no other from being read.
    (tmp_path / "state/own/landing/orders/a.csv").unlink()
    assert "1 are no longer in the landing zone, such as orders/a.csv" in company.ran("reread", "erp_orders", "**")[1]


@pytest.mark.faults
@pytest.mark.parametrize(("text", "named"), [(OWN, False), (DAILY, True)], ids=["one extract", "a file a day"])
def test_weekdays_without_a_file_are_a_reason_where_files_come_by_the_day(
    tmp_path: Path, text: str, named: bool
) -> None:
    with pytest.raises(Permanent, match="Bring in files for every day of a week") as told:
        latest_cycle(local(parse(text), tmp_path))
    assert ("weekdays: [mon, tue, wed, thu, fri]" in str(told.value)) == named
    assert ("covers_date" in str(told.value)) == named
