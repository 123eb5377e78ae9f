"""Events forwarded to o9: each version once, in order, whatever comes twice, late, or is cut off."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from o9_assets.assets.raw.demand_events import DEMAND_EVENTS
from o9_assets.exchange import event_delivery
from o9_assets.exchange.datasets import LEDGER
from o9_assets.exchange.event_datasets import DEAD_EVENTS, FORWARDED
from o9_assets.exchange.event_delivery import EventReport, deliver_events
from o9_assets.planning.settings import parse
from o9_assets.resources import aws
from o9_assets.resources.lake import CommitConflict
from o9_assets.resources.o9 import Denied, O9Client, Throttled, load_profile
from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.o9 import Faults, Store, build_app, secret
from o9_assets_tests.aws import unique
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.exchange import Time
from o9_assets_tests.streams import STREAM, Streaming, event

pytestmark = pytest.mark.aws

FORWARDING = SETTINGS.replace("  measures: {orders", "  streaming: {}\n  measures: {orders") + STREAM.replace(
    "      unit_price: price\n",
    "      uom_code: uom\n      changed_at: changed\n      op: {from: op, values: {I: I, D: D}, default: I}\n",
)
AT = "2026-03-04T12:00:00Z"


@dataclass
class Forwarding(Streaming):
    """A stream, and an o9 that its events are forwarded to."""

    faults: Faults = field(default_factory=Faults)
    time: Time = field(default_factory=Time)
    profile_keys: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        if not hasattr(self, "_store"):
            self._store = Store(self.home / "o9.db")
        return self._store

    def client(self) -> O9Client:
        profile = load_profile("platform").model_copy(update={"batch_size": 3, **self.profile_keys})
        transport = httpx.ASGITransport(build_app(self.store, faults=self.faults))
        return O9Client(
            profile,
            "http://o9.example.com",
            secret,
            model="M",
            transport=transport,
            sleep=self.time.asleep,
            clock=self.time,
        )

    def deliver(self) -> EventReport:
        with self.client() as client:
            return deliver_events(
                self.settings,
                DEMAND_EVENTS,
                lake=self.lake,
                engine=self.engine,
                client=client,
                now=self.clock,
                sleep=self.time.sleep,
            )

    def forward(self, *payloads: dict[str, Any]) -> EventReport:
        """Put events, take them in, forward them."""
        self.put(*payloads)
        self.take_in()
        return self.deliver()

    def held(self) -> dict[str, tuple[str, str, Decimal]]:
        """What o9 holds: item, partial week and quantity by event."""
        found = {}
        for _, _, text in self.store.facts("DemandEvents", size=100_000):
            row = json.loads(text, parse_float=Decimal, parse_int=Decimal)
            name = row["Event.[Event Id]"]
            assert name not in found, f"{name} is held twice"
            found[name] = (row["Item.[Item]"], row["Time.[Partial Week]"], row["Event Quantity"])
        return found

    def dead(self) -> list[tuple[str, str]]:
        rows = self.lake.read(DEAD_EVENTS).sort_by([("arrived_at", "ascending"), ("event_id", "ascending")])
        return [(row["event_id"], row["reason"]) for row in rows.to_pylist()]


@pytest.fixture
def events(twin: Twin, tmp_path: Path) -> Forwarding:
    made = Forwarding(tmp_path, aws.client("kinesis"), text=FORWARDING, name=unique("events"))
    made.create()
    return made


def dies(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def at(number: int, changed: str = AT, **given: Any) -> dict[str, Any]:
    return event(number, at=AT, changed=changed, **given)


def test_events_are_forwarded_once(events: Forwarding) -> None:
    report = events.forward(*(at(n) for n in range(1, 8)))
    assert (report.sent, report.requests, report.dead, report.deliveries) == (7, 3, 0, 1)
    assert events.held() == {f"E{n}": ("A1", "2026-W10", Decimal(n)) for n in range(1, 8)}
    assert [rows for _, rows in events.store.received()] == [3, 3, 1]
    again = events.deliver()
    assert (again.sent, again.requests, again.deliveries) == (0, 0, 0)
    assert events.lake.row_count(FORWARDED) == 7
    receipts = events.lake.read(LEDGER).to_pylist()
    assert sorted((r["chunk_no"], r["row_count"], r["outcome"]) for r in receipts) == [
        (0, 3, "accepted"),
        (1, 3, "accepted"),
        (2, 1, "accepted"),
    ]


def test_what_comes_twice_is_not_sent_again_and_a_later_version_replaces(events: Forwarding) -> None:
    assert events.forward(at(1), at(1), at(2)).sent == 2
    repeated = events.forward(at(1), at(2))
    assert (repeated.sent, repeated.unchanged) == (0, 2)
    later = "2026-03-04T13:00:00Z"
    assert events.forward(at(1, later, qty=50)).sent == 1
    # One that was overtaken says nothing new.
    assert events.forward(at(1, qty=40)).sent == 0
    assert {name: quantity for name, (_, _, quantity) in events.held().items()} == {"E1": 50, "E2": 2}


def test_an_event_that_moves_leaves_its_old_cell_and_one_taken_back_leaves_nothing(events: Forwarding) -> None:
    events.forward(at(1), at(2))
    later = "2026-03-04T13:00:00Z"
    events.forward(at(1, later, item="b2"))
    assert events.held()["E1"] == ("B2", "2026-W10", 1)
    report = events.forward(at(2, later, op="D"))
    assert (report.sent, report.taken_back) == (0, 1)
    assert list(events.held()) == ["E1"]
    assert events.forward(at(2, later, op="D")).taken_back == 0


def test_a_quantity_in_another_unit_is_dead_and_told_once(events: Forwarding) -> None:
    report = events.forward(at(1, uom="CS"), at(2, uom="EA"))
    assert (report.sent, report.dead) == (1, 1)
    assert events.dead() == [("E1", "the quantity is in CS, not in EA")]
    assert events.deliver().dead == 0


@pytest.mark.faults
def test_an_event_that_o9_refuses_is_dead_with_its_reason_and_holds_nobody_up(events: Forwarding) -> None:
    events.profile_keys = {"create_members": ("location", "time")}
    events.store.add_members("Item", [{"Name": "A1"}])
    report = events.forward(at(1), at(2, item="zz"), at(3))
    assert (report.sent, report.dead) == (2, 1)
    assert events.dead() == [("E2", "Item has no member 'ZZ'")]
    assert sorted(events.held()) == ["E1", "E3"]


@pytest.mark.faults
def test_a_dead_event_whose_repetition_o9_takes_is_dead_no_more(
    events: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.profile_keys = {"create_members": ("location", "time")}
    events.store.add_members("Item", [{"Name": "A1"}])
    events.put(at(1, item="zz"))
    events.take_in()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("o9_assets.exchange.event_delivery._Work._keep_receipts", dies)
        events.deliver()
    assert events.dead() == [("E1", "Item has no member 'ZZ'")]
    events.store.add_members("Item", [{"Name": "ZZ"}])
    report = events.deliver()
    assert (report.resumed, report.sent, report.dead, events.dead()) == (True, 1, 0, [])
    assert events.forward(at(1, "2026-03-04T13:00:00Z", item="zz", op="D")).taken_back == 1
    assert events.held() == {}


@pytest.mark.faults
def test_an_event_whose_new_cell_is_refused_left_the_old_one_and_can_come_back(events: Forwarding) -> None:
    events.profile_keys = {"create_members": ("location", "time")}
    events.store.add_members("Item", [{"Name": "A1"}])
    events.forward(at(1))
    report = events.forward(at(1, "2026-03-04T13:00:00Z", item="zz"))
    assert (report.dead, events.held()) == (1, {})
    events.forward(at(1, "2026-03-04T14:00:00Z"))
    assert events.held() == {"E1": ("A1", "2026-W10", 1)}


def test_other_names_in_o9_are_another_place_to_forward_to(events: Forwarding) -> None:
    events.forward(at(1), at(2))
    events.settings = parse(events.text.replace("streaming: {}", "streaming: {quantity: Net Quantity}"))
    assert events.forward(at(3)).sent == 3
    rows = [json.loads(text) for _, _, text in events.store.facts("DemandEvents", size=10)]
    assert sorted(row["Net Quantity"] for row in rows) == [1, 2, 3]


@pytest.mark.faults
def test_a_request_that_is_refused_as_a_whole_is_halved_to_the_event_at_fault(events: Forwarding) -> None:
    events.faults.poison = '"E2"'
    report = events.forward(at(1), at(2), at(3))
    assert (report.sent, report.dead) == (2, 1)
    assert [name for name, _ in events.dead()] == ["E2"]
    assert sorted(events.held()) == ["E1", "E3"]


@pytest.mark.faults
def test_o9_away_half_way_and_back_again(events: Forwarding) -> None:
    facts = 0

    def away(number: int, method: str, path: str) -> Any:
        from starlette.responses import Response

        nonlocal facts
        facts += method == "POST" and "/fact/" in path
        return Response(status_code=429) if facts >= 2 and "/fact/" in path else None

    events.faults.answer = away
    events.put(*(at(n) for n in range(1, 8)))
    events.take_in()
    with pytest.raises(Throttled, match="429"):
        events.deliver()
    assert sorted(events.held()) == ["E1", "E2", "E3"]
    events.faults.answer = lambda number, method, path: None
    report = events.deliver()
    assert (report.resumed, report.requests) == (True, 2)
    assert sorted(events.held()) == [f"E{n}" for n in range(1, 8)]
    assert set(events.store.writes().values()) == {1}


@pytest.mark.faults
def test_killed_between_send_and_receipt_nothing_is_sent_twice(
    events: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.put(*(at(n) for n in range(1, 6)))
    events.take_in()

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("o9_assets.exchange.event_delivery._Work._keep_receipts", dies)
        events.deliver()
    events.put(at(6))
    events.take_in()
    report = events.deliver()
    assert (report.resumed, report.found, report.requests, report.sent) == (True, 2, 1, 6)
    assert set(events.store.writes().values()) == {1}
    assert len(events.held()) == 6


@pytest.mark.faults
def test_a_plan_that_another_run_made_since_the_first_look_is_not_overwritten(
    events: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.put(*(at(n) for n in range(1, 6)))
    events.take_in()
    plan = event_delivery._Work.plan

    def second(work: Any, con: Any) -> Any:
        monkeypatch.setattr(event_delivery._Work, "plan", plan)
        with events.engine.connect() as other:
            assert plan(work, other) is not None
        return plan(work, con)

    monkeypatch.setattr(event_delivery._Work, "plan", second)
    with pytest.raises(CommitConflict, match="Another run has planned events meanwhile"):
        events.deliver()
    assert events.store.received() == []
    assert events.deliver().sent == 5
    assert set(events.store.writes().values()) == {1}


def left_half_way(events: Forwarding, *payloads: dict[str, Any]) -> None:
    """Put events if any, take them in, and die when their delivery is planned."""
    if payloads:
        events.put(*payloads)
        events.take_in()
    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(event_delivery._Work, "complete", dies)
        events.deliver()


@pytest.mark.faults
def test_a_delivery_that_another_run_ended_and_followed_by_its_own_is_not_taken_up(
    events: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_up = event_delivery._Work.take_up

    def late(*given: Any) -> None:
        monkeypatch.setattr(event_delivery._Work, "take_up", take_up)
        events.deliver()
        left_half_way(events, at(3))
        take_up(*given)

    left_half_way(events, at(1), at(2))
    monkeypatch.setattr(event_delivery._Work, "take_up", late)
    with pytest.raises(CommitConflict, match="went on with it"):
        events.deliver()
    assert events.deliver().sent == 1
    assert sorted(events.lake.read(FORWARDED)["event_id"].to_pylist()) == ["E1", "E2", "E3"]
    assert set(events.store.writes().values()) == {1}


@pytest.mark.faults
def test_a_run_that_another_overtook_settles_nothing_over_it(
    events: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.forward(at(1))
    to_another_version(events)
    left_half_way(events)
    enter = event_delivery._Work._enter

    def late(*given: Any) -> None:
        monkeypatch.setattr(event_delivery._Work, "_enter", enter)
        events.deliver()
        events.forward(at(2))
        enter(*given)

    monkeypatch.setattr(event_delivery._Work, "_enter", late)
    with pytest.raises(CommitConflict):
        events.deliver()
    assert sorted(events.lake.read(FORWARDED)["event_id"].to_pylist()) == ["E1", "E2"]
    assert events.deliver().requests == 0


@pytest.mark.faults
def test_an_answer_that_is_lost_is_looked_for(events: Forwarding) -> None:
    events.faults.lose_answer = lambda number, method, path: method == "POST" and "/fact/" in path and number < 20
    report = events.forward(at(1), at(2))
    assert (report.sent, report.found, report.requests) == (2, 1, 0)
    assert set(events.store.writes().values()) == {1}


@pytest.mark.faults
def test_a_key_that_is_revoked_is_told(events: Forwarding) -> None:
    events.put(at(1))
    events.take_in()
    events.faults.revoke_key_after = 1
    with pytest.raises(Denied, match="O9_API_KEY"):
        events.deliver()


def to_another_version(events: Forwarding) -> None:
    """From here on the settings name another version of o9's."""
    text = events.text.replace("streaming: {}", "streaming: {}\n  version: Other")
    events.settings = parse(text.replace("name: events", f"name: {events.name}"))


@pytest.mark.faults
def test_another_place_gets_every_event_however_many_deliveries_that_takes(
    events: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.forward(at(1), at(2))
    events.forward(at(3), at(4))
    to_another_version(events)
    monkeypatch.setattr("o9_assets.exchange.event_delivery.TOGETHER", 2)
    report = events.deliver()
    assert (report.deliveries, report.sent) == (2, 4)


@pytest.mark.faults
def test_what_another_place_refused_is_not_taken_for_held_because_the_former_place_took_it(events: Forwarding) -> None:
    events.forward(at(1), at(2))
    to_another_version(events)
    events.faults.poison = '"E2"'
    report = events.deliver()
    assert (report.sent, report.dead) == (1, 1)
    events.faults.poison = ""
    assert events.forward(at(2, "2026-03-04T13:00:00Z")).sent == 1


@pytest.mark.parametrize(
    ("later", "held"),
    [({"qty": 5}, {"E1": 5}), ({"op": "D"}, {})],
    ids=["an equal quantity", "a taking back of what o9 never had"],
)
def test_a_version_that_says_nothing_new_still_makes_earlier_ones_old(
    events: Forwarding, later: dict[str, Any], held: dict[str, int]
) -> None:
    if held:
        events.forward(at(1, "2026-03-04T12:00:00Z", qty=5))
    report = events.forward(at(1, "2026-03-04T14:00:00Z", **later))
    assert (report.sent, report.taken_back, report.requests, report.unchanged) == (0, 0, 0, 1)
    assert events.forward(at(1, "2026-03-04T13:00:00Z", qty=7)).sent == 0
    assert {name: quantity for name, (_, _, quantity) in events.held().items()} == held
