"""Quotes of a text: how many, and whether one reaches over a line end, whatever blocks the text comes in."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.landing import quotes
from o9_assets.landing.quotes import Quotes


def seen(*blocks: str, sign: str = '"', delimiter: str = ",") -> Quotes:
    found = Quotes(sign, delimiter)
    for block in blocks:
        found.see(block.encode())
    return found


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("", True),
        ("a,b\n1,2\n", True),
        ('a,"b"\n"1","2, and ""more"""\n', True),
        ('a,"b"\r\n1,2\r\n', True),
        ('"4"x,1\n', True),
        ('the last one,"has no end"', True),
        ('"a\nb",1\n', False),
        ('"a\rb",1\n', False),
        ('"never closed\n', False),
        ('1,"never closed', False),
        ('5" pipe,1\n6" pipe,"two\nlines"\n', False),
        # Two quotes, of which the second opens a value that the next line closes.
        ('5" pipe,"two\nlines",5"\n', False),
    ],
)
def test_a_quote_is_closed_in_its_line_or_it_is_not(text: str, closed: bool) -> None:
    found = seen(text)
    assert (found.count, found.all_closed) == (text.count('"'), closed)


def test_other_signs_and_delimiters_and_none() -> None:
    assert seen("'a;b';c\n", sign="'", delimiter=";").all_closed
    assert not seen("'a\nb';c\n", sign="'", delimiter=";").all_closed
    assert seen('"a\n', sign="").all_closed
    assert seen('"a\n', sign="").count == 0
    # A delimiter of two signs is not looked through: such a text counts as one whose quotes may reach on.
    assert not seen('"a"||b\n', delimiter="||").all_closed
    assert seen("a||b\n", delimiter="||").all_closed


def test_a_text_that_quotes_everything_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "LOOKED_AT", 2)
    assert seen('"a"\n"b"\n').all_closed
    assert not seen('"a"\n"b"\n"c"\n').all_closed


def test_a_line_without_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "LONGEST_LINE", 10)
    assert not seen('"a",', "b" * 20, "\n").all_closed


@given(st.lists(st.text('ab,"\n\r', max_size=12), max_size=8))
def test_blocks_make_no_difference_and_what_is_closed_has_a_record_a_line(blocks: Sequence[str]) -> None:
    text = "".join(blocks)
    found, whole = seen(*blocks), seen(text)
    assert (found.count, found.all_closed) == (whole.count, whole.all_closed) == (text.count('"'), found.all_closed)
    if found.all_closed and "\r" not in text.replace("\r\n", "\n"):
        lines = io.StringIO(text, newline="\n").readlines()
        assert len(list(csv.reader(lines))) == len(lines)
