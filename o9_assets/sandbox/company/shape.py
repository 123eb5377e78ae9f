"""What the sample company is: its items, ship-to locations and units, drawn once from the seed.

Everything that happens in it (orders, stock, promotions) belongs to the other files of this package. Numbers are
integers wherever a total must be exact: quantities in thousandths, factors in millionths, prices in cents.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from o9_assets.sandbox.company.days import FULL_HISTORY_DAYS, LAST_DAY, Array, as_days

__all__ = ["CASE", "CHANNELS", "EACH", "KILOGRAM", "UNITS", "UNKNOWN", "Company", "build_company"]

CHANNELS = ("RETAIL", "WHOLESALE", "ONLINE")
UNITS = ("EA", "CASE", "KG", "KAR")  # KAR is what a clerk typed: no master knows it
EACH, CASE, KILOGRAM, UNKNOWN = range(4)

#             category,  brands,                     EUR cents, amplitude, peak (day of the year)
CATEGORIES = (
    ("Chocolate", ("Alpenherz", "Nussini"), (129, 499), 0.45, 345),
    ("Biscuits", ("Krümelmann", "Nussini"), (99, 349), 0.20, 330),
    ("Müsli", ("Morgenrot", "Kornblume"), (249, 599), 0.15, 25),
    ("Iced tea", ("Eisvogel", "Teezeit"), (79, 199), 0.60, 195),
    ("Soup", ("Großmutters Topf",), (149, 399), 0.40, 15),
    ("Cheese", ("Bergwiese",), (890, 2490), 0.10, 350),  # sold by weight
)
PLACES = (
    ("Hamburg", "North", "DE"),
    ("Berlin", "East", "DE"),
    ("München", "South", "DE"),
    ("Köln", "West", "DE"),
    ("Leipzig", "East", "DE"),
    ("Wien", "Austria", "AT"),
    ("Zürich", "Switzerland", "CH"),
    ("Stuttgart", "South", "DE"),
)
# class, share of items, chance of an order line on an ordinary day, mean quantity per line
CLASSES = (("A", 0.20, 0.75, 40.0), ("B", 0.30, 0.40, 16.0), ("C", 0.25, 0.20, 8.0), ("intermittent", 0.25, 0.04, 12.0))


@dataclass(frozen=True)
class Company:
    """Items and locations as arrays; a row of each is one item or one location. Days are days since EPOCH."""

    seed: int
    scale: float
    first_day: int
    last_day: int
    item_codes: tuple[str, ...]
    item_category: Array  # index into CATEGORIES
    item_class: Array  # index into CLASSES
    price_cents: Array  # per base unit
    case_factor: Array  # base units in a case, millionths
    listed_from: Array  # first day that an item can be ordered
    delisted_from: Array  # first day on which it no longer can; a day far away where it stays
    line_chance: Array  # chance of an order line of an ordinary day and location
    line_quantity: Array  # mean quantity of a line, base units
    trend: Array  # growth a year as a fraction
    location_codes: tuple[str, ...]
    location_names: tuple[str, ...]
    location_customers: tuple[str, ...]
    location_regions: tuple[str, ...]
    location_countries: tuple[str, ...]
    location_channel: Array  # index into CHANNELS
    location_size: Array
    assortment: Array  # [item, location]: does the location sell the item

    @property
    def item_count(self) -> int:
        return len(self.item_codes)

    @property
    def location_count(self) -> int:
        return len(self.location_codes)

    @property
    def item_names(self) -> tuple[str, ...]:
        return tuple(f"{CATEGORIES[c][0]} No. {1000 + i}" for i, c in enumerate(self.item_category))

    @property
    def item_brands(self) -> tuple[str, ...]:
        return tuple(CATEGORIES[c][1][i % len(CATEGORIES[c][1])] for i, c in enumerate(self.item_category))

    @property
    def item_category_names(self) -> tuple[str, ...]:
        return tuple(CATEGORIES[c][0] for c in self.item_category)

    @cached_property
    def by_weight(self) -> Array:
        """Items that are counted in kilograms."""
        weighed: Array = self.item_category == len(CATEGORIES) - 1
        return weighed

    def base_unit(self, item: Array) -> Array:
        return np.where(self.by_weight[item], KILOGRAM, EACH)

    def season(self, day: int) -> Array:
        """Factor of the season and the trend per item on a day; 1 on average."""
        amplitude = np.array([c[3] for c in CATEGORIES])[self.item_category]
        peak = np.array([c[4] for c in CATEGORIES])[self.item_category]
        years = (day - as_days(LAST_DAY)) / 365.25
        wave = 1 + amplitude * np.cos(2 * np.pi * ((day + 5 - peak) / 365.25))  # EPOCH is the sixth day of a year
        factor: Array = wave * np.exp(self.trend * years)
        return factor


def build_company(seed: int, scale: float, days: int | None = None) -> Company:
    """The company of a seed: 60 items and 8 locations at scale 1, both growing with its square root."""
    if scale <= 0:
        raise ValueError(f"scale is {scale}; it must be above 0")
    if days is not None and not 7 <= days <= FULL_HISTORY_DAYS:
        raise ValueError(f"days is {days}; it must be 7 to {FULL_HISTORY_DAYS}")
    draw = np.random.default_rng([seed, 1])
    items = max(24, round(60 * scale**0.5))
    locations = max(4, round(8 * scale**0.5))
    last = as_days(LAST_DAY)

    shares = np.cumsum([share for _, share, _, _ in CLASSES])
    item_class = np.searchsorted(shares, (np.arange(items) + 0.5) / items)
    category = np.arange(items) % len(CATEGORIES)
    low, high = (np.array([c[2][side] for c in CATEGORIES])[category] for side in (0, 1))
    chance, quantity = (np.array([c[part] for c in CLASSES])[item_class] for part in (2, 3))
    case = np.where(category == len(CATEGORIES) - 1, 5, draw.choice([6, 12, 24], items)) * 1_000_000

    places = [PLACES[k % len(PLACES)] for k in range(locations)]
    return Company(
        seed=seed,
        scale=scale,
        first_day=last - (days or FULL_HISTORY_DAYS) + 1,
        last_day=last,
        item_codes=tuple(f"FG-{1000 + i}" for i in range(items)),
        item_category=category,
        item_class=item_class,
        price_cents=draw.integers(low, high + 1),
        case_factor=case,
        listed_from=np.full(items, last - FULL_HISTORY_DAYS + 1),
        delisted_from=np.full(items, last + 10_000),
        line_chance=chance,
        line_quantity=quantity * draw.lognormal(0, 0.3, items),
        trend=draw.uniform(-0.06, 0.12, items),
        location_codes=tuple(f"ST-{100 + k}" for k in range(locations)),
        location_names=tuple(f"{place[0]} {k // len(PLACES) + 1}" for k, place in enumerate(places)),
        location_customers=tuple(f"CU-{10 + k * 5 // 8}" for k in range(locations)),
        location_regions=tuple(place[1] for place in places),
        location_countries=tuple(place[2] for place in places),
        location_channel=np.array([(0, 1, 0, 0, 1, 0, 2, 0)[k % 8] for k in range(locations)]),
        location_size=draw.uniform(0.5, 2.0, locations),
        assortment=draw.random((items, locations)) < np.where(item_class == 0, 1.0, 0.75)[:, None],
    )
