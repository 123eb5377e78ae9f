"""From an object's bytes to plain UTF-8 text on disk, or the reason why it is hopeless as a whole."""

from __future__ import annotations

import codecs
import gzip
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from o9_assets.landing.json_sequence import as_lines
from o9_assets.landing.line_ends import LineEnds, with_one_line_end
from o9_assets.landing.quotes import Quotes
from o9_assets.planning.feeds import Format

__all__ = ["Hopeless", "Plain", "make_plain"]

BLOCK = 4 << 20


class Hopeless(Exception):
    """The object as a whole cannot be read: `reason` counts it, `detail` says what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Plain:
    """An object in readable form: UTF-8 without a byte order mark, whose lines end alike, for text; as it came for
    Parquet.

    `has_nul`: a value may hold a NUL. `lines_are_records`: each line end is known to end a record, for no quote reaches
    over one."""

    path: Path
    has_nul: bool = False
    lines_are_records: bool = True


def make_plain(path: Path, form: Format, folder: Path) -> Plain:
    """Unzip, transcode, validate, and end all lines alike. DuckDB decodes few encodings, so that text reaches it as
    UTF-8; what is that already is looked through and read where it lies.

    Raises Hopeless for an empty object, a truncated or broken gzip, and bytes that are not in the declared encoding.
    """
    with path.open("rb") as source:
        magic = source.read(4)
    if not magic:
        raise Hopeless("empty_object", "the object holds no byte")
    zipped = magic[:2] == b"\x1f\x8b"
    if form.compression == "gzip" and not zipped:
        raise Hopeless("not_gzip", f"declared as gzip, but it begins with {magic!r}")
    if form.type == "parquet":
        if magic != b"PAR1":
            raise Hopeless("not_parquet", f"it begins with {magic!r}")
        return Plain(path)
    if form.compression == "none" and zipped:
        raise Hopeless("unexpected_gzip", "declared as not compressed, but it is gzip")
    sequence = form.type == "jsonl" and form.separated_by == "nothing"
    as_it_lies = (
        form.encoding == "utf-8"
        and not zipped
        and not sequence
        and not magic.startswith(codecs.BOM_UTF8)
        and form.quote.isascii()
    )
    target = path if as_it_lies else folder / uuid.uuid4().hex
    decoder = codecs.getincrementaldecoder("utf-8-sig" if form.encoding == "utf-8" else form.encoding)()
    has_nul, seam, done, ends = False, b"", 0, LineEnds()
    quotes = Quotes(form.quote if form.type == "csv" else "", form.delimiter)

    def decoded(source: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[bytes, str]]:
        """Blocks as they lie, and their text, which nobody wants of those that stay as they lie."""
        nonlocal done
        while block := source.read(BLOCK):
            # What is ASCII is valid, unless it breaks off a character that the last block began.
            valid = as_it_lies and block.isascii() and not decoder.getstate()[0]
            yield block, "" if valid else decoder.decode(block)
            done += len(block)
        yield b"", decoder.decode(b"", final=True)

    try:
        with (
            gzip.open(path, "rb") if zipped else path.open("rb") as opened,
            nullcontext() if as_it_lies else target.open("wb") as sink,
        ):
            blocks: Iterable[tuple[bytes, str]] = decoded(opened)
            if sequence:
                blocks = ((b"", line) for line in as_lines(text for _, text in blocks))
            for block, text in blocks:
                content = block if as_it_lies else text.encode()
                # An escape may begin in one block and end in the next.
                has_nul = has_nul or _holds_nul(content, form) or _holds_nul(seam + content[:5], form)
                seam = (seam + content[-5:])[-5:]
                quotes.see(content)
                ends.see(content)
                if sink is not None:
                    sink.write(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Hopeless("broken_gzip", f"after {done:,} bytes: {error}") from error
    except UnicodeDecodeError as error:
        raise Hopeless(
            "wrong_encoding",
            f"no {form.encoding} near byte {done + error.start:,}: {error.object[error.start : error.end]!r}",
        ) from error
    if target.stat().st_size == 0:
        raise Hopeless("empty_object", "it holds no text")
    if not ends.alike:
        mixed, target = target, folder / uuid.uuid4().hex
        with_one_line_end(mixed, form.quote if quotes.count else "", form.delimiter, target)
    return Plain(target, has_nul, quotes.all_closed)


def _holds_nul(content: bytes, form: Format) -> bool:
    """Whether a value may hold a NUL, which comes into a JSON text by its escape."""
    # One sign is found much quicker than six, and most texts hold no escape.
    return b"\0" in content or (form.type == "jsonl" and b"\\" in content and b"\\u0000" in content)
