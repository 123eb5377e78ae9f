"""Numbers as the text and the types of files: whole columns at a time, through Arrow."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from o9_assets.sandbox.company.days import Array, as_date

__all__ = ["as_cents", "as_decimal", "as_quantity", "codes", "day_text", "moment_text"]


def codes(names: Sequence[str], index: Array) -> pa.Array:
    """The names that an index points at."""
    return pa.array(names, pa.string()).take(pa.array(index))


def as_quantity(thousandths: Array, mark: str) -> pa.Array:
    """`1500` is `1,5` with a decimal comma; quantities are multiples of 0.5."""
    size = np.abs(thousandths)
    sign = np.where(thousandths < 0, "-", "")
    whole = pa.array(size // 1000).cast(pa.string())
    half = pa.array(np.where(size % 1000 == 0, "", f"{mark}5"))
    return pc.binary_join_element_wise(pa.array(sign), whole, half, "")


def as_cents(cents: Array, mark: str) -> pa.Array:
    """`129` is `1,29` with a decimal comma."""
    part = pa.array(cents % 100 + 100).cast(pa.string())
    return pc.binary_join_element_wise(pa.array(cents // 100).cast(pa.string()), pc.utf8_slice_codeunits(part, 1), mark)


def as_decimal(scaled: Array, precision: int, scale: int) -> pa.Array:
    """Integers as decimal(precision, scale) without a detour through floats: `15000` with scale 4 is 1.5."""
    words = np.empty((len(scaled), 2), dtype="<i8")
    words[:, 0] = scaled
    words[:, 1] = scaled >> 63
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(scaled), [None, pa.py_buffer(words.tobytes())])


@lru_cache(maxsize=4)
def _days(form: str) -> pa.Array:
    return pa.array([as_date(k).strftime(form) for k in range(-2500, 3000)])


@lru_cache(maxsize=1)
def _times() -> pa.Array:
    return pa.array([f" {s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)])


def day_text(days: Array, form: str = "%d.%m.%Y", known: Array | None = None) -> pa.Array:
    """Days as text; empty where not known."""
    text = _days(form).take(pa.array(days + 2500))
    return text if known is None else pc.if_else(pa.array(known), text, "")


def moment_text(seconds: Array) -> pa.Array:
    """Seconds since EPOCH as `31.12.2025 13:59:00`."""
    return pc.binary_join_element_wise(day_text(seconds // 86_400), _times().take(pa.array(seconds % 86_400)), "")
