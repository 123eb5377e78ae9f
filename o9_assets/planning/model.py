"""What every part of the settings has in common: frozen models, suggestions, and errors that name the key at fault."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool, StrictFloat, StrictInt

__all__ = ["Day", "Exact", "Flag", "Model", "Number", "Whole", "Wrong", "fingerprint", "suggest"]


def _day(given: object) -> object:
    if isinstance(given, date) or (isinstance(given, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", given, re.ASCII)):
        return given
    raise ValueError(f"{given!r} is no day such as 2026-12-25")


def _exact(given: object) -> object:
    if isinstance(given, int | float | Decimal) and not isinstance(given, bool):
        return given
    raise ValueError(f"must be a number; found {given!r}")


# By themselves pydantic would make 1 of true, 10 of "1_0", true of "off", and a day of any number.
Flag = StrictBool
Whole = StrictInt
Number = StrictFloat
Exact = Annotated[Decimal, BeforeValidator(_exact)]
Day = Annotated[date, BeforeValidator(_day)]


class Model(BaseModel):
    """Settings are frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Wrong(ValueError):
    """Raised by a validator of a whole model: what is wrong with which of its keys, as pairs of path and message."""

    def __init__(self, *found: tuple[tuple[str | int, ...], str]) -> None:
        super().__init__("; ".join(message for _, message in found))
        self.found = found


def suggest(word: str, among: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no word is near."""
    known = list(among)
    folded = {name.casefold(): name for name in reversed(known)}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def fingerprint(*models: BaseModel) -> str:
    """A short hash of parts of the settings, by which a dataset knows that it was made with others. The same content
    gives the same hash in every process, in whatever order its keys stand."""
    text = json.dumps([m.model_dump(mode="json", by_alias=True) for m in models], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
