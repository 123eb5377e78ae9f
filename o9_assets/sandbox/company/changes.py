"""What happens to order lines after they were entered: changes, deletions, cancellations, returns, and how the events
reach the files. Also what each line comes to in the end, worked out here and apart from the platform's own code.

The fate of a line is drawn when it is entered, so that a day's files and truth need nothing but a few weeks of memory.
A change is an event with a change time and a file; a file may bring an older change after a newer one.
"""

from dataclasses import dataclass

import numpy as np

from o9_assets.sandbox.company.days import Array, delivery_of, delivery_to_day, next_delivery_day
from o9_assets.sandbox.company.orders import Lines, select
from o9_assets.sandbox.company.planted import Planted
from o9_assets.sandbox.company.shape import UNKNOWN, Company

__all__ = ["FATES", "Changed", "change", "resolve"]

# fate, share of lines
FATES = {
    "plain": 0.8760,
    "updated": 0.0500,  # the quantity changes
    "updated_twice": 0.0100,
    "out_of_order": 0.0100,  # the newer change comes in the earlier file
    "tied": 0.0050,  # two changes of one moment: their sequence decides
    "moved": 0.0150,  # the requested date changes
    "deleted": 0.0120,
    "cancelled": 0.0100,  # by a line that names it
    "repeated_in_file": 0.0030,
    "repeated_later": 0.0070,
    "unknown_unit": 0.0010,
    "unknown_unit_corrected": 0.0010,
}
RETURNED = 0.012  # of the plain lines: part of the quantity comes back, without naming its line
INSERT, UPDATE, DELETE = range(3)
PLAIN, CANCELLATION, RETURN = range(3)


@dataclass(frozen=True)
class Changed:
    """A day's lines with all that becomes of them.

    `events` are rows of order files (columns of lines, and op, prefix, cancels, changed (seconds since EPOCH),
    sequence, file_day, again_day). `chain` holds each line's first version and its two possible changes, aligned;
    `exists` says which are. `cancellation` and `returns` are aligned to them too. `truly` are the lines as the business
    knows them, whatever the files say: they are what is shipped. `fate` indexes FATES.
    """

    events: Lines
    chain: tuple[Lines, ...]
    cancellation: Lines
    returns: Lines
    truly: Lines
    fate: Array


def change(company: Company, planted: Planted, day: int, lines: Lines) -> Changed:
    """Draw the fate of each line of a day and the events that carry it out."""
    draw = np.random.default_rng([company.seed, 4, day])
    count = len(lines["item"])
    names = list(FATES)
    fate = draw.choice(len(names), count, p=np.array(list(FATES.values())) / sum(FATES.values()))
    for gap in planted.stock_outs:  # nothing strays into the days of a stock-out
        near = (lines["item"] == gap.item) & (lines["location"] == gap.location)
        fate[near & (lines["demand_day"] > gap.start - 35) & (lines["demand_day"] <= gap.end)] = 0
    leaves = company.delisted_from[lines["item"]] - day < 35  # nor is anything moved behind an item's last day
    fate[leaves & (fate == names.index("moved"))] = 0
    if day in planted.flawed_days:  # a cancellation of a line that nobody sent would be nobody's
        fate[fate == names.index("cancelled")] = 0

    def is_fate(*wanted: str) -> Array:
        return np.isin(fate, [names.index(name) for name in wanted])

    lines = dict(lines)
    lines["known_unit"] = lines["unit"]
    lines["unit"] = np.where(is_fate("unknown_unit", "unknown_unit_corrected"), UNKNOWN, lines["unit"])

    entered = delivery_of(np.full(count, day))
    first, second = draw.integers(1, 6, count), draw.integers(1, 6, count)
    moment = draw.integers(7 * 3600, 13 * 3600, (3, count))  # later versions later in the day
    moment[1:] += 5 * 3600

    v0 = _version(lines, INSERT, entered, entered, moment[0])
    v1 = _version(lines, UPDATE, entered + first, entered + first, moment[1])
    v2 = _version(lines, UPDATE, entered + first + second, entered + first + second, moment[2])

    out = is_fate("out_of_order")
    v1["file_day"] = np.where(out, delivery_to_day(entered + first + second + 2), v1["file_day"])
    tied = is_fate("tied")
    for name in ("file_day", "changed"):
        v2[name] = np.where(tied, v1[name], v2[name])
    v1["op"] = np.where(is_fate("deleted"), DELETE, UPDATE)
    v1["unit"] = np.where(is_fate("unknown_unit_corrected"), lines["known_unit"], lines["unit"])
    changes_quantity = is_fate("updated", "updated_twice", "out_of_order", "tied")
    for version in (v1, v2):
        step = np.where(version["quantity"] % 1000 == 0, 1000, 500)
        scaled = np.rint(version["quantity"] * draw.uniform(0.4, 1.8, count) / step).astype(np.int64)
        version["quantity"] = np.where(changes_quantity, np.maximum(scaled, 1) * step, version["quantity"])
    moved = is_fate("moved")
    later = next_delivery_day(lines["demand_day"] + draw.integers(2, 7, count))
    v1["demand_day"] = np.where(moved, later, v1["demand_day"])
    v1["has_requested"] = v1["has_requested"] | moved

    has_v1 = changes_quantity | moved | is_fate("deleted", "unknown_unit_corrected")
    has_v2 = is_fate("updated_twice", "out_of_order", "tied")
    v0["exists"], v1["exists"], v2["exists"] = np.ones(count, dtype=bool), has_v1, has_v2

    cancelled = is_fate("cancelled")
    cancellation = _version(lines, INSERT, entered + first, entered + first, moment[1], prefix=CANCELLATION)
    cancellation |= {"exists": cancelled, "quantity": -lines["quantity"], "cancels": cancelled}
    _on_its_own_day(cancellation)

    back = entered + draw.integers(3, 11, count)
    returns = _version(lines, INSERT, back, back, moment[1], prefix=RETURN)
    step = np.where(lines["quantity"] % 1000 == 0, 1000, 500)
    part = np.rint(lines["quantity"] * draw.uniform(0.1, 0.5, count) / step).astype(np.int64)
    returns["quantity"] = -np.maximum(part, 1) * step
    returned = is_fate("plain") & (draw.random(count) < RETURNED)
    for gap in planted.stock_outs:
        returned &= ~((lines["item"] == gap.item) & (lines["location"] == gap.location))
    returns["exists"] = returned
    _on_its_own_day(returns)

    for version in (v1, v2, cancellation, returns):
        version["again_day"] = version["file_day"]
    _number(day, v0, v1, v2, cancellation, returns)
    later = is_fate("repeated_later")
    v0["again_day"] = np.where(later, delivery_to_day(entered + 1), v0["file_day"])
    again_in_file = select(v0, is_fate("repeated_in_file"))
    again_later = select(v0, later)
    again_later["file_day"] = again_later["again_day"]
    parts = [select(v, v["exists"]) for v in (v0, v1, v2, cancellation, returns)] + [again_in_file, again_later]
    events = {name: np.concatenate([part[name] for part in parts]) for name in v0}

    final = {name: np.where(has_v2, v2[name], np.where(has_v1, v1[name], v0[name])) for name in v0}
    final["unit"] = final["known_unit"]
    truly = select(final, (final["op"] != DELETE) & ~cancelled)
    return Changed(events, (v0, v1, v2), cancellation, returns, truly, fate)


def _version(
    lines: Lines, op: int, changed_at: Array, file_at: Array, second_of_day: Array, prefix: int = PLAIN
) -> Lines:
    """A version of every line; `changed_at` and `file_at` count delivery days."""
    count = len(lines["item"])
    return lines | {
        "op": np.full(count, op),
        "prefix": np.full(count, prefix),
        "cancels": np.zeros(count, dtype=bool),
        "changed": delivery_to_day(changed_at) * 86_400 + second_of_day,
        "file_day": delivery_to_day(file_at),
    }


def _on_its_own_day(version: Lines) -> None:
    """A cancellation or a return is ordered on the day that it is entered, and names no requested date."""
    version["order_day"] = version["demand_day"] = version["changed"] // 86_400
    version["has_requested"] = np.zeros(len(version["item"]), dtype=bool)


def _number(day: int, *versions: Lines) -> None:
    """Give each event the number under which its file is written: it rises with the file, not with the change."""
    for k, version in enumerate(versions):
        row = np.arange(len(version["item"]))
        lag = version["file_day"] - day
        version["sequence"] = version["file_day"] * 10**10 + (31 - lag) * 10**8 + row * 8 + k


def resolve(changed: Changed, landed: Array) -> tuple[Lines, Lines]:
    """The order lines and the returns that stand when the files of the days in `landed` (a mask over days since
    EPOCH) are in: of each line the newest version that landed, unless it is deleted or cancelled.

    Lines in an unknown unit stand, but are no demand: they are left in, with `unit` UNKNOWN.
    """
    v0, v1, v2 = changed.chain
    is_in = [v["exists"] & (landed[v["file_day"]] | landed[v["again_day"]]) for v in changed.chain]
    newest = {name: np.where(is_in[2], v2[name], np.where(is_in[1], v1[name], v0[name])) for name in v0}
    cancelled = changed.cancellation["exists"] & landed[changed.cancellation["file_day"]]
    stands = (is_in[0] | is_in[1] | is_in[2]) & (newest["op"] != DELETE) & ~cancelled
    returns = changed.returns
    return select(newest, stands), select(returns, returns["exists"] & landed[returns["file_day"]])
