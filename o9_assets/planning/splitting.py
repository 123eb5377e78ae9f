"""Dividing a quantity so that the parts sum to it exactly."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import overload

__all__ = ["split"]


@overload
def split(total: int, weights: Sequence[int]) -> list[int]: ...
@overload
def split(total: Decimal, weights: Sequence[int]) -> list[Decimal]: ...
@overload
def split(total: int | Decimal, weights: Sequence[int]) -> list[int] | list[Decimal]: ...
def split(total: int | Decimal, weights: Sequence[int]) -> list[int] | list[Decimal]:
    """Divide a quantity by weights (such as a week's over its partial weeks by days); the parts sum to it exactly.

    An integer gives integers, a Decimal gives Decimals with its own number of digits. Largest remainder first (Hare's
    method), the earlier part first among equals. Where all weights are zero the parts are even.
    Raises ValueError for no weights, a negative one, or a total that is no number; TypeError for a float, which cannot
    be divided exactly.
    """
    if not weights or min(weights) < 0:
        raise ValueError("weights must be given and none may be negative")
    if isinstance(total, Decimal):
        sign, digits, exponent = total.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"{total} is no number")
        size = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
        # Built from its digits: arithmetic would round to the context's precision.
        return [
            Decimal((sign, tuple(map(int, str(part))), min(exponent, 0))) for part in _largest_remainder(size, weights)
        ]
    if not isinstance(total, int):
        raise TypeError(f"{total!r} is neither an int nor a Decimal")
    parts = _largest_remainder(abs(total), weights)
    return [-part for part in parts] if total < 0 else parts


def _largest_remainder(size: int, weights: Sequence[int]) -> list[int]:
    shares = list(weights) if any(weights) else [1] * len(weights)
    whole = sum(shares)
    parts = [size * share // whole for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (-(size * shares[i] % whole), i))
    for index in order[: size - sum(parts)]:
        parts[index] += 1
    return parts
