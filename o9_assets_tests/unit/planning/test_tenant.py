"""A tenant's names stand in its contract profile; settings take what they do not say themselves."""

from pathlib import Path

import pytest

from o9_assets.planning.errors import SettingsError
from o9_assets.planning.settings import Settings, parse

PROFILE = """
based_on: platform
name: acme
base_url: https://acme.example.com
names:
  columns: {item: "Item.[Planning Item]", location: "Ship To.[Ship To]", time: "Time.[Partial Week]",
            version: "Version.[Version Name]"}
  measures: {orders_quantity: Actual Orders}
  time_labels: {week: "W%V-%G"}
"""
SETTINGS = """
company: Acme
timezone: UTC
currency: EUR
grain: {{item: item_code, location: location_code, demand_date: requested_date}}
feeds:
  erp_orders:
    path: "orders/*.csv"
    format: {{type: csv}}
    columns: {{order_id: o, order_line: l, item_code: i, location_code: s, requested_date: d, quantity: q}}
o9: {{profile: {profile}{own}}}
"""


def settings(tmp_path: Path, profile: str = PROFILE, own: str = "") -> Settings:
    path = tmp_path / "acme.yaml"
    path.write_text(profile, encoding="utf-8")
    return parse(SETTINGS.format(profile=path, own=own))


def test_settings_take_the_names_that_they_leave_out(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.o9.columns["item"] == "Item.[Planning Item]"
    assert found.o9.measures == {"orders_quantity": "Actual Orders"}
    assert found.calendar.labels.week == "W%V-%G"


def test_the_settings_own_names_win(tmp_path: Path) -> None:
    found = settings(tmp_path, own=', columns: {item: "Item.[SKU]"}')
    assert found.o9.columns["item"] == "Item.[SKU]"
    assert found.o9.columns["location"] == "Ship To.[Ship To]"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('{columns: {item: "Planning Item"}}', r"line 5: names\.columns\.item: 'Planning Item' is no column of o9"),
        ("{columns: {sku: x}}", r"line 5: names\.columns\.sku"),
        ("{time_labels: {week: '{weak}'}}", r"line 5: names\.time_labels\.week: holds '\{weak\}'"),
        ("{measure: {}}", r"line 5: names\.measure: there is no such key; did you mean 'measures'\?"),
    ],
)
def test_a_wrong_name_is_told_with_the_profiles_file_and_line(tmp_path: Path, wrong: str, message: str) -> None:
    text = f"based_on: platform\nname: acme\nbase_url: https://acme.example.com\npage_size: 100\nnames: {wrong}\n"
    with pytest.raises(SettingsError, match=message) as told:
        settings(tmp_path, text)
    assert str(told.value).startswith(str(tmp_path / "acme.yaml"))


@pytest.mark.faults
def test_a_profile_that_is_not_there_is_told_with_the_settings_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"line 11: o9\.profile: there is no file .*acme\.yaml"):
        parse(SETTINGS.format(profile=tmp_path / "acme.yaml", own=""))
