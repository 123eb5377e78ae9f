"""The order lines of one day, as the company's customers meant them. How they change afterwards is in changes.py.

Lines are columns: a dict of equally long arrays, so that a day of millions is a few numpy calls. Every day has its own
random stream, so a day is the same however long the history around it is.
"""

import numpy as np

from o9_assets.sandbox.company.days import Array, next_delivery_day
from o9_assets.sandbox.company.planted import Planted
from o9_assets.sandbox.company.shape import CASE, Company

__all__ = ["Lines", "order_lines", "select"]

Lines = dict[str, Array]

WEEKDAY = (1.2, 1.1, 1.0, 1.0, 0.9, 0.35, 0.0)  # Monday first; nobody orders on Sundays
LEAD_DAYS = ((1, 2, 3), (0.5, 0.35, 0.15))
WITHOUT_REQUESTED_DATE = 0.05
ONLINE_SHARE = 0.25  # of an A item's lines at the last retail location of each eight
UNTIDY = 0.02  # item codes in lower case with blanks around


def select(lines: Lines, which: Array) -> Lines:
    """The lines that a mask or an index names."""
    return {name: column[which] for name, column in lines.items()}


def order_lines(company: Company, planted: Planted, day: int) -> tuple[Lines, Array]:
    """Lines ordered on a day, and the base quantity (thousandths) that stock-outs kept from being ordered,
    per stock-out of `planted`.

    Columns: item, location, channel, unit (indices), order_day, demand_day, has_requested, quantity (thousandths of
    the unit), price (cents per unit), order_number, line_number, untidy.
    """
    draw = np.random.default_rng([company.seed, 3, day])
    chance = company.line_chance[:, None] * WEEKDAY[day % 7] * company.assortment
    chance = chance * ((company.listed_from <= day) & (day < company.delisted_from))[:, None]
    item, location = np.nonzero(draw.random(chance.shape) < chance)
    count = len(item)

    lead = draw.choice(LEAD_DAYS[0], count, p=LEAD_DAYS[1])
    has_requested = draw.random(count) >= WITHOUT_REQUESTED_DATE
    demand_day = np.where(has_requested, next_delivery_day(day + lead), day)
    # A predecessor is not asked for on days when its successor is there already.
    demand_day = np.where(demand_day < company.delisted_from[item], demand_day, day)
    has_requested &= demand_day > day

    mean = company.line_quantity[item] * company.location_size[location]
    asked_for = np.zeros(count, dtype=bool)
    for asked in np.unique(demand_day):
        at = demand_day == asked
        factor = company.season(int(asked))[:, None] * planted.uplift(company, int(asked))
        mean[at] *= factor[item[at], location[at]]
        asked_for[at] = ~planted.out_of_stock(company, int(asked))[item[at], location[at]]
    base = mean * draw.gamma(4.0, 0.25, count)

    in_cases = company.location_channel[location] == 1
    unit = np.where(in_cases, CASE, company.base_unit(item))
    factor = np.where(in_cases, planted.factor(company, item, demand_day), 1_000_000)
    # Kilograms come in halves, everything else in whole units; never less than one step.
    step = np.where(~in_cases & company.by_weight[item], 500, 1000)
    quantity = np.maximum(np.rint(base * 1000 * (1_000_000 / factor) / step), 1).astype(np.int64) * step

    sells_online = (np.arange(company.location_count) % 8 == 5)[location] & (company.item_class[item] == 0)
    online = sells_online & (draw.random(count) < ONLINE_SHARE)
    channel = np.where(online, 2, company.location_channel[location])
    order_number = (day * 10_000 + location) * 10 + channel
    lines: Lines = {
        "item": item,
        "location": location,
        "channel": channel,
        "unit": unit,
        "order_day": np.full(count, day),
        "demand_day": demand_day,
        "has_requested": has_requested,
        "quantity": quantity,
        "price": company.price_cents[item] * factor // 1_000_000,
        "order_number": order_number,
        "line_number": np.zeros(count, dtype=np.int64),
        "untidy": draw.random(count) < UNTIDY,
    }
    lost = np.zeros(len(planted.stock_outs), dtype=np.int64)
    for k, gap in enumerate(planted.stock_outs):
        at = ~asked_for & (item == gap.item) & (location == gap.location)
        lost[k] = (quantity[at] * factor[at] // 1_000_000).sum()
    lines = select(lines, asked_for)
    lines = select(lines, np.argsort(lines["order_number"], kind="stable"))
    if len(lines["item"]):
        starts = np.flatnonzero(np.diff(lines["order_number"], prepend=-1))
        rank = np.arange(len(lines["item"])) - np.repeat(starts, np.diff(starts, append=len(lines["item"])))
        lines["line_number"] = (rank + 1) * 10
    return lines, lost
