"""Chains of replaced items are followed to their end, and circles are named."""

from datetime import date

import pytest

from o9_assets.demand.transitions import Successor, TransitionCycle, follow

MAY, JUNE = date(2025, 5, 1), date(2025, 6, 1)


def test_a_chain_ends_with_its_last_item_and_keeps_the_day_of_the_direct_successor() -> None:
    assert follow([("A", "B", MAY), ("B", "C", JUNE)]) == {"A": Successor("C", MAY), "B": Successor("C", JUNE)}


def test_two_items_may_have_one_successor() -> None:
    assert follow([("A", "C", MAY), ("B", "C", JUNE)]) == {"A": Successor("C", MAY), "B": Successor("C", JUNE)}


def test_of_two_successors_the_later_one_counts() -> None:
    assert follow([("A", "B", JUNE), ("A", "C", MAY)]) == {"A": Successor("B", JUNE)}


def test_items_that_replace_each_other_in_a_circle_are_named() -> None:
    with pytest.raises(TransitionCycle, match="B → C → B") as caught:
        follow([("A", "B", MAY), ("B", "C", MAY), ("C", "B", JUNE)])
    assert "Correct or delete" in caught.value.remedy


def test_an_item_that_replaces_itself_is_a_circle() -> None:
    with pytest.raises(TransitionCycle, match="A → A"):
        follow([("A", "A", MAY)])


def test_no_transitions_give_no_successors() -> None:
    assert follow([]) == {}
