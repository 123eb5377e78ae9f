"""A quantity divided is still the whole quantity."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from o9_assets.planning.splitting import split

QUANTITIES = st.one_of(
    st.integers(-(10**30), 10**30),
    st.decimals(-(10**20), 10**20, places=4, allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal("1E+3"), Decimal("-0.0000"), Decimal("123456789012345678901234567890.1234")]),
)


def exactly(number: int | Decimal) -> int:
    """Ten-thousandths, without a rounding context."""
    if isinstance(number, int):
        return number * 10_000
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    size: int = int("".join(map(str, digits))) * 10 ** (exponent + 4)
    return -size if sign else size


@given(QUANTITIES, st.lists(st.integers(0, 7), min_size=1, max_size=7))
def test_the_parts_sum_to_the_whole_and_are_as_even_as_can_be(total: Any, weights: list[int]) -> None:
    parts = split(total, weights)
    assert sum(map(exactly, parts)) == exactly(total)
    assert all(type(part) is type(total) for part in parts)
    assert all(exactly(part) * exactly(total) >= 0 for part in parts)
    exponent = total.as_tuple().exponent if isinstance(total, Decimal) else 0
    assert isinstance(exponent, int)
    step, whole = 10 ** (4 + min(exponent, 0)), sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        if whole:
            assert abs(exactly(part) * whole - exactly(total) * weight) < step * whole, "more than one step off"
            assert weight or not part, "no weight, no part"


def test_the_largest_remainder_comes_first() -> None:
    assert split(10, [3, 4]) == [4, 6]
    assert split(-10, [3, 4]) == [-4, -6]
    assert split(Decimal("1.00"), [1, 1, 1]) == [Decimal("0.34"), Decimal("0.33"), Decimal("0.33")]
    assert split(Decimal("-0.0001"), [1, 6]) == [0, Decimal("-0.0001")]
    assert split(5, [0, 0]) == [3, 2]


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_weights_that_make_no_sense_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(1, weights)


def test_what_cannot_be_divided_exactly_is_refused() -> None:
    with pytest.raises(TypeError, match=r"0\.1 is neither an int nor a Decimal"):
        split(0.1, [1])  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="NaN is no number"):
        split(Decimal("NaN"), [1])
