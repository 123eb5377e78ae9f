"""The market around the company, as data providers would sell it: sell-out of two retail chains, weather and consumer
confidence, and the product reference. Files lie as AWS Data Exchange exports revisions.

Sell-out follows what the company's customers mean to buy, without what happens to single orders. Two things are
planted: a product that the reference lacks, and a region in which the company has no location.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from o9_assets.sandbox.company.days import Array, as_date
from o9_assets.sandbox.company.planted import Planted
from o9_assets.sandbox.company.shape import Company

__all__ = ["UNKNOWN_REGION", "market_files", "market_truth"]

REVISION_WEEKS = 4
SELL_OUT_WEEKS = 104
OUTLOOK_WEEKS = 6
CONFIDENCE_DELAY_WEEKS = 4
# our region: the provider's name, and the mean temperature of its year
REGIONS = {
    "North": ("Nord", 9.5),
    "East": ("Ost", 10.0),
    "South": ("Süd", 9.0),
    "West": ("West", 10.8),
    "Austria": ("Österreich", 9.2),
}
UNKNOWN_REGION = "Luxemburg"
#            chain,       code of an item,   share of the market
RETAILERS = (("NORDKAUF", "NK-{:05d}", 0.6), ("ALPENMARKT", "8{:06d}", 0.4))
WEEK_OF_LINES = 5.55  # ordinary days in a week, by the weekday pattern of orders
PACK_OF_WEIGHED = 250  # thousandths of a kilogram


def gtin(item: int) -> str:
    """A GTIN-13 with its check digit."""
    digits = f"4012345{item:05d}"
    total = sum(int(d) * (3 if k % 2 else 1) for k, d in enumerate(digits))
    return digits + str(-total % 10)


def _weeks(company: Company, count: int) -> list[int]:
    """Last days (Sundays) of the latest whole weeks of the history, oldest first."""
    return [
        day
        for day in range(company.last_day - 7 * (count - 1), company.last_day + 1, 7)
        if day - 6 >= company.first_day
    ]


def _revisions(company: Company, weeks: list[int]) -> Iterator[tuple[int, list[int]]]:
    """The day of each revision and the weeks that it brings."""
    for start in range(len(weeks) % REVISION_WEEKS - REVISION_WEEKS, len(weeks), REVISION_WEEKS):
        part = weeks[max(start, 0) : start + REVISION_WEEKS]
        if part:
            yield part[-1], part


def _name(data_set: str, day: int) -> str:
    """As exported with the key pattern ${Revision.CreatedAt}/${Asset.Name}."""
    return f"data_exchange/{data_set}/{as_date(day)}T18:00:00.000Z/{data_set}.csv"


def _outside_reference(company: Company) -> int:
    """The item that the product reference lacks."""
    return int(np.flatnonzero(company.item_class == 1)[0])


def _packs(company: Company, planted: Planted, week_end: int) -> tuple[Array, Array, Array, Array]:
    """Item, region, retailer (indices) and packs that shops sold in a week; nothing where nothing was sold."""
    middle = week_end - 3
    names = list(REGIONS)
    region = np.array([names.index(r) if r in names else -1 for r in company.location_regions])
    moved = np.array([who == planted.move.customer for who in company.location_customers])
    if middle >= planted.move.effective:
        region[moved] = names.index(planted.move.to_region)
    listed = (company.listed_from <= middle) & (middle < company.delisted_from)
    rate = company.line_chance * company.line_quantity * company.season(middle) * listed * WEEK_OF_LINES
    base = (rate[:, None] * company.location_size * company.assortment).astype(float)
    by_region = np.stack([base[:, region == k].sum(axis=1) for k in range(len(names))], axis=1)
    size = np.where(company.by_weight, PACK_OF_WEIGHED / 1000, 1.0)
    draw = np.random.default_rng([company.seed, 11, week_end])
    share = np.array([s for _, _, s in RETAILERS])
    packs = (
        by_region[:, :, None]
        / size[:, None, None]
        * share
        * draw.lognormal(-0.05, 0.12, (*by_region.shape, len(share)))
    )
    whole = np.rint(packs).astype(np.int64)
    item, where, retailer = np.nonzero(whole)
    return item, where, retailer, whole[item, where, retailer]


def market_files(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    """(feed, object name, content, rows) of every third-party file that exists on the company's last day."""
    yield from _sell_out(company, planted)
    yield from _drivers(company)
    yield from _products(company)


def _sell_out(company: Company, planted: Planted) -> Iterator[tuple[str, str, bytes, int]]:
    providers = [name for name, _ in REGIONS.values()]
    for day, weeks in _revisions(company, _weeks(company, SELL_OUT_WEEKS)):
        rows = []
        for week_end in weeks:
            end = as_date(week_end)
            for item, where, retailer, packs in zip(*_packs(company, planted, week_end), strict=True):
                chain, code, _ = RETAILERS[retailer]
                value = (
                    int(packs) * int(company.price_cents[item]) * (PACK_OF_WEIGHED if company.by_weight[item] else 1000)
                )
                rows.append(
                    f"{chain},{code.format(1000 + item)},{gtin(1000 + item)},{providers[where]},{end},{packs},"
                    f"{value * 13 // 10 / 100_000:.2f}"
                )
            rows.append(
                f"{RETAILERS[0][0]},{RETAILERS[0][1].format(1000)},{gtin(1000)},{UNKNOWN_REGION},{end},25,40.00"
            )
        header = "RETAILER,ITEM,GTIN,REGION,WEEK_ENDING,UNITS,VALUE\n"
        yield "data_exchange_sell_out", _name("sell_out", day), f"{header}{chr(10).join(rows)}\n".encode(), len(rows)


def _temperature(company: Company, region: str, week_end: int) -> float:
    draw = np.random.default_rng([company.seed, 12, week_end, list(REGIONS).index(region)])
    season = -9.5 * np.cos(2 * np.pi * (week_end + 5 - 20) / 365.25)  # coldest in late January
    return float(REGIONS[region][1] + season + draw.normal(0, 2.2))


def _outlook(company: Company, region: str, week_end: int, issued: int) -> float:
    """What the weather service expects: less like what will be, the further ahead."""
    ahead = (week_end - issued) // 7
    usual = REGIONS[region][1] - 9.5 * float(np.cos(2 * np.pi * (week_end + 5 - 20) / 365.25))
    skill = max(0.0, 1 - 0.3 * ahead)
    return usual + skill * (_temperature(company, region, week_end) - usual)


def _confidence(company: Company, week_end: int) -> float:
    draw = np.random.default_rng([company.seed, 13, week_end // 28])
    return 100 + 4 * float(np.sin(week_end / 300)) + float(draw.normal(0, 0.8))


def _drivers(company: Company) -> Iterator[tuple[str, str, bytes, int]]:
    history = _weeks(company, 157)
    for day, weeks in _revisions(company, history):
        rows = []
        for region, (provider, _) in REGIONS.items():
            rows += [f"temperature_c,{provider},{as_date(w)},{_temperature(company, region, w):.1f}" for w in weeks]
            ahead = range(day + 7, day + 7 * OUTLOOK_WEEKS + 1, 7)
            rows += [f"temperature_c,{provider},{as_date(w)},{_outlook(company, region, w, day):.1f}" for w in ahead]
        late = [w - 7 * CONFIDENCE_DELAY_WEEKS for w in weeks]
        rows += [f"consumer_confidence,*,{as_date(w)},{_confidence(company, w):.1f}" for w in late]
        content = "DRIVER,REGION,WEEK_ENDING,VALUE\n" + "\n".join(rows) + "\n"
        yield "data_exchange_drivers", _name("drivers", day), content.encode(), len(rows)


def _products(company: Company) -> Iterator[tuple[str, str, bytes, int]]:
    """One revision; it has the first chain's codes, and the second chain is known by GTIN alone."""
    absent = _outside_reference(company)
    rows = [
        f"{gtin(1000 + item)},{RETAILERS[0][0]},{RETAILERS[0][1].format(1000 + item)},{company.item_codes[item]},"
        f"{'0.25' if company.by_weight[item] else '1'},{company.item_names[item]}"
        for item in range(company.item_count)
        if item != absent
    ]
    content = "GTIN,RETAILER,RETAILER_ITEM,OUR_ITEM,BASE_UNITS,NAME\n" + "\n".join(rows) + "\n"
    yield "data_exchange_products", _name("products", company.first_day), content.encode(), len(rows)


def market_truth(company: Company, planted: Planted) -> dict[str, Any]:
    """What mapping must come to: rows and packs in all, base units that map, packs of the planted strangers."""
    absent, weeks = _outside_reference(company), _weeks(company, SELL_OUT_WEEKS)
    rows = packs_in_all = unknown_product = thousandths = 0
    by_retailer = dict.fromkeys((name for name, _, _ in RETAILERS), 0)
    for week_end in weeks:
        item, _, retailer, packs = _packs(company, planted, week_end)
        size = np.where(company.by_weight[item], PACK_OF_WEIGHED, 1000)
        known = item != absent
        rows += len(packs)
        packs_in_all += int(packs.sum())
        unknown_product += int(packs[~known].sum())
        thousandths += int((packs * size)[known].sum())
        for k, name in enumerate(by_retailer):
            by_retailer[name] += int(packs[~known & (retailer == k)].sum())
    return {
        "sell_out_rows": rows + len(weeks),
        "sell_out_packs": packs_in_all + 25 * len(weeks),
        "mapped_base_quantity": thousandths / 1000,
        "unknown_product": {
            "item_code": company.item_codes[absent],
            "packs": unknown_product,
            "by_retailer": by_retailer,
        },
        "unknown_region": {"region_name": UNKNOWN_REGION, "packs": 25 * len(weeks)},
    }
