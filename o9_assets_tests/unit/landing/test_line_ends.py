"""Line ends of a text: whether they are alike, whatever blocks the text comes in, and the same records ended alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.landing.line_ends import LineEnds, with_one_line_end


def alike(*blocks: str) -> bool:
    found = LineEnds()
    for block in blocks:
        found.see(block.encode())
    return found.alike


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([""], True),
        (["a\nb\n", "c"], True),
        (["a\r\nb\r\n", "c"], True),
        (["a\r", "\nb\r\n"], True),
        (["a\nb\r\n"], False),
        (["a\n", "b\r\n"], False),
        (["a\r\n", "b\n"], False),
        (["a\r\n", "\nb\r\n"], False),
        # A carriage return alone ends no line for the parser.
        (["a\rb\r"], False),
        (["a\r", "b"], False),
        (["a\r"], False),
    ],
)
def test_lines_end_alike_or_they_do_not(blocks: Sequence[str], found: bool) -> None:
    assert alike(*blocks) is found


@given(st.lists(st.text("a\n\r", max_size=4), max_size=6))
def test_blocks_make_no_difference(blocks: Sequence[str]) -> None:
    ends = set(re.findall("\r\n|\r|\n", "".join(blocks)))
    assert alike(*blocks) is (ends in (set(), {"\n"}, {"\r\n"}))


@pytest.mark.parametrize(
    ("quote", "text", "written"),
    [
        ("", "a\r\nb\nc\rd\r\r\n", "a\nb\nc\nd\n\n"),
        ("", 'a"\r\n"b', 'a"\n"b'),
        ('"', 'a\r\n"b\r\nc",d\re\n\r\n"\r', 'a\n"b\r\nc",d\ne\n"\n'),
    ],
)
def test_records_end_alike_and_what_is_quoted_stays(tmp_path: Path, quote: str, text: str, written: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(text.encode())
    with_one_line_end(source, quote, ",", target)
    assert target.read_bytes() == written.encode()
