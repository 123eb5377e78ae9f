"""What every part of the settings has in common: frozen models, suggestions, and errors that name the key at fault."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

__all__ = ["Model", "Wrong", "fingerprint", "suggest"]


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
