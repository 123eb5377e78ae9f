"""The lag sensor asks for a run when the stream holds what the manifest does not, and the asset takes it in."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from o9_assets.assets.raw import demand_events
from o9_assets.planning.settings import parse
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, StreamsResource
from o9_assets.sensors import streams
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.streams import Streaming, event

pytestmark = pytest.mark.aws


class Ticks:
    """The sensor, ticking."""

    def __init__(self, events: Streaming) -> None:
        self.events, self.cursor = events, None

    def resources(self) -> dict[str, Any]:
        return {
            "streams": StreamsResource(),
            "lake": LakeResource(location=str(self.events.home / "lake")),
            "clock": ClockResource(fixed_at=self.events.clock().isoformat()),
        }

    def tick(self) -> list[dict[str, str]]:
        """Tags of each request."""
        [sensor] = streams.build(self.events.settings, running=True)
        with dg.build_sensor_context(cursor=self.cursor, resources=self.resources()) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor  # type: ignore[assignment]
        for request in result.run_requests or []:
            assert request.asset_selection == [dg.AssetKey(["raw", "demand_events"])]
        return [
            {k: v for k, v in request.tags.items() if k != "o9_assets/seconds_behind"}
            for request in result.run_requests or []
        ]


def test_it_asks_once_for_what_waits_and_again_when_more_came(events: Streaming) -> None:
    events.create(shards=2)
    ticks = Ticks(events)
    assert ticks.tick() == []
    events.put(event(1))
    asked = [{"o9_assets/stream": events.name, "o9_assets/partitions_waiting": "1"}]
    assert ticks.tick() == asked
    assert ticks.tick() == []
    events.take_in()
    assert ticks.tick() == []
    events.put(event(2))
    assert ticks.tick() == asked


def test_a_shard_that_closed_is_asked_for_until_its_end_is_on_record(events: Streaming) -> None:
    events.create()
    events.put(event(1))
    events.take_in()
    events.kinesis.split_shard(
        StreamName=events.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    ticks = Ticks(events)
    assert len(ticks.tick()) == 1
    events.take_in()
    assert ticks.tick() == []


def test_a_stream_that_was_quiet_for_half_a_day_is_looked_at(events: Streaming) -> None:
    events.create()
    events.put(event(1))
    events.take_in()
    ticks = Ticks(events)
    assert ticks.tick() == []
    events.now = events.clock() + timedelta(hours=13)
    assert len(ticks.tick()) == 1
    events.take_in()
    assert ticks.tick() == []


def test_a_tick_without_time_left_goes_on_at_the_next_one(events: Streaming, monkeypatch: pytest.MonkeyPatch) -> None:
    events.create(shards=2)
    events.put(event(1), key="b")
    ticks = Ticks(events)
    with monkeypatch.context() as patched:
        patched.setattr(streams, "BUDGET_SECONDS", 0.0)
        assert ticks.tick() == []
    assert json.loads(str(ticks.cursor))["begin_with"] == "shardId-000000000000"
    assert len(ticks.tick()) == 1
    assert json.loads(str(ticks.cursor))["begin_with"] is None


def test_there_is_no_sensor_where_no_stream_is_declared() -> None:
    assert streams.build(parse(SETTINGS), running=True) == []
    [sensor] = streams.build(Streaming(Path(), name="any").settings, running=False)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_the_asset_takes_in_and_its_checks_pass(events: Streaming) -> None:
    events.create()
    events.put(event(1), event(2, qty="bad"))
    asset, *checks = demand_events.build(events.settings)
    result = dg.materialize(
        [asset, *checks],
        resources={**Ticks(events).resources(), "engine": EngineResource()},
        run_config={"ops": {"raw__demand_events": {"config": {"max_records": 100}}}},
    )
    [made] = result.asset_materializations_for_node("raw__demand_events")
    told = {name: value.value for name, value in made.metadata.items() if "rows (" in name or "gaps" in name}
    assert told == {
        "landed rows (this run)": 2,
        "accepted rows (this run)": 1,
        "quarantined rows (this run)": 1,
        "gaps (this run)": [],
    }
    found = {e.check_name: (e.passed, e.description) for e in result.get_asset_check_evaluations()}
    assert found == {
        "every_row_accounted_for": (True, "2 landed = 1 accepted + 1 quarantined"),
        "no_record_was_lost": (True, "every record was read before it left the stream"),
    }
