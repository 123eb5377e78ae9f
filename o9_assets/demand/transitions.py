"""Which item replaces which, followed to the end of the chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from o9_assets.failures import Permanent

__all__ = ["Successor", "TransitionCycle", "follow"]


class TransitionCycle(Permanent):
    """Items replace each other in a circle, so that none is the one to plan."""


@dataclass(frozen=True, slots=True)
class Successor:
    """The item at the end of the chain, and the day from which the direct successor is ordered."""

    item_code: str
    succeeded_from: date


def follow(transitions: Iterable[tuple[str, str, date]]) -> dict[str, Successor]:
    """Each replaced item's successor, from rows of (from_item_code, to_item_code, effective_date).

    Of several successors of one item the one that comes last counts, the greater code on the same day.
    Raises TransitionCycle naming the items of a circle.
    """
    direct: dict[str, tuple[date, str]] = {}
    for old, new, effective in transitions:
        direct[old] = max(direct.get(old, (date.min, "")), (effective, new))
    ends: dict[str, str] = {}
    for start in sorted(direct):
        chain: list[str] = []
        item = start
        while item in direct and item not in ends:
            if item in chain:
                circle = " → ".join([*chain[chain.index(item) :], item])
                raise TransitionCycle(
                    f"Items replace each other in a circle: {circle}.",
                    remedy="Correct or delete one of these transitions at the source.",
                )
            chain.append(item)
            item = direct[item][1]
        end = ends.get(item, item)
        ends.update(dict.fromkeys(chain, end))
    return {item: Successor(ends[item], direct[item][0]) for item in sorted(direct)}
