"""What comes back from o9 by its API: forecasts of a cycle and members, each as one file for the landing zone.

Files are JSON lines in long form, under o9's own names: a row of forecasts is a cell and one measure's value, with all
its digits. They enter by the landing zone like any other source; the same answer gives the same bytes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from o9_assets.exchange.members import dimension_of
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.landing_zone import LandingZone
from o9_assets.resources.o9 import ContractBroken, O9Client

__all__ = ["FORECASTS", "MEMBERS", "Fetched", "fetch_forecasts", "fetch_members", "forecast_rows", "query_text"]

FORECASTS = "o9/forecasts/{cycle}.jsonl"
MEMBERS = "o9/members/{cycle}.jsonl"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file that was put into the landing zone, and how many rows it holds."""

    name: str
    rows: int


def fetch_forecasts(settings: Settings, cycle: date, *, client: O9Client, zone: LandingZone) -> Fetched:
    """Put `forecast_rows` into the landing zone."""
    name = FORECASTS.format(cycle=cycle.isoformat())
    return _drop(zone, name, forecast_rows(settings, cycle, client=client))


def forecast_rows(settings: Settings, cycle: date, *, client: O9Client) -> Iterator[dict[str, Any]]:
    """The outbound measures of the partial weeks from `cycle` to the horizon, of the settings' version: a row for each
    cell and measure under o9's names, its number as text.

    Raises ContractBroken where o9 answers without a column or with a value that is no number.
    """
    o9 = settings.o9
    last = cycle + timedelta(weeks=settings.forecast.horizon_weeks) - timedelta(days=1)
    if o9.outbound.by == "query":
        labels = {bucket.bucket_label for bucket in Calendar(settings.calendar).buckets(cycle, last)}
        found: Iterable[Sequence[Mapping[str, Any]]] = [client.query(query_text(settings))]
    else:
        labels = None
        found = client.facts(o9.outbound.measure_group, first=cycle, last=last)
    return _long(settings, cycle, found, labels)


def query_text(settings: Settings) -> str:
    """The IBPL query for the outbound measures by all of the settings' dimensions."""
    o9 = settings.o9
    levels = " * ".join(f"[{dimension_of(c)}].{c.partition('.')[2]}" for c in o9.columns.values())
    measures = ", ".join(f"Measure.[{name}]" for name in o9.outbound.measures)
    return f"select ({levels}) on row, ({{{measures}}}) on column;"


def fetch_members(settings: Settings, cycle: date, *, client: O9Client, zone: LandingZone) -> Fetched:
    """Every member, with its attributes, of the dimensions that the settings name."""

    def rows() -> Iterator[dict[str, Any]]:
        for name in settings.o9.outbound.members:
            if (column := settings.o9.columns.get(name)) is None:
                continue
            dimension = dimension_of(column)
            for page in client.member_pages(dimension):
                for member in page:
                    attributes = {key: value for key, value in sorted(member.items()) if key != "Name"}
                    yield {
                        "Plan Cycle": cycle.isoformat(),
                        "Dimension": dimension,
                        "Name": member["Name"],
                        "Attributes": json.dumps(attributes, ensure_ascii=False) if attributes else None,
                    }

    return _drop(zone, MEMBERS.format(cycle=cycle.isoformat()), rows())


def _long(
    settings: Settings, cycle: date, pages: Iterable[Sequence[Mapping[str, Any]]], labels: set[str] | None
) -> Iterator[dict[str, Any]]:
    """A row for each cell and measure that has a value; of other versions, and of labels not wanted, none."""
    o9 = settings.o9
    columns = list(o9.columns.values())
    for page in pages:
        for row in page:
            if lacking := [column for column in columns if not isinstance(row.get(column), str)]:
                raise ContractBroken(
                    f"A forecast of o9's lacks {lacking[0]}; it has {sorted(row)}.",
                    remedy="Look at o9.columns and o9.outbound in the settings.",
                )
            if row[o9.columns["version"]] != o9.version or (labels and row[o9.columns["time"]] not in labels):
                continue
            for measure in o9.outbound.measures:
                if (value := row.get(measure)) is not None:
                    cell = {column: row[column] for column in columns}
                    yield {"Plan Cycle": cycle.isoformat(), **cell, "Measure": measure, "Value": _number(value)}


def _number(text: object) -> str:
    """A quantity as its own text, once it is known to be one."""
    try:
        if Decimal(str(text)).is_finite():
            return str(text)
    except InvalidOperation:
        pass
    raise ContractBroken(f"o9 answered {text!r} for a quantity.", remedy="Look at o9.outbound.measures.")


def _drop(zone: LandingZone, name: str, rows: Iterable[dict[str, Any]]) -> Fetched:
    """Put rows into the landing zone as one file, whole or not at all; memory stays flat."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".jsonl", delete=False) as file:
        path, count = Path(file.name), 0
        try:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
            file.close()
            zone.put(name, path)
        finally:
            path.unlink()
    return Fetched(name, count)
