"""How an object of a feed is written: file type, encoding, signs, and the formats of days and moments."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from o9_assets.planning.model import Model, Wrong, suggest

__all__ = ["NAMED_TIMES", "Format", "TimeFormat", "signs"]

NAMED_TIMES = ("iso8601", "epoch_ms")
"""2026-01-31T10:00:00.123+01:00 with or without zone and fraction, and milliseconds since 1970."""
_SIGNS = frozenset("aAbBdHIjmMpSfgnyYz%")
_USUAL = (
    *(("YYYY", "%Y"), ("yyyy", "%Y"), ("MMM", "%b"), ("MM", "%m"), ("DD", "%d"), ("dd", "%d")),
    *(("HH24", "%H"), ("HH", "%H"), ("hh", "%H"), ("mi", "%M"), ("MI", "%M"), ("mm", "%M"), ("SS", "%S"), ("ss", "%S")),
    *(("YY", "%y"), ("yy", "%y")),
)
# Python counts these among encodings of text, and no file is written in them.
_NO_FILE = frozenset(("undefined", "idna", "punycode", "unicode-escape", "raw-unicode-escape"))
_ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "cp850", "iso8859-15")


def signs(form: str) -> set[str]:
    """The signs of a strptime format, without the % before them."""
    return set(re.findall(r"%-?(.?)", form))


def _time_format(value: str) -> str:
    """A strptime format that says which day is meant, or one of the named formats."""
    if value in NAMED_TIMES:
        return value
    found = signs(value)
    if not found:
        meant = value
        for letters, sign in _USUAL:
            meant = meant.replace(letters, sign)
        raise ValueError(f"{value!r} is no strptime format" + (f"; did you mean {meant!r}?" if "%" in meant else ""))
    if "Z" in found:
        # CST is three zones, and which one a library takes nobody has said.
        raise ValueError(
            "%Z, the name of a zone, is not read, for many names stand for several zones; write %z where texts have "
            "offsets such as +0200, or the name itself, as in '%H:%M:%S UTC', and the zone under timezone"
        )
    if "I" in found and "p" not in found:
        raise ValueError(f"{value!r} does not tell morning from evening: %I goes with %p (AM, PM); 0 to 23 is %H")
    if unknown := found - _SIGNS:
        raise ValueError(f"%{min(unknown)} is no sign of strptime; usual are %Y %m %d %H %M %S")
    if not (found & {"Y", "y"} and ((found & {"m", "b", "B"} and "d" in found) or "j" in found)):
        raise ValueError(f"{value!r} names no day: it needs a year, a month and a day, such as %Y-%m-%d")
    return value


TimeFormat = Annotated[str, AfterValidator(_time_format)]


class Format(Model):
    """How an object of the feed is written."""

    type: Literal["csv", "parquet", "jsonl"] = Field(description="csv, parquet, or jsonl (a JSON object a line)")
    delimiter: str = Field(",", min_length=1, max_length=4, description="What parts the fields of a CSV record")
    header: tuple[str, ...] | None = Field(
        None, min_length=1, description="Names of the columns, in order, of CSV files that have no header line"
    )
    quote: str = Field('"', max_length=1, description="What quotes a CSV field; empty for nothing")
    encoding: str = Field("utf-8", description="utf-8, utf-16, latin-1, cp1252 or any other that Python knows")
    decimal: Literal[".", ","] = Field(".", description="Decimal sign of numbers")
    thousands: Literal["", ".", ",", " ", "'"] = Field("", description="Sign between thousands, where one is written")
    compression: Literal["none", "gzip", "auto"] = Field("auto", description="auto looks at the first bytes")
    separated_by: Literal["lines", "nothing"] = Field(
        "lines",
        description="jsonl: nothing where objects follow each other without line breaks, as Firehose writes them",
    )
    timestamp: TimeFormat = Field(
        "%Y-%m-%d %H:%M:%S",
        description="strptime format of moments, in local time unless it has %z; or iso8601, or epoch_ms",
    )
    date: TimeFormat = Field("%Y-%m-%d", description="strptime format of days")
    nulls: tuple[str, ...] = Field(("",), description="Texts that mean no value")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            found = codecs.lookup(value)
        except LookupError as error:
            raise ValueError(
                f"{value!r} is no encoding; {', '.join(_ENCODINGS)} are usual{suggest(value, _ENCODINGS)}"
            ) from error
        if not found._is_text_encoding or found.name.replace("_", "-") in _NO_FILE:
            raise ValueError(f"{value!r} is no encoding of text; {', '.join(_ENCODINGS)} are usual")
        return found.name

    @field_validator("delimiter")
    @classmethod
    def _delimiter(cls, value: str) -> str:
        if re.search(r"[\w\r\n]", value):
            raise ValueError(f'{value!r} is no delimiter, such as ";" or "|"; a tab is written "\\t" in double quotes')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Format:
        means_nothing = {"csv": ("separated_by",), "jsonl": ("delimiter", "quote", "header")}.get(
            self.type, ("delimiter", "quote", "header", "encoding", "compression", "separated_by")
        )
        found: list[tuple[tuple[str | int, ...], str]]
        found = [((name,), f"means nothing for {self.type}") for name in means_nothing if name in self.model_fields_set]
        for index, column in enumerate(self.header or ()):
            if column in (self.header or ())[:index]:
                found.append((("header", index), f"{column!r} stands above as well"))
        if self.type == "csv" and self.quote and self.quote in self.delimiter:
            found.append((("quote",), f"{self.quote!r} is the delimiter as well"))
        if self.thousands == self.decimal:
            found.append((("thousands",), f"{self.thousands!r} is the decimal sign as well"))
        if found:
            raise Wrong(*found)
        return self
