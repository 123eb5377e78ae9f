"""Curated datasets are requested once for each change of their inputs, in one run, and not in a loop."""

from collections.abc import Iterator

import dagster as dg
import pytest

from o9_assets.automation import after_new_input, automation_sensor


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


def test_the_sensor_evaluates_the_curated_group_and_can_start_stopped() -> None:
    sensor = automation_sensor(running=False)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert sensor.asset_selection.resolve(DEFS.resolve_asset_graph()) == {LINES, HISTORY}
