"""What a person sees in Dagster's UI after one run of the sample company, and what a click does."""

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [
    pytest.mark.ui,
    # playwright's own event loop
    pytest.mark.filterwarnings("ignore::DeprecationWarning:playwright"),
]


def open_asset(page: "Page", name: str, tab: str = "overview") -> "Locator":
    """An asset's page, once it tells when it was last made."""
    from playwright.sync_api import expect

    page.goto(f"/assets/{name}?view={tab}")
    expect(page.get_by_text("Latest materialization" if tab == "overview" else "Execute all")).to_be_visible()
    return page.locator("body")


def metadata(page: "Page", key: str) -> "Locator":
    """The row of the metadata table that tells `key`."""
    return page.locator("tr").filter(has=page.locator("td").first.get_by_text(key, exact=True)).last


def test_the_graph_shows_the_flow_from_left_to_right(page: "Page") -> None:
    from playwright.sync_api import expect

    page.goto("/asset-groups")
    left: dict[str, float] = {}
    for group in ("raw", "curated", "forecast", "o9", "warehouse", "lake"):
        drawn = page.locator("svg foreignObject").get_by_text(group, exact=True).first
        expect(drawn).to_be_visible()
        box = drawn.bounding_box()
        assert box is not None
        left[group] = box["x"]
    assert left["raw"] < left["curated"] < left["o9"] == left["forecast"] < left["warehouse"] == left["lake"]


@pytest.mark.parametrize(
    ("asset", "told"),
    [
        (
            "raw/erp_orders",
            [
                "Order lines as the order system sends them: every version of every line that ever landed.",
                "erp/orders/{covers_date:%Y-%m-%d}*.csv*",
                "Ordered quantity in uom_code; negative where the source books so",
                "data-platform",
                "26,278 landed = 26,268 accepted + 10 quarantined + 0 superseded by a new version of their object",
                "quantity_out_of_range",
            ],
        ),
        (
            "curated/demand_history",
            [
                "on a complete spine of partial weeks",
                "Ordered, base units, without returns; null where missing",
                "demand-planning",
                "DuckDB",
                "Iceberg",
                "13,465",
                "true_zero",
                "after new input",
                "Warns if more than 26 hours since last materialization",
            ],
        ),
        ("o9/demand_export", ["each cell sent once, only what changed", "13,276", "cells refused by o9"]),
        ("forecast/predictions", ["mean and quantiles of the method that won its backtest", "units forecast"]),
        ("warehouse/demand", ["analytics", "DuckDB"]),
        (
            "lake/quarantine",
            ["erp/orders/2026-05-10.csv", "wrong_header: lacks 'MATERIAL'; did you mean 'ARTICLE'?", "value at risk"],
        ),
    ],
)
def test_an_asset_s_page_tells_its_story(page: "Page", asset: str, told: list[str]) -> None:
    from playwright.sync_api import expect

    body = open_asset(page, asset)
    expect(body).to_contain_text("Row count")
    for text in told:
        expect(body).to_contain_text(text, ignore_case=False)


@pytest.mark.parametrize(
    ("asset", "key", "shown"),
    [
        ("curated/demand_history", "picture of the most valuable series", r"Demand of FG-\d+ · ST-\d+ · \w+"),
        (
            "forecast/predictions",
            "picture of the most valuable series",
            r"Demand and forecast of FG-\d+ · ST-\d+ · \w+",
        ),
        ("raw/erp_orders", "picture of the quarantine", "Rows in quarantine by reason"),
        ("lake/quarantine", "picture of the quarantine", "Rows in quarantine by feed and reason"),
        ("forecast/backtest", "picture of series won", "Series won by method"),
        ("o9/demand_export", "picture of orders sent by month", "Orders in the cells of the last delivery, by month"),
    ],
)
def test_pictures_open_by_a_click(page: "Page", asset: str, key: str, shown: str) -> None:
    from playwright.sync_api import expect

    open_asset(page, asset)
    metadata(page, key).get_by_text("[Show Markdown]").click()
    picture = page.get_by_role("img", name=re.compile(shown))
    expect(picture).to_be_visible()
    width, height = picture.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
    assert width > 500 and height > 100
    page.keyboard.press("Escape")


def test_no_table_is_wider_than_its_place(page: "Page") -> None:
    """What is too wide is cut off at the right, where a reader does not look for it."""
    for asset in ("lake/quarantine", "curated/order_lines", "forecast/backtest"):
        open_asset(page, asset)
        cut = page.evaluate(
            "() => [...document.querySelectorAll('td table')].filter(table => {"
            " const place = table.closest('td').closest('table').parentElement.getBoundingClientRect();"
            " return table.getBoundingClientRect().right > place.right + 1; }).length"
        )
        assert cut == 0, asset


def test_a_check_that_fails_says_why(page: "Page") -> None:
    from playwright.sync_api import expect

    body = open_asset(page, "curated/demand_history", "checks")
    page.get_by_text("latest_delivery_is_in").first.click()
    expect(body).to_contain_text("The last order file that the delivery calendar expects by now is in.")
    expect(body).to_contain_text(re.compile(r"\d+ days are due, the latest of them 20\d\d-\d\d-\d\d"))
    expect(body).to_contain_text("non-blocking")


def test_a_check_that_passes_shows_the_account_of_rows(page: "Page") -> None:
    from playwright.sync_api import expect

    body = open_asset(page, "raw/erp_orders", "checks")
    expect(body).to_contain_text("landed = accepted + quarantined for every object")
    expect(body).to_contain_text("26,278 landed = 26,268 accepted + 10 quarantined + 0 superseded")
    expect(body).to_contain_text("blocking")


def test_jobs_are_there_with_their_schedules(page: "Page") -> None:
    from playwright.sync_api import expect

    for job, schedule in (("refresh", "05:00 AM"), ("cycle", "06:00 AM"), ("maintenance", "02:30 AM")):
        page.goto("/jobs")
        page.get_by_role("link", name=f"job {job} info").click()
        expect(page).to_have_url(re.compile(f"/jobs/{job}"))
        expect(page.locator("body")).to_contain_text(schedule)


def test_sensors_run_and_schedules_wait_to_be_switched_on(page: "Page") -> None:
    from playwright.sync_api import expect

    page.goto("/automation")
    expected = {
        "landing": True,
        "curated_after_new_input": True,
        "run_failure": True,
        "daily_refresh": False,
        "weekly_cycle": False,
        "nightly_maintenance": False,
    }
    for name, running in expected.items():
        row = page.locator("[data-index]").filter(has=page.get_by_role("link", name=name))
        # The first box selects the row, the last one is the switch.
        expect(row.get_by_role("checkbox").last).to_be_checked(checked=running)
    expect(page.locator("body")).to_contain_text("Scheduled At 06:00 AM GMT+1, only on Monday")


def test_a_click_materializes_an_asset(page: "Page") -> None:
    from playwright.sync_api import expect

    open_asset(page, "lake/quarantine")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("link", name="View", exact=True).click()
    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.locator("body")).to_contain_text("Success", timeout=90_000)


def test_nothing_was_asked_of_anybody_outside(asked_for: set[str]) -> None:
    assert asked_for == {"127.0.0.1"}
