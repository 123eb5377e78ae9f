"""The sandbox o9 answers IBPL queries of the observed form, and refuses others with a reason."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from o9_assets.sandbox.o9 import Store
from o9_assets.sandbox.o9.ibpl import BadQuery, answer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "o9.db")
    made.add_members("Item", [{"Name": "A"}, {"Name": 'B, "b"'}])
    made.add_members("Time", [{"Name": "W1", "StartDate": "2025-01-06", "Days": 7}])
    made.add_members("Time", [{"Name": "W2", "StartDate": "2025-01-13", "Days": 7}])
    rows = [
        {"Version.[V]": "CWV", "Item.[Item]": item, "Time.[Week]": week, "Stat Fcst": Decimal(stat), "Adj": adjusted}
        for item, week, stat, adjusted in (
            ("A", "W1", "1.5000", Decimal(2)),
            ("A", "W2", "2.2500", None),
            ('B, "b"', "W1", "7", None),
        )
    ]
    made.write("Forecast", "b", rows)
    return made


def test_cells_come_by_the_levels_on_rows_and_values_keep_their_digits(store: Store) -> None:
    text = answer(
        store, "select ([Item].[Item] * Time.[Week]) on row, ({Measure.[Stat Fcst], Measure.[Adj]}) on column;"
    )
    found = json.loads(text, parse_float=str, parse_int=str)
    assert found["Meta"] == [
        {"DimensionName": "Item", "AttributeName": "Item"},
        {"DimensionName": "Time", "AttributeName": "Week"},
        {"Name": "Stat Fcst", "MeasureColumnName": "Stat Fcst"},
        {"Name": "Adj", "MeasureColumnName": "Adj"},
    ]
    assert found["Data"] == [
        {"C0": {"Name": "A"}, "C1": {"Name": "W1"}, "C2": {"Value": "1.5000"}, "C3": {"Value": "2"}},
        {"C0": {"Name": "A"}, "C1": {"Name": "W2"}, "C2": {"Value": "2.2500"}},
        {"C0": {"Name": 'B, "b"'}, "C1": {"Name": "W1"}, "C2": {"Value": "7"}},
    ]


def test_levels_that_are_left_out_are_summed_over(store: Store) -> None:
    found = json.loads(answer(store, "select ([Item].[Item]) on row, ({Measure.[Stat Fcst]}) on column"))
    assert [(row["C0"]["Name"], row["C1"]["Value"]) for row in found["Data"]] == [("A", 3.75), ('B, "b"', 7)]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "none of"),
        ("drop table facts", "none of"),
        ("select ([Item].[Item]) on row, ({Stat Fcst}) on column;", "'Stat Fcst' is neither"),
        ("select (Item) on row, ({Measure.[Stat Fcst]}) on column;", "'Item' is neither"),
        ("select ([Item].[Brand]) on row, ({Measure.[Stat Fcst]}) on column;", r"not planned by Item\.\[Brand\]"),
    ],
)
def test_what_it_does_not_understand_is_refused_with_a_reason(store: Store, query: str, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        answer(store, query)
