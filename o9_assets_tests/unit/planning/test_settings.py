"""A wrong setting fails with the key, the line, what was found and what would be right."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from o9_assets.assets.catalog import FEEDS
from o9_assets.planning.settings import Settings, SettingsError, bind, check, load, parse

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "planning.yaml").read_text(encoding="utf-8")
DATASETS = {name: getattr(module, name.upper()) for name, module in FEEDS.items()}
RULE = 'must: "abs(quantity) <= 1000000"'


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        check(parse(text, "planning.yaml"), DATASETS)
    return [str(problem) for problem in caught.value.problems]


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


@pytest.mark.parametrize("name", ["planning.yaml", "examples/online_retail.yaml"])
def test_the_settings_that_are_shipped_can_be_used(name: str) -> None:
    check(load(ROOT / name), DATASETS)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "timezone: Europe/Berlin",
            "timezone: Berlin",
            "timezone: 'Berlin' is no IANA time zone such as Europe/Berlin",
        ),
        ("timezone: Europe/Berlin", "timezone: Europe", "timezone: 'Europe' is no IANA time zone"),
        ("company: Sample Foods", "company:", "company: is empty: give it a value, or leave the key out"),
        (
            "currency: EUR",
            "currency: Euro",
            "currency: string should match pattern '^[A-Z]{3}$'; found 'Euro' (ISO 4217",
        ),
        ("grain:  ", "gain:", "gain: there is no such key; did you mean 'grain'? (company, timezone,"),
        ("location: location_code  ", "location: location", "grain.location: 'location' is none of 'location_code' or"),
        ("channel: channel_code  ", "channel: location_code", "grain.channel: 'location_code' is the location already"),
        ("week_start: monday", "week_start: mondy", "calendar.week_start: 'mondy' is none of 'monday', 'tuesday'"),
        ("week_start: monday", "week_strat: monday", "there is no such key; did you mean 'week_start'?"),
        ("partial_weeks: month", "partial_weeks: [month]", "calendar.partial_weeks: ['month'] is none of"),
        ("year_end_month: 12", "year_end_month: 13", "less than or equal to 12; found 13"),
        (
            'month: "%b-%Y"',
            'month: "%b"',
            "calendar.labels.month: gives the name 'Jan' to 2000-01-01 and to 2001-01-01",
        ),
        ("base_uom: EA", "base_uom: 1", "units.base_uom: must be text; found 1: put it in quotes"),
        ('path: "erp/orders/', 'path: "../erp/orders/', "must lie below the landing zone"),
        ("{covers_date:%Y-%m-%d}*.csv*", "{day}*.csv", "has braces for something else than {covers_date:%Y-%m-%d}"),
        ("encoding: utf-8, decimal", "encoding: utf8x, decimal", "'utf8x' is no encoding"),
        ('delimiter: ";"', "delimiter: tab", 'a tab is written "\\t" in double quotes'),
        ('date: "%d.%m.%Y"', "date: DD.MM.YYYY", "'DD.MM.YYYY' is no strptime format; did you mean '%d.%m.%Y'?"),
        ("{type: parquet}", "{type: parket}", "inventory.format.type: 'parket' is none of 'csv', 'parquet' or 'jsonl'"),
        ("{type: parquet}", "{type: parquet, quote: x}", "inventory.format.quote: means nothing for parquet"),
        ("line_numbers: true", "line_numbers: maybe", "valid boolean"),
        ("quantity: QTY", "quantity: {from: QTY, value: x}", "needs exactly one of from, value and position_within"),
        (
            "quantity: QTY",
            "quantity: {fromm: QTY}",
            "columns.quantity.fromm: there is no such key; did you mean 'from'?",
        ),
        (
            "quantity: QTY",
            "quantity: {value: five}",
            "quantity.value: 'five' is no value of quantity, which is decimal",
        ),
        ("quantity: QTY", "quantity: {value: '5', apply: [trim]}", "columns.quantity.apply: goes with from only"),
        ("quantity: QTY", "quantity: {from: QTY, format: '%Y%m%d'}", "format: is for days and moments; quantity is"),
        ("quantity: QTY", "quantiy: QTY", "raw.erp_orders has no column 'quantiy'; did you mean 'quantity'?"),
        ("quantity: QTY", "line: QTY", "columns.line: is the platform's own and cannot be mapped"),
        ("apply: [trim, upper]}", "apply: trim}", "item_code.apply: must be a list, such as [trim]; found 'trim'"),
        ("apply: [trim, upper]}", "apply: [trim, uper]}", "apply.1: 'uper' is none of"),
        ("{I: I, U: U, D: D}", "{NEW: I, GONE: X}", "op.values.GONE: 'X' is no value of op, which is I, U, D"),
        ("[CANCELS_ORDER, CANCELS_LINE]", "[CANCELS_ORDR]", "no column is mapped from 'CANCELS_ORDR'; did you mean"),
        (RULE, 'must: "abs(quantity) <="', "is no SQL condition"),
        (RULE, 'must: "abs(qty) <= 1"', "has no column 'qty' that a row brings; did you mean 'quantity'?"),
        (RULE, 'must: "item_name is not null"', "'item_name' is mapped from nothing, so that it is always empty"),
        (RULE, "must: quantity", "is no condition but a DECIMAL(18,4); write what it is compared with"),
        (RULE, "must: \"order_date > 'soon'\"", "cannot be applied: Conversion Error"),
        ("{kind: return, when", "{kind: Return, when", "kinds.0.kind: string should match pattern"),
        (
            "counts_as: returns}",
            "counts_as: return}",
            "'return' is none of 'orders', 'returns' or 'none'; did you mean",
        ),
        ("weekdays: [sun]", "weekdays: sun", "delivery.weekdays: must be a list, such as [sun]; found 'sun'"),
        ("weekdays: [sun]", "weekdays: [sun, mon]", "every: week needs exactly one weekday"),
        ("weekdays: [sun]", "weekdays: [sunday]", "'sunday' is none of 'mon', 'tue'"),
        ("erp_items:", "erp_itms:", "feeds.erp_itms: no dataset takes a feed of this name; there are erp_orders"),
        (
            "abc: [0.8, 0.95]",
            "abc: [0.95, 0.8]",
            "demand.segments.abc: must be two rising numbers above 0; found [0.95",
        ),
        ("abc: [0.8, 0.95]", "abc: [80, 95]", "demand.segments.abc: are shares of the whole, at most 1"),
        ("min_weeks: 8", "min_weeks: 60", "demand.segments.min_weeks: is more than window_weeks, 52"),
        ("grain: [item, location, channel]", "grain: [item, item]", "forecast.grain: names a column twice"),
        (
            "grain: [item, location, channel]",
            "grain: [location]",
            "forecast.grain: needs item: a forecast is of items; found",
        ),
        ("horizon_weeks: 13", "horizon_weeks: 0", "forecast.horizon_weeks: input should be greater than or equal to 1"),
        ("origins: 4", "origins: 3", "greater than or equal to 4; found 3 (Rolling origins of the backtest)"),
        ("origins: 4", "origins: four", "forecast.origins: input should be a valid integer; found 'four'"),
        ("line_numbers: true", "line_numbers: off", "line_numbers: input should be a valid boolean; found 'off'"),
        ("line_numbers: true", "line_numbers: 1", "line_numbers: input should be a valid boolean; found 1"),
        ("horizon_weeks: 13", "horizon_weeks: true", "horizon_weeks: input should be a valid integer; found true"),
        ("horizon_weeks: 13", "horizon_weeks: 1_0", "horizon_weeks: input should be a valid integer; found '1_0'"),
        ("horizon_weeks: 13", "horizon_weeks: 13.0", "horizon_weeks: input should be a valid integer; found 13.0"),
        ("abc: [0.8, 0.95]", "abc: ['0.8', 0.95]", "segments.abc.0: input should be a valid number; found '0.8'"),
        ("week_start: monday", "first_day: 0", "calendar.first_day: 0 is no day such as 2026-12-25"),
        ("week_start: monday", "first_day: '86400'", "calendar.first_day: '86400' is no day such as 2026-12-25"),
        ("week_start: monday", "last_day: 9999-12-31", "calendar.last_day: input should be less than or equal to 9900"),
        ('item: "Item.[Planning Item]"', 'item: "Item"', "o9.columns.item: 'Item' is no column of o9, such as"),
        ("    orders_quantity: Orders", "    order_quantity: Orders", "'order_quantity' is none of 'orders_quantity'"),
        ("shipments_quantity: Shipments", "shipments_quantity: Orders", "'Orders' is that of orders_quantity already"),
        ('daily: "0 5 * * *"', 'daily: "5 o\'clock"', "five fields, such as '0 5 * * *'"),
        ('daily: "0 5 * * *"', 'daily: "0 25 * * *"', "schedules.daily: '25' is no hour (0 to 23)"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line_and_what_would_be_right(right: str, wrong: str, said: str) -> None:
    assert right in TEXT
    text = TEXT.replace(right, wrong, 1)
    told = problems(text)
    assert any(said in problem for problem in told), told
    assert any(f"line {line_of(text, wrong)}: " in problem for problem in told), told


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("company: Sample Foods\n", "company: is missing (The company's name; "),
        ("      quantity: QTY\n", "raw.erp_orders needs the column 'quantity' (Ordered quantity in `uom_code`"),
        (
            "      requested_date: REQUESTED_DATE\n",
            "grain.demand_date: feeds.erp_orders maps no column 'requested_date'",
        ),
        ('    channel: "Channel.[Channel]"\n', "o9.columns: needs channel, for demand history has it"),
        ("  channel: channel_code ", "forecast.grain.2: grain.channel is left out, so that there is one channel, ALL"),
        ("      changed_at: CHANGED_AT\n      change_seq: SEQ\n", ""),
    ],
)
def test_what_is_left_out_is_missed_only_where_something_needs_it(gone: str, said: str) -> None:
    assert gone in TEXT
    text = TEXT.replace(gone, "  # " if gone.startswith("  channel") else "", 1)
    if said:
        assert any(said in problem for problem in problems(text)), problems(text)
    else:
        check(parse(text), DATASETS)


@pytest.mark.parametrize(
    ("path", "key", "value", "said"),
    [
        (
            "orders/*.csv",
            "known_at",
            "covers_date",
            "feeds.erp_orders.known_at: covers_date needs {covers_date:%Y-%m-%d}",
        ),
        ("orders/*.csv", "delivery", "{every: day}", "feeds.erp_orders.delivery: needs {covers_date:%Y-%m-%d}"),
        ("*.csv", "known_at", "changed_at", "feeds.erp_orders.known_at: changed_at needs the column changed_at"),
        (
            "*.csv",
            "kinds",
            "[{kind: a, when: 'x = 1', counts_as: none}, {kind: a, when: 'x = 2', counts_as: orders}]",
            "kinds.1.counts_as: 'a' counts as none above",
        ),
        (
            "*.csv",
            "rules",
            "[{name: a, must: 'x = 1'}, {name: a, must: 'x = 2'}]",
            "rules.1.name: 'a' is the name of a rule above",
        ),
        (
            "*.csv",
            "rules",
            "[{name: not_a_date, must: 'x = 1'}]",
            "rules.0.name: 'not_a_date' is a reason of the platform's own; name the rule else",
        ),
    ],
)
def test_keys_of_a_feed_must_agree(path: str, key: str, value: str, said: str) -> None:
    feed = f"{{path: '{path}', format: {{type: csv}}, columns: {{order_id: a}}, {key}: {value}}}"
    start, end = TEXT.index("feeds: "), TEXT.index("demand:\n")
    assert any(said in p for p in problems(f"{TEXT[:start]}feeds:\n  erp_orders: {feed}\n\n{TEXT[end:]}"))


def test_a_required_column_cannot_come_from_an_optional_one() -> None:
    text = TEXT.replace("[CANCELS_ORDER, CANCELS_LINE]", "[QTY]", 1)
    said = "columns.quantity: is required, so 'QTY' cannot be optional unless there is a default"
    assert problems(text) == [f"line {line_of(text, 'quantity: QTY')}: feeds.erp_orders.{said}"]
    check(parse(text.replace("quantity: QTY", "quantity: {from: QTY, default: '0'}", 1)), DATASETS)


@pytest.mark.parametrize(
    ("column", "constant", "said"),
    [
        ("requested_date", "default: soon", "'soon' is no value of requested_date, which is date, as %d.%m.%Y"),
        ("requested_date", "default: 30.02.2025", "'30.02.2025' is no value of"),
        ("requested_date", "values: {A: 2025-01-06}", "'2025-01-06' is no value of requested_date"),
        ("changed_at", "default: never", "'never' is no value of changed_at, which is timestamp, as "),
        ("quantity", 'default: "1.5"', "which is decimal(18,4) with the decimal sign ','"),
        ("quantity", 'default: "1,23456"', "'1,23456' is no value of quantity"),
        ("quantity", 'default: "1_000"', "'1_000' is no value of quantity"),
        ("quantity", 'default: "NaN"', "'NaN' is no value of quantity"),
        ("change_seq", 'default: "1,5"', "'1,5' is no value of change_seq, which is int64"),
    ],
)
def test_a_constant_is_one_that_landing_takes(column: str, constant: str, said: str) -> None:
    source = next(line for line in TEXT.splitlines() if line.startswith(f"      {column}: "))
    given = f"      {column}: {{from: X, {constant}}}"
    text = TEXT.replace(source, given, 1)
    key = constant.split(":")[0]
    assert [p for p in problems(text) if said in p and f"line {line_of(text, given)}: " in p and f"{column}.{key}" in p]
    right = {"requested_date": "06.01.2025", "quantity": "1,5", "change_seq": "7"}.get(column)
    if right:
        check(parse(TEXT.replace(source, f'      {column}: {{from: X, default: "{right}"}}', 1)), DATASETS)


def test_kinds_are_for_order_lines_only() -> None:
    kinds = '    kinds: [{kind: x, when: "factor > 1", counts_as: none}]\n'
    text = TEXT.replace("  promotions:  ", f"{kinds}\n  promotions:", 1)
    assert f"line {line_of(text, kinds.strip())}: feeds.uom_conversions.kinds: are for order lines" in problems(text)[0]


def test_every_wrong_setting_is_told_at_once_in_the_order_of_the_file() -> None:
    text = TEXT.replace("week_start: monday", "week_start: x").replace("currency: EUR", "currency: euro")
    assert [problem.split(": ")[1] for problem in problems(text)] == ["currency", "calendar.week_start"]
    text = TEXT.replace("      quantity: QTY\n", "").replace("erp_items:", "erp_itms:")
    assert [problem.split(": ")[1] for problem in problems(text)][-1] == "feeds.erp_itms"
    assert any("needs the column 'quantity'" in problem for problem in problems(text))


def test_the_error_names_the_file_and_where_to_read_on() -> None:
    with pytest.raises(SettingsError) as caught:
        parse(TEXT.replace("currency: EUR", "currency: euro"), "my.yaml")
    assert str(caught.value).startswith("my.yaml cannot be used:\n  line 5: currency: ")
    assert caught.value.remedy == "docs/planning.md explains every key."


def test_an_error_found_elsewhere_has_its_line_too() -> None:
    error = parse(TEXT, "my.yaml").error("forecast.origins", "are too many")
    assert f"line {line_of(TEXT, 'origins: 4')}: forecast.origins: are too many" in str(error)


def test_orders_are_what_demand_history_is_made_of() -> None:
    assert any(
        "needs erp_orders; did you mean 'erp_order'?" in p for p in problems(TEXT.replace("erp_orders:", "erp_order:"))
    )


def test_a_feed_bound_to_its_dataset_is_what_landing_takes() -> None:
    feed = bind(parse(TEXT), DATASETS["erp_orders"])
    assert feed.columns["item_code"].source == "MATERIAL"
    assert feed.columns["item_code"].apply == ("trim", "upper")
    assert feed.source_columns[:3] == ("ORDER_NO", "ORDER_LINE", "MATERIAL")
    with pytest.raises(SettingsError, match="needs the column 'quantity'"):
        bind(parse(TEXT.replace("      quantity: QTY\n", "")), DATASETS["erp_orders"])


def sample() -> Settings:
    return parse(TEXT)


def test_a_listing_is_bounded_by_the_literal_part_of_the_path() -> None:
    assert sample().feeds["erp_orders"].prefix == "erp/orders/"
    match = sample().feeds["erp_orders"].match("erp/orders/2026-05-03-2.csv.gz")
    assert match is not None
    assert match.covers_date == date(2026, 5, 3)


def test_state_folders_are_called_after_the_company() -> None:
    assert sample().slug == "sample_foods"
    others = [
        parse(TEXT.replace("company: Sample Foods", f"company: {name}")).slug for name in ("ÄÖ", "ÖÄ", "S/F", "S.F")
    ]
    assert others == ["company_de7254df", "company_50f1a687", "s_f_5c2f5274", "s_f_4869b99e"]


def test_the_hash_changes_with_a_setting_and_not_with_comments_or_the_order_of_keys() -> None:
    assert parse(TEXT).hash == parse(TEXT + "\n# a comment\n").hash
    assert (
        parse(TEXT).hash
        == parse(TEXT.replace("timezone: Europe/Berlin\ncurrency: EUR", "currency: EUR\ntimezone: Europe/Berlin")).hash
    )
    assert parse(TEXT).hash != parse(TEXT.replace("horizon_weeks: 13", "horizon_weeks: 14")).hash
    changed = parse(TEXT.replace("quantity: QTY", "quantity: AMOUNT", 1))
    assert [name for name in sample().feeds if changed.feeds[name].hash != sample().feeds[name].hash] == ["erp_orders"]


def test_the_hash_is_the_same_in_every_process() -> None:
    """Python orders sets of dates differently in each process."""
    code = (
        "import sys; from pathlib import Path; from o9_assets.planning.settings import load; "
        "print(load(Path(sys.argv[1])).hash)"
    )
    path = str(ROOT / "examples" / "online_retail.yaml")
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code, path], env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_settings_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        sample().forecast.origins = 5  # type: ignore[misc]
