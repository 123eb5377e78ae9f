"""IoT's SQL on one message."""

import json
from typing import Any

import pytest

from o9_assets.sandbox.aws.iot.sql import Message, Unknown, fill, matches, statement


def message(payload: Any, topic: str = "plant/7/scan") -> Message:
    return Message(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), "scanner-1")


def selected(sql: str, payload: Any) -> Any:
    found = statement(sql).select(message(payload))
    return None if found is None else json.loads(found)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "taken"),
    [
        ("plant/7/scan", "plant/7/scan", True),
        ("plant/+/scan", "plant/7/scan", True),
        ("plant/+", "plant/7/scan", False),
        ("plant/#", "plant/7/scan", True),
        ("plant/#", "plant", True),
        ("#", "a/b", True),
        ("plant/7", "plant", False),
    ],
)
def test_which_topics_a_filter_takes(topic_filter: str, topic: str, taken: bool) -> None:
    assert matches(topic_filter, topic) is taken


@pytest.mark.parametrize(
    ("sql", "payload", "found"),
    [
        ("SELECT * FROM 'plant/#'", {"a": 1}, {"a": 1}),
        ("SELECT a, d.e AS deep FROM 'plant/#'", {"a": 1, "d": {"e": "x"}}, {"a": 1, "deep": "x"}),
        ("SELECT *, topic(2) AS line FROM 'plant/#'", {"a": 1}, {"a": 1, "line": "7"}),
        ("SELECT qty * 2 AS twice, clientid() FROM 'plant/#'", {"qty": 3}, {"twice": 6, "clientid": "scanner-1"}),
        ("SELECT a, missing FROM 'plant/#'", {"a": 1}, {"a": 1}),
        ("SELECT a FROM 'plant/#' WHERE qty > 2 AND kind = 'sale'", {"a": 1, "qty": 3, "kind": "sale"}, {"a": 1}),
        ("SELECT a FROM 'plant/#' WHERE qty > 2", {"a": 1, "qty": 2}, None),
        ("SELECT a FROM 'plant/#' WHERE missing <> 2", {"a": 1}, None),
        ("select a from 'plant/#' where not (qty < -1);", {"a": 1, "qty": 0}, {"a": 1}),
    ],
)
def test_what_a_statement_selects(sql: str, payload: Any, found: Any) -> None:
    assert selected(sql, payload) == found


def test_all_of_a_message_passes_as_it_came_whatever_it_is() -> None:
    assert statement("SELECT * FROM 'plant/#'").select(message(b"\xffno json")) == b"\xffno json"


@pytest.mark.faults
def test_what_has_to_look_into_a_message_needs_json() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        statement("SELECT a FROM 'plant/#'").select(message(b"no json"))


@pytest.mark.faults
@pytest.mark.parametrize(
    "sql",
    ["SELECT a", "SELECT get_thing_shadow('x') AS s FROM 'a'", "SELECT a FROM 'b' WHERE a IN (1)", "SELECT ( FROM 'a'"],
)
def test_a_statement_that_is_not_known_is_refused(sql: str) -> None:
    with pytest.raises(Unknown):
        statement(sql)


def test_templates_hold_expressions() -> None:
    given = message({"id": "E1", "n": 5})
    assert fill("events/${topic(2)}/${id}-${n}.json", given) == "events/7/E1-5.json"
    assert fill("plain", message(b"no json")) == "plain"
    assert fill("${topic()}", message(b"no json")) == "plant/7/scan"
    with pytest.raises(ValueError, match=r"\$\{missing\} is undefined"):
        fill("${missing}", given)
