"""JSON objects without line breaks between them become one a line, however they come in pieces."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from o9_assets.landing.json_sequence import as_lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=8)


@settings(max_examples=150, deadline=None)
@given(OBJECTS, st.sampled_from(["", " ", "\n", "\r\n", "\n\n"]), st.integers(1, 9), st.sampled_from([None, 1]))
def test_every_object_is_a_line_of_its_own(
    objects: list[dict[str, Any]], between: str, size: int, indent: int | None
) -> None:
    text = between.join(json.dumps(one, ensure_ascii=False, indent=indent) for one in objects)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    lines = list(as_lines(pieces))
    assert [json.loads(line) for line in lines] == objects
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": 1}{"a": 2', ['{"a": 1}', '{"a": 2']),
        ('{"a": 1}oops\n{"a": 2}', ['{"a": 1}', "oops", '{"a": 2}']),
        ('{"a": }{"a": 2}', ['{"a": }', '{"a": 2}']),
        ('12{"a": 2}', ["12", '{"a": 2}']),
        ("\n \n", []),
        ("", []),
    ],
)
def test_what_is_no_json_is_a_record_too_and_the_next_one_is_found(text: str, lines: list[str]) -> None:
    for size in (1, 3, 100):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert [line.rstrip("\n") for line in as_lines(pieces)] == lines


@pytest.mark.faults
def test_what_is_nested_deeper_than_python_follows_is_a_record_and_costs_no_other_one() -> None:
    deep = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    text = '{"b": 1}' + deep + '{"b": 2}'
    pieces = [text[start : start + 65_536] for start in range(0, len(text), 65_536)]
    assert [line.rstrip("\n") for line in as_lines(pieces)] == ['{"b": 1}', deep, '{"b": 2}']
