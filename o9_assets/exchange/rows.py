"""Cells as o9's rows and back: the only place where a cell gets o9's column names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from o9_assets.planning.settings import O9

__all__ = ["MEASURES", "chunk_id", "member_rows", "o9_row", "series_of"]

MEASURES = ("orders_quantity", "returns_quantity", "shipments_quantity", "orders_value")


def o9_row(cell: Mapping[str, Any], o9: O9) -> dict[str, Any]:
    """The row that carries a cell. A cell without any measure becomes nulls, which take it away in o9."""
    row: dict[str, Any] = {
        o9.columns["version"]: o9.version,
        o9.columns["item"]: cell["item_code"],
        o9.columns["location"]: cell["location_code"],
        o9.columns["time"]: cell["bucket_label"],
    }
    if "channel" in o9.columns:
        row[o9.columns["channel"]] = cell["channel_code"]
    for measure, name in o9.measures.items():
        row[name] = _number(cell[measure])
    return row


def _number(value: Decimal | None) -> float | int | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def series_of(row: Mapping[str, Any], o9: O9) -> tuple[str, ...]:
    """Identity of an o9 row among those of one version: item, location, channel (ALL where not sent), time label."""
    channel = str(row[o9.columns["channel"]]) if "channel" in o9.columns else "ALL"
    return (str(row[o9.columns["item"]]), str(row[o9.columns["location"]]), channel, str(row[o9.columns["time"]]))


def chunk_id(rows: Iterable[Mapping[str, Any]]) -> str:
    """Hash of a request's rows: equal content, equal id."""
    text = json.dumps(list(rows), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def member_rows(names: Sequence[str]) -> list[dict[str, Any]]:
    """Members that have no attributes but their name."""
    return [{"Name": name} for name in names]


def time_member(label: str, start: date, end: date) -> dict[str, Any]:
    """A time member with its first day and its length."""
    return {"Name": label, "StartDate": start.isoformat(), "Days": (end - start).days + 1}
