"""Pushed events as objects of the landing zone: JSON lines by shard and hour of arrival, named by sequence numbers."""

from __future__ import annotations

import json
from itertools import groupby

from o9_assets.resources.streams.pushed import Pushed, dead_letter

__all__ = ["as_objects"]

Objects = list[tuple[str, bytes]]


def as_objects(part: Pushed, folder: str) -> tuple[Objects, Objects]:
    """Names and contents of the objects of a shard's records, one for each hour (UTC) in which they arrived, and of
    the dead letters of those that are no JSON object. Payloads keep every digit: only line breaks become spaces."""
    objects, letters = [], []
    for hour, some in groupby(part.records, key=lambda record: record.arrived_at.strftime("%Y/%m/%d/%H")):
        lines, places = [], []
        for record in some:
            if record.broken is None and record.data is not None and _is_object(record.data):
                lines.append(record.data.translate(bytes.maketrans(b"\r\n", b"  ")))
                places.append(f"{record.position}-{record.sub_position}")
            else:
                letters.append(dead_letter(part, record, "not_json", record.broken or "the record is no JSON object"))
        if lines:
            name = f"{folder}/{part.stream}/{hour}/{part.shard}.{places[0]}..{places[-1]}.jsonl"
            objects.append((name, b"\n".join(lines) + b"\n"))
    return objects, letters


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False
