"""What DMS's files need beyond any other's: the moment that a file stands for, and the records of one table among those
of a transactional file."""

from __future__ import annotations

import csv
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from o9_assets.landing.plain import Plain
from o9_assets.landing.records import records
from o9_assets.planning.dms import DmsFiles, dms_file
from o9_assets.planning.formats import Format
from o9_assets.resources.landing_zone import LandedObject

__all__ = ["OwnRecords", "moment_of", "own_records"]

EPOCH = datetime(1970, 1, 1)


def moment_of(found: LandedObject) -> tuple[datetime | None, int | None]:
    """When the object's rows changed (UTC), where they do not say so themselves, and their place among equal times.

    Files of changes have both from their name. A full load is as old as its object and comes before any change of the
    same moment: DMS writes what changed during a load after it.
    """
    known = dms_file(found.name)
    if known is None:
        return None, None
    if known.written_at is None:
        return found.modified_at.astimezone(UTC).replace(tzinfo=None, microsecond=0), 0
    return known.written_at, int((known.written_at - EPOCH).total_seconds() * 1_000_000)


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """The records of one table: a file of them, their numbers in the whole file, and how many others there were."""

    plain: Plain
    numbers: list[int]
    others: int


def own_records(plain: Plain, form: Format, dms: DmsFiles) -> OwnRecords:
    """Take the table's records out of a transactional file: operation, table, schema, fields.

    A record that does not begin so belongs to no table; it is kept, so that it is found wanting rather than lost.
    """
    schema, table = dms.table.split(".")
    target = Path(plain.path).with_name(uuid.uuid4().hex)
    numbers, others, quoted = [], 0, False
    sign = form.quote.encode()
    with target.open("wb") as sink:
        for number, _, text in records(plain.path, form.quote, form.delimiter):
            begun = _begin(text, form)
            if len(begun) == 3 and tuple(begun[1:]) != (table, schema):
                others += 1
                continue
            numbers.append(number)
            quoted = quoted or (bool(sign) and sign in text)
            sink.write(text + b"\n")
    return OwnRecords(Plain(target, plain.has_nul, not quoted or plain.lines_are_records), numbers, others)


def _begin(text: bytes, form: Format) -> list[str]:
    """The first three fields of a record."""
    fields = text.decode().split(form.delimiter, 3)[:3]
    if form.quote and any(form.quote in field for field in fields) and len(form.delimiter) == 1:
        rows = list(csv.reader([text.decode()], delimiter=form.delimiter, quotechar=form.quote))
        return rows[0][:3] if rows else []
    return fields
