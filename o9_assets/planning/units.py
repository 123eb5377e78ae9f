"""Units of measure: how many base units a quantity is on a day.

The one-row form of what demand/unit_factors.sql does for all rows at once; a test holds the two together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

__all__ = ["EVERY_ITEM", "Conversion", "Conversions", "Converted", "UnitIssue"]

EVERY_ITEM = "*"
UnitIssue = Literal["missing_uom", "unknown_uom", "uom_not_yet_valid", "factor_not_positive", "quantity_out_of_range"]

_QUANTUM = Decimal("0.0001")
_LIMIT = Decimal(10) ** 14  # decimal(18,4)
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Conversion:
    """From `valid_from_date` on, one `uom_code` of an item (or of every item, `*`) holds `factor` base units."""

    item_code: str
    uom_code: str
    valid_from_date: date
    factor: Decimal


@dataclass(frozen=True, slots=True)
class Converted:
    """A quantity in base units with four digits, or the reason why there is none."""

    quantity: Decimal | None
    issue: UnitIssue | None = None


class Conversions:
    """Effective-dated conversions to base units.

    `base_uoms` has the base unit of items whose master names one, `base_uom` that of all others. An item's own factors
    go before those of every item from the first day on which it has one; before that day those of every item hold. The
    base unit itself is always 1. Of two conversions with equal item, unit and day the later one given wins.
    """

    def __init__(
        self,
        conversions: Iterable[Conversion],
        base_uom: str,
        base_uoms: Mapping[str, str] | None = None,
        missing_uom: str | None = None,
    ) -> None:
        self._base_uom, self._base_uoms, self._missing_uom = base_uom, dict(base_uoms or {}), missing_uom
        by_key: dict[tuple[str, str], dict[date, Decimal]] = {}
        for one in conversions:
            by_key.setdefault((one.item_code, one.uom_code), {})[one.valid_from_date] = one.factor
        self._steps = {key: sorted(steps.items()) for key, steps in by_key.items()}

    def factor(self, item_code: str, uom_code: str, day: date) -> Decimal | None:
        """Base units in one unit on a day; None where no conversion holds yet.

        Raises KeyError for a unit that the item never has.
        """
        if uom_code == self._base_uoms.get(item_code, self._base_uom):
            return Decimal(1)
        keys = [key for key in ((item_code, uom_code), (EVERY_ITEM, uom_code)) if key in self._steps]
        if not keys:
            raise KeyError(uom_code)
        for key in keys:
            steps = self._steps[key]
            if at := bisect_right(steps, day, key=lambda step: step[0]):
                return steps[at - 1][1]
        return None

    def to_base(self, quantity: Decimal, item_code: str, uom_code: str | None, day: date) -> Converted:
        """The quantity in base units, rounded half away from zero to four digits, or why it cannot be told."""
        unit = uom_code if uom_code is not None else self._missing_uom
        if unit is None:
            return Converted(None, "missing_uom")
        try:
            factor = self.factor(item_code, unit, day)
        except KeyError:
            return Converted(None, "unknown_uom")
        if factor is None:
            return Converted(None, "uom_not_yet_valid")
        if factor <= 0:
            return Converted(None, "factor_not_positive")
        product = _EXACT.multiply(quantity, factor).quantize(_QUANTUM, rounding=ROUND_HALF_UP, context=_EXACT)
        return Converted(product) if abs(product) < _LIMIT else Converted(None, "quantity_out_of_range")
