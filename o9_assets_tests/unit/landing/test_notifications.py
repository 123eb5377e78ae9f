"""Events of S3 as they come out of a queue: directly, through SNS, through EventBridge, and what is none."""

import json
from typing import Any

import pytest

from o9_assets.landing.notifications import Created, NoEvent, created


def record(key: str, *, name: str = "ObjectCreated:Put", etag: str = "0a1b") -> dict[str, Any]:
    thing = {"key": key, "size": 3, "eTag": etag, "sequencer": "0055AED6DCD90281E5"}
    return {"eventVersion": "2.1", "eventName": name, "s3": {"bucket": {"name": "landing"}, "object": thing}}


def test_every_record_of_a_message_is_an_object() -> None:
    body = json.dumps({"Records": [record("zone/a.csv"), record("zone/b.csv", name="ObjectCreated:Copy")]})
    assert created(body) == [Created("landing", "zone/a.csv", "0a1b"), Created("landing", "zone/b.csv", "0a1b")]


@pytest.mark.parametrize(
    ("coded", "key"),
    [("a+b.csv", "a b.csv"), ("a%2Bb.csv", "a+b.csv"), ("M%C3%BCller.csv", "Müller.csv"), ("d%3D1/a.csv", "d=1/a.csv")],
)
def test_keys_are_coded_as_in_a_form(coded: str, key: str) -> None:
    assert created(json.dumps({"Records": [record(coded)]})) == [Created("landing", key, "0a1b")]


def test_a_message_that_came_through_a_topic_is_taken_out_of_its_envelope() -> None:
    body = json.dumps({"Type": "Notification", "Message": json.dumps({"Records": [record("a.csv")]})})
    assert created(body) == [Created("landing", "a.csv", "0a1b")]


def test_eventbridge_tells_the_key_as_it_is() -> None:
    detail = {"bucket": {"name": "landing"}, "object": {"key": "a+b.csv", "etag": "0a1b"}, "reason": "PutObject"}
    body = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    assert created(json.dumps(body)) == [Created("landing", "a+b.csv", "0a1b")]


@pytest.mark.parametrize(
    "body",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"},
        {"Records": [record("a.csv", name="ObjectRemoved:Delete")]},
        {"source": "aws.s3", "detail-type": "Object Deleted", "detail": {}},
    ],
    ids=["test event", "removal", "removal through EventBridge"],
)
def test_what_tells_of_no_new_object_tells_nothing(body: dict[str, Any]) -> None:
    assert created(json.dumps(body)) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    "body",
    ["", "nonsense", "[]", "7", "{}", '{"Records": 1}', '{"Records": [{}]}', '{"Type": "Notification"}', "[" * 100_000],
)
def test_anything_else_is_no_event(body: str) -> None:
    with pytest.raises(NoEvent):
        created(body)
