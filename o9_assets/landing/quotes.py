"""Quote signs of a text, looked at block by block: how many there are, and whether one reaches over a line end.

Where none does, every line end ends a record, and several threads can read the text from any line on.
"""

from __future__ import annotations

import re

__all__ = ["Quotes", "closed_line"]

LOOKED_AT = 10_000
"""Lines with a quote that are looked at. A file with more is one that quotes everything, and is read by one thread."""
LONGEST_LINE = 8 << 20


def closed_line(sign: str, delimiter: str, *, strays: bool) -> re.Pattern[bytes]:
    """Matches a line, without its line feed, that closes each quote which it opens, as the parser sees it: only a quote
    that begins a value opens one, and what follows its end belongs to the value. Whether `strays`, quotes that open and
    end nothing, may stand in it."""
    quote, between = re.escape(sign), re.escape(delimiter)
    other = f"[^{between}\r\n]" if len(delimiter.encode()) == 1 else f"(?:(?!{between})[^\r\n])"
    other = other if strays else f"(?:(?!{quote}){other})"
    field = f"(?:{quote}(?:[^{quote}\r\n]|{quote}{quote})*+{quote}{other}*+|(?!{quote}){other}*+)"
    return re.compile(f"{field}(?:{between}{field})*+\r?".encode())


class Quotes:
    """Counts the `sign`s of a text whose fields a `delimiter` parts; an empty sign is found nowhere."""

    def __init__(self, sign: str, delimiter: str) -> None:
        self._sign = sign.encode()
        self.count = 0
        self._looking = bool(sign) and len(delimiter) == 1 and delimiter != sign
        self._looked_at, self._rest = 0, b""
        self._closed = closed_line(sign, delimiter, strays=False) if self._looking else None

    def see(self, content: bytes) -> None:
        """The next block of the text."""
        found = content.count(self._sign) if self._sign and self._sign in content else 0
        self.count += found
        if not self._looking:
            return
        if found or self._sign in self._rest:
            content = self._rest + content
            cut = content.rfind(b"\n") + 1
            self._look(content, cut)
        else:
            cut = content.rfind(b"\n") + 1
            content = content if cut else self._rest + content
        self._rest = content[cut:]
        self._looking = self._looking and len(self._rest) <= LONGEST_LINE

    @property
    def all_closed(self) -> bool:
        """Whether every quote seen was closed in its line; false as well where there were too many to look at."""
        if not self.count:
            return True
        return self._looking and self._is_closed(self._rest)

    def _look(self, content: bytes, until: int) -> None:
        """Look at the lines with a quote of the first bytes, which are whole lines."""
        place = 0
        while self._looking and (place := content.find(self._sign, place, until)) >= 0:
            begin, end = content.rfind(b"\n", 0, place) + 1, content.find(b"\n", place)
            self._looked_at += 1
            self._looking = self._looked_at <= LOOKED_AT and self._is_closed(content[begin:end])
            place = end

    def _is_closed(self, line: bytes) -> bool:
        return self._closed is not None and self._closed.fullmatch(line) is not None
