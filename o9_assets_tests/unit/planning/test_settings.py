"""A wrong setting fails with the key, the line and what would be right."""

from datetime import date
from pathlib import Path

import pytest

from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.planning.settings import Settings, SettingsError, bind, load, parse

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "planning.yaml").read_text(encoding="utf-8")


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        bind(parse(text, "planning.yaml"), ERP_ORDERS)
    return [str(problem) for problem in caught.value.problems]


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


@pytest.mark.parametrize("name", ["planning.yaml", "examples/online_retail.yaml"])
def test_the_settings_that_are_shipped_can_be_used(name: str) -> None:
    bind(load(ROOT / name), ERP_ORDERS)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("week_start: monday", "week_start: mondy", "calendar.week_start: 'mondy' is none of"),
        ("week_start: monday", "week_strat: monday", "did you mean 'week_start'?"),
        ("timezone: Europe/Berlin", "timezone: Europe/Berln", "no IANA time zone"),
        ("horizon_weeks: 13", "horizon_weeks: 0", "forecast.horizon_weeks: input should be greater than or equal to 1"),
        ("origins: 4", "origins: 3", "greater than or equal to 4"),
        ("item_code: {from: MATERIAL, apply: [trim, upper]}", "itm_code: MATERIAL", "did you mean 'item_code'?"),
        ("quantity: QTY", "quantity: {from: QTY, value: x}", "exactly one of from, value and position_within"),
        ('must: "abs(quantity) <= 1000000"', 'must: "abs(quantity) <="', "is no SQL condition"),
        ('must: "abs(quantity) <= 1000000"', 'must: "abs(qty) <= 1000000"', "'qty'; did you mean 'quantity'?"),
        ('must: "abs(quantity) <= 1000000"', 'must: "quantity in (select 1)"', "without a subquery"),
        ('must: "abs(quantity) <= 1000000"', "must: \"read_text('x') = ''\"", "'read_text'"),
        ("encoding: utf-8, decimal", "encoding: utf-88, decimal", "is no encoding"),
        ('path: "erp/orders/', 'path: "../erp/orders/', "must lie below the landing zone"),
        ("{covers_date:%Y-%m-%d}*.csv*", "{day}*.csv", "knows one placeholder"),
        ('daily: "0 5 * * *"', 'daily: "5 o\'clock"', "five fields"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line_and_what_would_be_right(right: str, wrong: str, said: str) -> None:
    assert right in TEXT
    text = TEXT.replace(right, wrong, 1)
    told = problems(text)
    assert any(said in problem for problem in told), told
    assert any(f"line {line_of(text, wrong)}: " in problem for problem in told), told


def test_every_wrong_setting_is_told_at_once() -> None:
    text = TEXT.replace("week_start: monday", "week_start: x").replace("currency: EUR", "currency: euro")
    assert len(problems(text)) == 2


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    text = TEXT.replace("currency: EUR", "currency: EUR\ncurrency: USD")
    first = line_of(text, "currency: EUR")
    assert problems(text) == [f"line {first + 1}: currency: stands twice; the first is on line {first}"]


@pytest.mark.parametrize(("text", "said"), [("a: [", "is no YAML"), ("- 1", "must be a mapping")])
def test_what_is_no_settings_file_is_told(text: str, said: str) -> None:
    assert said in problems(text)[0]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load(tmp_path / "none.yaml")


def test_a_required_column_that_is_not_mapped_is_told() -> None:
    text = TEXT.replace("      quantity: QTY\n", "")
    assert any("raw.erp_orders needs the column 'quantity'" in problem for problem in problems(text))


def sample() -> Settings:
    return parse(TEXT)


@pytest.mark.parametrize(
    ("name", "covers"),
    [
        ("erp/orders/2026-05-03.csv.gz", date(2026, 5, 3)),
        ("erp/orders/2026-05-03-2.csv", date(2026, 5, 3)),
    ],
)
def test_an_object_s_name_tells_the_day_it_covers(name: str, covers: date) -> None:
    match = sample().feeds["erp_orders"].match(name)
    assert match is not None
    assert match.covers_date == covers


@pytest.mark.parametrize(
    "name", ["erp/orders/2026-02-30.csv", "erp/orders/x/2026-05-03.csv", "erp/items/2026-05-03.csv", "2026-05-03.csv"]
)
def test_other_names_are_not_the_feed_s(name: str) -> None:
    assert sample().feeds["erp_orders"].match(name) is None


def test_a_listing_is_bounded_by_the_literal_part_of_the_path() -> None:
    assert sample().feeds["erp_orders"].prefix == "erp/orders/"


def test_the_hash_changes_with_a_setting_and_not_with_a_comment() -> None:
    assert parse(TEXT).hash == parse(TEXT + "\n# a comment\n").hash
    assert parse(TEXT).hash != parse(TEXT.replace("horizon_weeks: 13", "horizon_weeks: 14")).hash


def test_the_delivery_calendar_of_the_real_retailer_expects_its_305_files() -> None:
    delivery = load(ROOT / "examples" / "online_retail.yaml").feeds["erp_orders"].delivery
    assert delivery is not None
    assert len(delivery.expected(date(2010, 12, 1), date(2011, 12, 9))) == 305
