"""What is planted in the company for tests and demonstrations to find, with its dates counted back from the last day.

Planted is what happens to the business (promotions, stock-outs, transitions, a move, a changed factor) and to the
deliveries (late, missing, broken). What happens to single order lines is in changes.py.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from o9_assets.sandbox.company.days import Array
from o9_assets.sandbox.company.shape import Company

__all__ = ["FactorChange", "Move", "Planted", "Promotion", "StockOut", "Transition", "plant"]


@dataclass(frozen=True)
class Promotion:
    """A price cut of an item that multiplies the quantity requested within its days by `uplift`."""

    promotion_id: str
    item: int
    location: int | None  # None is everywhere
    start: int
    end: int
    discount_percent: int
    uplift: float


@dataclass(frozen=True)
class StockOut:
    """Days (inclusive) on which a location had nothing of an item: stock is 0 and nothing was ordered for them."""

    item: int
    location: int
    start: int
    end: int


@dataclass(frozen=True)
class Transition:
    """`successor` is ordered instead of `item` from the day `effective` on."""

    item: int
    successor: int
    effective: int


@dataclass(frozen=True)
class Move:
    """A customer whose locations belong to another region from a day on."""

    customer: str
    from_region: str
    to_region: str
    effective: int


@dataclass(frozen=True)
class FactorChange:
    """The units in a case of an item change on a day."""

    item: int
    from_factor: int  # millionths
    to_factor: int
    effective: int


@dataclass(frozen=True)
class Planted:
    """All of it; days are days since EPOCH."""

    promotions: tuple[Promotion, ...]
    stock_outs: tuple[StockOut, ...]
    transitions: tuple[Transition, ...]
    move: Move
    factor_change: FactorChange
    late_days: tuple[int, ...]  # their files arrive after all others
    missing_days: tuple[int, ...]  # their files never arrive
    outside_master: int  # an item that orders name and the master does not

    @cached_property
    def flawed_days(self) -> Array:
        return np.array(self.late_days + self.missing_days)

    def uplift(self, company: Company, day: int) -> Array:
        """[item, location]: what the day's promotions multiply quantities by."""
        factor = np.ones((company.item_count, company.location_count))
        for promotion in self.promotions:
            if promotion.start <= day <= promotion.end:
                where = slice(None) if promotion.location is None else promotion.location
                factor[promotion.item, where] = promotion.uplift
        return factor

    def out_of_stock(self, company: Company, day: int) -> Array:
        """[item, location]: True where nothing was in stock that day."""
        out = np.zeros((company.item_count, company.location_count), dtype=bool)
        for gap in self.stock_outs:
            if gap.start <= day <= gap.end:
                out[gap.item, gap.location] = True
        return out

    def factor(self, company: Company, item: Array, day: Array) -> Array:
        """Base units in a case, millionths, of items on days."""
        change = self.factor_change
        changed = (item == change.item) & (day >= change.effective)
        return np.where(changed, change.to_factor, company.case_factor[item])


def plant(company: Company) -> tuple[Company, Planted]:
    """Draw what happens; returns the company with the dates and levels that transitions give its items."""
    draw = np.random.default_rng([company.seed, 2])
    last = company.last_day
    by_class = [np.flatnonzero(company.item_class == k) for k in range(4)]
    a_items, b_items, c_items = by_class[0], by_class[1], by_class[2]

    transitions = (
        Transition(int(a_items[-1]), int(b_items[-1]), last - 202),
        Transition(int(b_items[-3]), int(c_items[-1]), last - 412),  # a chain of two
        Transition(int(c_items[-1]), int(c_items[-2]), last - 146),
    )
    listed, delisted = company.listed_from.copy(), company.delisted_from.copy()
    chance, quantity = company.line_chance.copy(), company.line_quantity.copy()
    category, assortment = company.item_category.copy(), company.assortment.copy()
    case_factor, price = company.case_factor.copy(), company.price_cents.copy()
    for step in transitions:  # the successor goes on where its predecessor stops: same category, level and places
        delisted[step.item] = listed[step.successor] = step.effective
        for values in (chance, quantity, category, assortment, case_factor, price):
            values[step.successor] = values[step.item]
    listed[c_items[0]] = last - 300  # a new item without a predecessor
    delisted[c_items[1]] = last - 90  # an item that goes without a successor
    company = replace(
        company,
        item_category=category,
        listed_from=listed,
        delisted_from=delisted,
        line_chance=chance,
        line_quantity=quantity,
        assortment=assortment,
        case_factor=case_factor,
        price_cents=price,
    )

    ordinary = a_items[1:-1]
    wholesale = np.flatnonzero(company.location_channel == 1)
    in_pieces = [int(i) for i in ordinary if not company.by_weight[i]]
    factor_item = in_pieces[0]
    old_factor = int(company.case_factor[factor_item])
    stock_outs = tuple(
        StockOut(int(item), int(draw.integers(company.location_count)), last - back, last - back + length - 1)
        for item, back, length in zip(
            [i for i in ordinary if i != factor_item][:4], (55, 118, 250, 600), (14, 12, 21, 28), strict=False
        )
    )
    moved = company.location_customers[int(wholesale[-1])]
    region = company.location_regions[company.location_customers.index(moved)]
    return company, Planted(
        promotions=_promotions(company, draw, np.concatenate([ordinary, b_items[:-3]]), stock_outs),
        stock_outs=stock_outs,
        transitions=transitions,
        move=Move(moved, region, "West" if region != "West" else "North", last - 167),
        factor_change=FactorChange(factor_item, old_factor, old_factor * 5 // 6, last - 95),
        late_days=tuple(range(last - 34, last - 28)),  # Monday to Saturday of one week
        missing_days=(last - 60,),  # one Wednesday
        outside_master=int([i for i in by_class[3] if not company.by_weight[i]][-1]),
    )


def _promotions(
    company: Company, draw: np.random.Generator, items: Array, stock_outs: tuple[StockOut, ...]
) -> tuple[Promotion, ...]:
    """Two weeks of promotion about every half-year per item, one in three at one location only; some to come."""
    first = company.last_day - 157 * 7 + 1
    taken = {gap.item for gap in stock_outs}
    promotions: list[Promotion] = []
    for item in items:
        start = first + 7 * int(draw.integers(2, 26))
        while start < company.last_day + 12 * 7:
            discount = int(draw.integers(2, 7)) * 5
            uplift = round(1 + discount / 100 * float(draw.uniform(3.0, 4.5)), 2)
            where = None if draw.random() < 0.67 else int(draw.integers(company.location_count))
            if item not in taken:
                code = f"PR-{len(promotions) + 1:05d}"
                promotions.append(Promotion(code, int(item), where, start, start + 13, discount, uplift))
            start += 7 * int(draw.integers(20, 34))
    return tuple(promotions)
