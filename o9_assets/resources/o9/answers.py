"""What o9's answers hold, once they are known to be as the profile says. Everything else raises ContractBroken.

No contract is published, so nothing of an answer is taken for granted: not that a list is one, nor that a name is text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from o9_assets.resources.o9.batch import Batch
from o9_assets.resources.o9.calls import Answer, field
from o9_assets.resources.o9.errors import ContractBroken

__all__ = ["Receipt", "Row", "cursor_of", "member_name", "number_of", "page_of", "receipt_of", "table_of", "text_of"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What o9 said of a batch: its own number for it, rows accepted, and rows refused with their place and reason."""

    receipt: str
    accepted: int
    rejected: tuple[tuple[int, str], ...]
    attempts: int


def _broken(what: str) -> NoReturn:
    raise ContractBroken(f"o9's answer is not as the profile says: {what}.", remedy="Look at the profile.")


def number_of(row: Row, name: str) -> int:
    """A whole number from 0."""
    value = field(row, name)
    if not isinstance(value, str) or not (value.isascii() and value.isdigit()):  # numbers are kept as their text
        _broken(f"{name} is no number but {value!r}")
    return int(value)


def text_of(row: Row, name: str) -> str:
    """A text, or a number's; never empty."""
    value = field(row, name)
    if not isinstance(value, str) or not value:
        _broken(f"{name} is no text but {value!r}")
    return value


def rows_of(row: Row, name: str) -> list[Row]:
    """A list of objects."""
    value = field(row, name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        _broken(f"{name} is no list of objects but {str(value)[:60]}")
    return value


def member_name(row: Row) -> str:
    """A member's Name."""
    return text_of(row, "Name")


def receipt_of(answer: Answer, batch: Batch) -> Receipt:
    """o9's receipt, which must speak of every row that was sent."""
    refused = rows_of(answer.body, "Rejected") if answer.body.get("Rejected") is not None else []
    rejected = tuple((number_of(row, "Row"), text_of(row, "Reason")) for row in refused)
    accepted = number_of(answer.body, "Accepted")
    places = {place for place, _ in rejected}
    if accepted + len(places) != batch.count or any(place >= batch.count for place in places):
        raise ContractBroken(
            f"o9 was sent {batch.count} rows and speaks of {accepted} accepted and {len(rejected)} rejected.",
            remedy="Look at the profile; nothing is taken as delivered.",
        )
    return Receipt(text_of(answer.body, "ReceiptId"), accepted, rejected, answer.attempts)


def page_of(body: Row, path: str) -> list[Row]:
    """The rows of a page, which stand under their resource's name."""
    data = field(body, "Data")
    if not isinstance(data, dict) or len(data) != 1:
        raise ContractBroken(f"{path}: Data holds no single resource.", remedy="Look at the profile's paths.")
    return rows_of(data, next(iter(data)))


def cursor_of(body: Row) -> str | None:
    """Where the next page begins; None at the end."""
    return None if body.get("Cursor") is None else text_of(body, "Cursor")


def table_of(body: Row) -> list[Row]:
    """Rows of a query's answer, under `Dimension.[Attribute]` and the bare names of measures; numbers as text."""
    names = [
        f"{text_of(meta, 'DimensionName')}.[{text_of(meta, 'AttributeName')}]"
        if "DimensionName" in meta
        else text_of(meta, "Name")
        for meta in rows_of(body, "Meta")
    ]
    return [dict(_cells(row, names)) for row in rows_of(body, "Data")]


def _cells(row: Row, names: Iterable[str]) -> Iterable[tuple[str, str | None]]:
    for place, name in enumerate(names):
        cell = row.get(f"C{place}")
        if cell is not None and not isinstance(cell, dict):
            _broken(f"C{place} is no object but {str(cell)[:60]}")
        value = None if cell is None else cell.get("Name", cell.get("Value"))
        if value is not None and not isinstance(value, str):
            _broken(f"{name} is neither text nor number but {str(value)[:60]}")
        yield name, value
