"""Records as AWS Lambda's Kinesis trigger pushes them: the same records that a reader gets, in one event."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from o9_assets.failures import Permanent
from o9_assets.resources.streams.packed import unpacked
from o9_assets.resources.streams.reader import Record

__all__ = ["Pushed", "dead_letter", "pushed"]


@dataclass
class Pushed:
    """Records of one shard in order, taken apart where a producer packed them."""

    stream: str
    shard: str
    records: list[Record] = field(default_factory=list)


def pushed(event: Mapping[str, Any]) -> list[Pushed]:
    """The records of a Kinesis event by shard. Raises Permanent for an event of another kind."""
    found: dict[tuple[str, str], Pushed] = {}
    try:
        for one in event["Records"]:
            kinesis = one["kinesis"]
            stream = str(one["eventSourceARN"]).rpartition("/")[2]
            shard = str(one["eventID"]).rpartition(":")[0]
            part = found.setdefault((stream, shard), Pushed(stream, shard))
            arrived = datetime.fromtimestamp(float(kinesis["approximateArrivalTimestamp"]), UTC).replace(tzinfo=None)
            data = base64.b64decode(kinesis["data"], validate=True)
            part.records += unpacked(kinesis["sequenceNumber"], kinesis["partitionKey"], arrived, data)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Permanent(
            f"This is no event of Kinesis ({type(error).__name__}: {error}).", remedy="Look at the function's trigger."
        ) from error
    return list(found.values())


def dead_letter(part: Pushed, record: Record, reason: str, detail: str) -> tuple[str, bytes]:
    """Name and content of a record's dead letter."""
    content = {
        "stream": part.stream,
        "shard": part.shard,
        "sequence": record.position,
        "sub_sequence": record.sub_position,
        "partition_key": record.key,
        "arrived_at": record.arrived_at.isoformat() + "Z",
        "reason": reason,
        "detail": detail,
        "data": (record.data or b"").decode("utf-8", "backslashreplace"),
    }
    name = f"{part.stream}/{part.shard}/{record.position}-{record.sub_position}.json"
    return name, json.dumps(content, ensure_ascii=False).encode()
