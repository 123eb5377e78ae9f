"""JSON objects that follow each other without line breaks, as Firehose writes them, brought to one a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

__all__ = ["as_lines"]

LONGEST = 16 << 20
"""Characters that are looked through for the end of a record before it is taken for broken."""
_SOMETHING = re.compile(r"\S|\Z")
_NEXT = re.compile(r"\n|(?<=\})(?=\s*\{)")
_DECODER = json.JSONDecoder()


def as_lines(texts: Iterable[str]) -> Iterator[str]:
    """The records of a text that comes in pieces, each with a line break at its end and none inside.

    What is no JSON goes up to the next line break or the next object, and is a record too, for landing to set aside.
    """
    left = iter(texts)
    held, ended = "", False
    while True:
        place = _start(held, 0)
        while place < len(held):
            try:
                _, end = _DECODER.raw_decode(held, place)
            except (ValueError, RecursionError):  # the latter: nested deeper than Python follows
                if not ended and len(held) - place < LONGEST:
                    break  # the rest of it may be in the next piece
                found = _NEXT.search(held, place + 1)
                if found is None and not ended:
                    break
                end = len(held) if found is None else found.start()
            else:
                if end == len(held) and not ended:
                    break  # a number may go on
            yield held[place:end].replace("\r", " ").replace("\n", " ").rstrip() + "\n"
            place = _start(held, end)
        held = held[place:]
        if ended:
            return
        # A piece as long as what is held keeps the work in proportion to the text.
        more, wanted = [], len(held)
        for text in left:
            more.append(text)
            wanted -= len(text)
            if wanted <= 0:
                break
        else:
            ended = True
        held += "".join(more)


def _start(text: str, place: int) -> int:
    """Where the next record begins; the text's end where none does."""
    found = _SOMETHING.search(text, place)
    return len(text) if found is None else found.start()
