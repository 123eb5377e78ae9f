"""Curated datasets are requested once for each change of their inputs, in one run, and not in a loop."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.automation import after_new_input, automation_sensor
from o9_assets.definitions import build_defs
from o9_assets.deployment import local
from o9_assets.planning import settings as planning


@dg.asset(key=["raw", "orders"])
def orders() -> None: ...


@dg.asset(key=["raw", "promotions"])
def promotions() -> None: ...


@dg.asset(key=["curated", "lines"], deps=[orders], automation_condition=after_new_input(), group_name="curated")
def lines() -> None: ...


@dg.asset(
    key=["curated", "history"], deps=[lines, promotions], automation_condition=after_new_input(), group_name="curated"
)
def history() -> None: ...


DEFS = dg.Definitions([orders, promotions, lines, history])
LINES, HISTORY = dg.AssetKey(["curated", "lines"]), dg.AssetKey(["curated", "history"])


class Ticks:
    """An instance and the cursor from tick to tick."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor = None

    def tick(self) -> set[dg.AssetKey]:
        result = dg.evaluate_automation_conditions(DEFS, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {key for key in (LINES, HISTORY) if result.get_num_requested(key)}

    def make(self, *assets: dg.AssetsDefinition) -> None:
        dg.materialize(list(assets), instance=self.instance)


@pytest.fixture
def ticks() -> Iterator[Ticks]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ticks(instance)


def test_nothing_is_requested_before_anything_landed(ticks: Ticks) -> None:
    assert ticks.tick() == set()


def test_new_raw_data_requests_the_whole_chain_in_one_tick_even_if_another_feed_never_came(ticks: Ticks) -> None:
    ticks.tick()
    ticks.make(orders)
    assert ticks.tick() == {LINES, HISTORY}


def test_the_same_change_is_requested_once(ticks: Ticks) -> None:
    ticks.tick()
    ticks.make(orders)
    ticks.tick()
    assert ticks.tick() == set()
    ticks.make(lines, history)
    assert ticks.tick() == set()


def test_a_late_file_of_another_feed_requests_only_what_it_touches(ticks: Ticks) -> None:
    ticks.tick()
    ticks.make(orders)
    ticks.tick()
    ticks.make(lines, history)
    ticks.tick()
    ticks.make(promotions)
    assert ticks.tick() == {HISTORY}


def test_a_change_while_an_input_is_being_written_waits_until_it_is_whole(ticks: Ticks) -> None:
    ticks.tick()
    ticks.make(orders)
    seen: list[set[dg.AssetKey]] = []

    @dg.asset(key=["raw", "promotions"])
    def slow_promotions() -> None:
        seen.append(ticks.tick())

    ticks.make(slow_promotions)
    # What does not read promotions need not wait.
    assert seen == [{LINES}]
    assert ticks.tick() == {HISTORY}


def test_a_failed_run_is_not_asked_for_again_by_itself_but_by_the_next_change(ticks: Ticks) -> None:
    @dg.asset(key=["curated", "lines"], deps=[orders])
    def broken_lines() -> None:
        raise RuntimeError("no disk")

    ticks.tick()
    ticks.make(orders)
    assert ticks.tick() == {LINES, HISTORY}
    dg.materialize([broken_lines], instance=ticks.instance, raise_on_error=False)
    assert ticks.tick() == set()
    ticks.make(orders)
    assert LINES in ticks.tick()


SAMPLE = build_defs(local(planning.load(Path(__file__).resolve().parents[2] / "planning.yaml")))
AFTER_HISTORY = {"demand_history", "demand_segments", "sell_out_coverage"}
AFTER_LINES = {"order_lines"} | AFTER_HISTORY
TOUCHES = {
    "erp_orders": {"items", "locations", "sell_out", "drivers"} | AFTER_LINES,
    "erp_items": {"items", "sell_out"} | AFTER_LINES,
    "item_transitions": {"items", "sell_out"} | AFTER_LINES,
    "uom_conversions": AFTER_LINES,
    "erp_locations": {"locations", "sell_out", "drivers"} | AFTER_HISTORY,
    "erp_shipments": AFTER_HISTORY,
    "inventory": AFTER_HISTORY,
    "promotions": AFTER_HISTORY,
    "data_exchange_sell_out": {"sell_out", "sell_out_coverage"},
    "data_exchange_products": {"sell_out", "sell_out_coverage"},
    "data_exchange_drivers": {"drivers"},
    "o9_plan": set(),
}
"""Curated datasets that a file of each feed makes anew."""


@pytest.mark.parametrize("feed", TOUCHES)
def test_a_late_file_of_a_real_feed_makes_anew_exactly_what_reads_it(feed: str) -> None:
    """The file's day does not matter: it may be years old."""
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(SAMPLE, instance)
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["raw", feed])))
        result = dg.evaluate_automation_conditions(SAMPLE, instance, cursor=first.cursor)
        keys = SAMPLE.resolve_asset_graph().get_all_asset_keys()
        assert {k.to_user_string() for k in keys if result.get_num_requested(k)} == {
            f"curated/{name}" for name in TOUCHES[feed]
        }


def test_exactly_curated_datasets_make_themselves() -> None:
    """One trigger per asset: the rest is asked for by the landing sensor or by schedules."""
    graph = SAMPLE.resolve_asset_graph()
    automatic = {key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition is not None}
    assert {key.path[0] for key in automatic} == {"curated"}
    assert {key.path[1] for key in automatic} == {"items", "locations", "sell_out", "drivers"} | AFTER_LINES


def test_the_sensor_evaluates_the_curated_group_and_can_start_stopped() -> None:
    sensor = automation_sensor(running=False)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert sensor.asset_selection.resolve(DEFS.resolve_asset_graph()) == {LINES, HISTORY}
