"""What comes back by o9's API enters by the landing zone: forecasts as facts or by a query, and members."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from o9_assets.exchange.fetching import fetch_forecasts, fetch_members, query_text
from o9_assets.exchange.outbound import ask_for_plan
from o9_assets.planning.settings import Settings, parse
from o9_assets.resources.landing_zone import FolderZone
from o9_assets.resources.o9 import ContractBroken
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import Exchange, cell

JAN_6, CYCLE = date(2025, 1, 6), date(2025, 1, 27)


def settings(outbound: str) -> Settings:
    return parse(SETTINGS.replace("forecast:", f"  outbound: {outbound}\nforecast:", 1))


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    """o9 holds three weeks of four items, and has planned the cycle."""
    made = Exchange(tmp_path)
    made.history(*(cell(JAN_6 + timedelta(weeks=n), item, "14") for n in range(3) for item in ("A", "B", "C", "D, d")))
    made.deliver()
    with made.client() as client:
        ask_for_plan(made.settings, CYCLE, client=client, zone=zone(made), sleep=made.time.sleep)
    return made


def zone(exchange: Exchange) -> FolderZone:
    return FolderZone(exchange.home / "landing", settle_seconds=0)


def fetched(exchange: Exchange, outbound: str = "{}") -> list[dict[str, str]]:
    exchange.settings = settings(outbound)
    with exchange.client() as client:
        found = fetch_forecasts(exchange.settings, CYCLE, client=client, zone=zone(exchange))
    assert found.name == "o9/forecasts/2025-01-27.jsonl"
    rows = [json.loads(line) for line in (exchange.home / "landing" / found.name).read_text().splitlines()]
    assert len(rows) == found.rows
    return rows


def test_forecasts_come_in_long_form_with_the_adjustments_that_planners_made(exchange: Exchange) -> None:
    rows = fetched(exchange)
    stat = [row for row in rows if row["Measure"] == "Stat Fcst"]
    # Four weeks from the cycle on, the first of them cut by the month's end: five partial weeks of four items.
    assert len(stat) == 20
    assert stat[0] == {
        "Plan Cycle": "2025-01-27",
        "Item.[Item]": "A",
        "Location.[Location]": "L1",
        "Time.[Partial Week]": "2025-W05A",
        "Version.[Version Name]": "CurrentWorkingView",
        "Measure": "Stat Fcst",
        "Value": "2.3077",
    }
    adjusted = {row["Item.[Item]"] for row in rows if row["Measure"] == "Fcst Adjustment 1"}
    consensus = {
        (r["Item.[Item]"], r["Time.[Partial Week]"]): r["Value"] for r in rows if r["Measure"] == "Consensus Fcst"
    }
    assert len(consensus) == 20
    for row in stat:
        same = consensus[row["Item.[Item]"], row["Time.[Partial Week]"]] == row["Value"]
        assert same == (row["Item.[Item]"] not in adjusted)


def test_facts_and_a_query_give_the_same(exchange: Exchange) -> None:
    assert query_text(exchange.settings) == (
        "select ([Item].[Item] * [Location].[Location] * [Time].[Partial Week] * [Version].[Version Name]) on row, "
        "({Measure.[Stat Fcst], Measure.[Fcst Adjustment 1], Measure.[Consensus Fcst]}) on column;"
    )

    def ordered(rows: list[dict[str, str]]) -> list[str]:
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    assert ordered(fetched(exchange)) == ordered(fetched(exchange, "{by: query}"))


def test_the_same_answer_is_the_same_object(exchange: Exchange) -> None:
    fetched(exchange)
    [before] = zone(exchange).list("o9/forecasts/")
    fetched(exchange)
    assert list(zone(exchange).list("o9/forecasts/")) == [before]


def test_members_come_with_their_attributes(exchange: Exchange) -> None:
    exchange.store.add_members("Item", [{"Name": "A", "Brand": "größe"}])
    with exchange.client() as client:
        found = fetch_members(exchange.settings, CYCLE, client=client, zone=zone(exchange))
    rows = [json.loads(line) for line in (exchange.home / "landing" / found.name).read_text().splitlines()]
    assert rows[0] == {
        "Plan Cycle": "2025-01-27",
        "Dimension": "Item",
        "Name": "A",
        "Attributes": '{"Brand": "größe"}',
    }
    assert [(row["Dimension"], row["Name"]) for row in rows[1:]] == [
        *(("Item", name) for name in ("B", "C", "D, d")),
        ("Location", "L1"),
    ]


@pytest.mark.faults
def test_a_failed_page_leaves_no_half_file(exchange: Exchange) -> None:
    from starlette.responses import JSONResponse

    pages = 0

    def second_page(number: int, method: str, path: str) -> JSONResponse | None:
        nonlocal pages
        pages += path.endswith("/Forecast")
        return JSONResponse({"Message": "no"}, status_code=404) if pages == 2 else None

    exchange.faults.answer = second_page
    with pytest.raises(ContractBroken, match="404"):
        fetched(exchange)
    assert list(zone(exchange).list("o9/forecasts/")) == []


@pytest.mark.faults
def test_another_name_of_a_column_is_told(exchange: Exchange) -> None:
    exchange.settings = parse(SETTINGS.replace('"Item.[Item]"', '"Item.[Stat Item]"'))
    with exchange.client() as client, pytest.raises(ContractBroken, match=r"lacks Item\.\[Stat Item\]"):
        fetch_forecasts(exchange.settings, CYCLE, client=client, zone=zone(exchange))
