"""The landing sensor asks once for what is new, again when a run failed, and remembers little."""

import pytest

from o9_assets.landing.requests import Asked, Memory, decide, decide_event


def test_new_objects_are_asked_for_at_once_and_not_again_while_a_run_is_at_it() -> None:
    request, asked = decide("orders", ["a", "b"], None, 1000.0)
    assert request is not None
    assert request.objects == 2
    assert decide("orders", ["b", "a"], asked, 1010.0) == (None, asked)


def test_nothing_new_asks_for_nothing_and_forgets() -> None:
    _, asked = decide("orders", ["a"], None, 1000.0)
    assert decide("orders", [], asked, 1010.0) == (None, None)


def test_another_object_is_another_request_with_another_key() -> None:
    first, asked = decide("orders", ["a"], None, 1000.0)
    second, _ = decide("orders", ["a", "b"], asked, 1001.0)
    assert first is not None
    assert second is not None
    assert first.run_key != second.run_key


def test_what_is_still_not_in_is_asked_for_again_less_and_less_often() -> None:
    now, asked, waits, last = 0.0, None, [], 0.0
    while now < 20000:
        request, asked = decide("orders", ["a"], asked, now)
        if request is not None:
            waits.append(now - last)
            last = now
        now += 10
    assert waits[:7] == [0.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0]


def test_memory_survives_as_text_and_stays_small() -> None:
    _, asked = decide("orders", [str(n) for n in range(10_000)], None, 1000.0)
    assert asked is not None
    memory = Memory({"orders": asked}, "orders", {"orders": "orders/2025-01-06.csv"})
    assert Memory.loads(memory.dumps()) == memory
    assert len(memory.dumps()) < 250


def test_memory_forgets_feeds_that_are_no_longer_there() -> None:
    asked = Asked("d", 1.0, 0)
    memory = Memory({"orders": asked, "orders/late": asked, "items/event": asked}, "items", {"orders": "", "items": ""})
    assert memory.of({"orders"}) == Memory({"orders": asked, "orders/late": asked}, None, {"orders": ""})


def test_with_patience_others_are_asked_for_only_after_a_while() -> None:
    _, asked = decide("orders", ["a"], None, 1000.0)
    assert decide("orders", ["b"], asked, 1010.0, patience=120) == (None, asked)
    request, _ = decide("orders", ["b"], asked, 1120.0, patience=120)
    assert request is not None


@pytest.mark.faults
def test_a_clock_that_was_ahead_for_a_while_holds_nothing_up() -> None:
    _, asked = decide("orders", ["a"], None, 1_000_000.0)
    assert decide("orders", ["a"], asked, 999_999.0) == (None, asked)
    assert decide("orders", ["a"], asked, 1000.0)[0] is not None
    assert decide("orders", ["b"], asked, 1000.0, patience=120)[0] is not None


def test_events_are_asked_for_at_once_and_when_that_was_is_remembered() -> None:
    request, asked = decide_event("orders", ["a"], None, 1000.0)
    assert request is not None
    assert decide_event("orders", [], asked, 1010.0) == (None, asked)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        "[]",
        '{"asked": 1}',
        '{"asked": {"a": {}}}',
        '{"asked": {"a": {"digest": "d", "at": "soon", "attempt": 0}}}',
        '{"asked": {"a": {"digest": "d", "at": 1, "attempt": null}}}',
        '{"asked": {}, "begin_with": ["a"]}',
    ],
)
def test_a_cursor_that_cannot_be_read_is_an_empty_memory(text: str | None) -> None:
    memory = Memory.loads(text)
    assert memory.of({"a"}) == Memory()
    assert decide("a", ["x"], memory.asked.get("a"), 1000.0)[0] is not None
