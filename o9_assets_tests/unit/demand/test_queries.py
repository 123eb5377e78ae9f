"""The .sql files as text for an engine."""

import re

import pytest

from o9_assets.demand.queries import NAMES, query, source


@pytest.mark.parametrize("name", NAMES)
def test_a_query_says_what_it_reads_and_is_one_select(name: str) -> None:
    text = source(name)
    assert text.startswith("-- ")
    assert "-- From:" in text
    assert ";" not in re.sub(r"--.*", "", text)


def test_a_parameter_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError, match="item"):
        query("order_items", {})


def test_parameters_are_expressions_in_brackets() -> None:
    assert "COALESCE((o.item_code), 'UNKNOWN')" in query("order_items", {"item": "o.item_code"})


def test_spark_gets_its_own_dialect() -> None:
    assert "VARCHAR" not in query("locations", {}, "spark")
    assert "STRING" in query("locations", {}, "spark")
