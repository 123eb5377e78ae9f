"""Records of a text file by number and by place: read a second time, only where a file has rows to quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["LONGEST", "records", "wanted_records"]

LONGEST = 10_000
"""Characters of a record's original text that are kept."""


def records(path: Path, quote: str, delimiter: str = ",") -> Iterator[tuple[int, int, bytes]]:
    """Every record: its number (the first is 1; blank lines are none), its byte offset, and its bytes without line end.

    A quoted line break does not end a record; a quote that is never closed takes the rest of the file. A quote opens a
    value only where the value begins.
    """
    sign, opening = quote.encode(), (delimiter + quote).encode()
    with path.open("rb") as source:
        number, offset, start, pending = 0, 0, 0, b""
        open_quotes = 0
        for line in source:
            if not pending:
                start = offset
            offset += len(line)
            pending = pending + line if pending else line
            if sign and (open_quotes % 2 or line.startswith(sign) or opening in line):
                open_quotes += line.count(sign)
            if open_quotes % 2:
                continue
            text, pending, open_quotes = pending.rstrip(b"\r\n"), b"", 0
            if text:
                number += 1
                yield number, start, text
        if pending:
            yield number + 1, start, pending.rstrip(b"\r\n")


def wanted_records(
    path: Path, quote: str, delimiter: str, numbers: set[int], offsets: set[int]
) -> tuple[dict[int, str], dict[int, int]]:
    """Original text of the wanted record numbers and of the records that hold the wanted byte offsets, by number;
    and the number of the record that holds each wanted offset."""
    texts: dict[int, str] = {}
    held: dict[int, int] = {}
    waiting = sorted(offsets, reverse=True)
    last = max(numbers, default=0)
    for number, start, text in records(path, quote, delimiter):
        end = start + len(text) + 2
        found = number in numbers
        while waiting and waiting[-1] < end:
            held[waiting.pop()] = number
            found = True
        if found:
            texts[number] = text[: LONGEST * 4].decode("utf-8", "replace")[:LONGEST]
        if not waiting and number >= last:
            break
    return texts, held
