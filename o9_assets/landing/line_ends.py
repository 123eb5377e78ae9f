"""Line ends of a text: whether its lines end alike, as the parser wants them, and the same text with one end for all.

Of a text whose lines end now in one way, now in another, the parser passes over records and says nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from o9_assets.landing.records import records

__all__ = ["LineEnds", "with_one_line_end"]

BLOCK = 4 << 20
RETURN, FEED = b"\r\n"


class LineEnds:
    """Looks at a text block by block; a line feed within quotes counts as well, for what is within is not known yet."""

    def __init__(self) -> None:
        self._feeds = self._pairs = self._mixed = False
        self._rest = b""

    def see(self, content: bytes) -> None:
        """The next block of the text."""
        if self._mixed or not content:
            return
        content = self._rest + content if self._rest else content
        self._rest = b""
        if b"\r" not in content:
            self._feeds = self._feeds or b"\n" in content
        else:
            import numpy as np

            if content.endswith(b"\r"):
                content, self._rest = content[:-1], b"\r"
            signs = np.frombuffer(content, np.uint8)
            # A line feed follows each carriage return, and nothing else.
            returns, feeds = np.flatnonzero(signs == RETURN), np.flatnonzero(signs == FEED)
            self._pairs, self._mixed = True, not np.array_equal(returns + 1, feeds)
        self._mixed = self._mixed or (self._pairs and self._feeds)

    @property
    def alike(self) -> bool:
        """Whether all lines seen end with a line feed, or all with a carriage return and a line feed."""
        return not self._mixed and not self._rest


def with_one_line_end(path: Path, quote: str, delimiter: str, target: Path) -> None:
    """Write the same records to `target`, each ended by a line feed. What is quoted keeps its line breaks; without a
    `quote`, every break is one between records."""
    if quote:
        with target.open("wb") as sink:
            sink.writelines(text + b"\n" for _, _, text in records(path, quote, delimiter))
    else:
        with path.open(encoding="utf-8") as source, target.open("w", encoding="utf-8", newline="\n") as lines:
            shutil.copyfileobj(source, lines, BLOCK)
