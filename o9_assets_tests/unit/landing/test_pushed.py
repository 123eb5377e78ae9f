"""Pushed events as objects of the landing zone: whatever a record holds, the batch goes on."""

from datetime import datetime

import pytest

from o9_assets.landing.pushed import as_objects
from o9_assets.resources.streams.pushed import Pushed
from o9_assets.resources.streams.reader import Record


def record(number: int, data: bytes) -> Record:
    return Record(str(number), 0, "k", datetime(2026, 3, 4, 9), data)


@pytest.mark.faults
def test_a_record_that_is_nested_too_deep_is_a_dead_letter_and_stops_no_shard() -> None:
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    objects, letters = as_objects(Pushed("demand", "shard", [record(1, deep), record(2, b'{"b": 1}')]), "streams")
    assert [name for name, _ in letters] == ["demand/shard/1-0.json"]
    assert [content for _, content in objects] == [b'{"b": 1}\n']
