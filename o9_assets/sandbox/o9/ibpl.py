"""IBPL queries, as far as they were observed: dimensions on rows, measures on columns.

    select ([Version].[Version Name] * [Item].[Item]) on row, ({Measure.[Stat Fcst]}) on column;

Cells are summed over the dimensions that the query leaves out. What else the language has is not public, so anything
else is refused with a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from o9_assets.sandbox.o9.store import Store

__all__ = ["BadQuery", "answer"]

QUERY = re.compile(
    r"\s*select\s*\((?P<rows>[^()]*)\)\s*on\s+row\s*,\s*\(\s*\{(?P<measures>[^{}()]*)\}\s*\)\s*on\s+column\s*;?\s*",
    re.IGNORECASE,
)
LEVEL = re.compile(r"\s*\[?(?P<dimension>[^\[\].*]+)\]?\.\[(?P<attribute>[^\[\]]+)\]\s*")
MEASURE = re.compile(r"\s*Measure\.\[(?P<name>[^\[\]]+)\]\s*")


class BadQuery(ValueError):
    """What the sandbox cannot answer, and why."""


def answer(store: Store, query: str) -> str:
    """The answer's JSON: Meta names the columns, Data has a row for each combination that holds a value."""
    found = QUERY.fullmatch(query)
    if found is None:
        raise BadQuery("the query is none of: select ([D].[A] * ...) on row, ({Measure.[M], ...}) on column;")
    levels = [_part(LEVEL, text) for text in found["rows"].split("*")]
    measures = [_part(MEASURE, text)["name"] for text in found["measures"].split(",")]
    columns = [f"{level['dimension']}.[{level['attribute']}]" for level in levels]
    totals: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for row in _facts(store):
        values = {name: row[name] for name in measures if name in row}
        if values and (missing := [column for column in columns if column not in row]):
            raise BadQuery(f"{next(iter(values))} is not planned by {missing[0]}")
        if values:
            sums = totals.setdefault(tuple(row[column] for column in columns), {})
            for name, value in values.items():
                sums[name] = sums.get(name, Decimal(0)) + value
    meta = [{"DimensionName": level["dimension"], "AttributeName": level["attribute"]} for level in levels]
    names = [{"Name": name, "MeasureColumnName": name} for name in measures]
    rows = (_row(members, [sums.get(name) for name in measures]) for members, sums in sorted(totals.items()))
    return f'{{"Meta": {json.dumps([*meta, *names])}, "Data": [{",".join(rows)}]}}'


def _part(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise BadQuery(f"{text.strip()!r} is neither [Dimension].[Attribute] nor Measure.[Name]")
    return found


def _facts(store: Store) -> Iterator[dict[str, Any]]:
    for group in store.measure_groups():
        after = ("", "")
        while page := store.facts(group, after=after, size=20_000):
            for _, _, text in page:
                yield json.loads(text, parse_float=Decimal, parse_int=Decimal)
            after = (page[-1][0], page[-1][1])


def _row(members: tuple[str, ...], values: list[Decimal | None]) -> str:
    """A row as JSON; the digits of a value are kept, and a column without one is left out."""
    cells = [f'"C{place}": {{"Name": {json.dumps(name)}}}' for place, name in enumerate(members)]
    cells += [
        f'"C{place}": {{"Value": {value:f}}}'
        for place, value in enumerate(values, start=len(members))
        if value is not None
    ]
    return "{" + ", ".join(cells) + "}"
