"""Records of a text file by number and by place: read a second time, only where a file has rows to quarantine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from o9_assets.landing.quotes import closed_line

__all__ = ["LONGEST", "count_lines", "records", "wanted_records"]

LONGEST = 10_000
"""Characters of a record's original text that are kept."""

BLOCK = 8 << 10
"""Bytes that are looked at, or passed over, at once."""

BLANK = re.compile(rb"\n[\r\n]")


def records(
    path: Path, quote: str, delimiter: str = ",", *, skip: Callable[[int, int, int, int], bool] | None = None
) -> Iterator[tuple[int, int, bytes]]:
    """Every record: its number (the first is 1; blank lines are none), its byte offset, and its bytes without line end.

    A quoted line break does not end a record; a quote that is never closed takes the rest of the file. Quotes are seen
    as the parser sees them, also those that it finds fault with. `skip` is asked whether a run of plain lines may be
    passed over, which is much quicker than reading them: the record number and the byte offset before it, its records,
    its bytes.
    """
    sign = quote.encode()
    closed = closed_line(quote, delimiter, strays=True)
    with path.open("rb") as source:
        number, offset, start = 0, 0, 0
        pending: list[bytes] = []
        is_open = False
        while block := source.read(BLOCK) + source.readline():
            if skip and not pending and _plain(block, sign):
                count = block.count(b"\n") + (not block.endswith(b"\n"))
                if skip(number, offset, count, len(block)):
                    number += count
                    offset += len(block)
                    continue
            for line in block.splitlines(keepends=True):
                if not pending:
                    start = offset
                offset += len(line)
                pending.append(line)
                if sign and sign in line:
                    is_open = closed.fullmatch((sign if is_open else b"") + line.rstrip(b"\r\n")) is None
                if is_open:
                    continue
                text = b"".join(pending).rstrip(b"\r\n")
                pending.clear()
                if text:
                    number += 1
                    yield number, start, text
        if pending:
            yield number + 1, start, b"".join(pending).rstrip(b"\r\n")


def count_lines(path: Path) -> int:
    """Lines of a file, the last with or without its end."""
    found, last = 0, b"\n"
    with path.open("rb") as source:
        while block := source.read(4 << 20):
            found += block.count(b"\n")
            last = block[-1:]
    return found + (last != b"\n")


def _plain(block: bytes, sign: bytes) -> bool:
    """Whether every line of whole lines is a record."""
    if sign and sign in block:
        return False
    return not block.startswith((b"\n", b"\r")) and BLANK.search(block) is None


def wanted_records(
    path: Path, quote: str, delimiter: str, numbers: set[int], offsets: set[int]
) -> tuple[dict[int, str], dict[int, int]]:
    """Original text of the wanted record numbers and of the records that hold the wanted byte offsets (the first is 1,
    as DuckDB counts them), by number; and the number of the record that holds each wanted offset."""
    texts: dict[int, str] = {}
    held: dict[int, int] = {}
    lines, places = sorted(numbers, reverse=True), sorted(offsets, reverse=True)

    def skip(number: int, offset: int, count: int, size: int) -> bool:
        return (not lines or lines[-1] > number + count) and (not places or places[-1] > offset + size)

    for number, start, text in records(path, quote, delimiter, skip=skip):
        end = start + len(text) + 2
        found = bool(lines) and lines[-1] == number
        if found:
            lines.pop()
        while places and places[-1] < end:
            held[places.pop()] = number
            found = True
        if found:
            texts[number] = text[: LONGEST * 4].decode("utf-8", "replace")[:LONGEST]
        if not lines and not places:
            break
    return texts, held
