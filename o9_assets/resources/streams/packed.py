"""Kinesis records that the Kinesis Producer Library packed, taken apart.

The format is the KPL's: four magic bytes, a protobuf message of user records, the message's MD5. What has no magic or
another MD5 is a plain record. aws_kinesis_agg knows the message; its own loop prints an error and drops what follows,
so the loop is ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from o9_assets.resources.streams.reader import Record

__all__ = ["unpacked"]


def unpacked(sequence: str, key: str | None, arrived_at: datetime, data: bytes) -> Iterator[Record]:
    """The user records of a Kinesis record, numbered from 0; a plain record is its own only one."""
    from aws_kinesis_agg import DIGEST_SIZE, MAGIC

    message = data[len(MAGIC) : -DIGEST_SIZE]
    packed = data.startswith(MAGIC) and len(message) > 0
    if not packed or hashlib.md5(message, usedforsecurity=False).digest() != data[-DIGEST_SIZE:]:
        yield Record(sequence, 0, key, arrived_at, data)
        return
    from aws_kinesis_agg import messages_pb2
    from google.protobuf.message import DecodeError

    try:
        found = messages_pb2.AggregatedRecord()
        found.ParseFromString(message)
    except DecodeError as error:
        yield Record(sequence, 0, key, arrived_at, data, f"a packed record that is no protobuf message: {error}")
        return
    keys = list(found.partition_key_table)
    for place, one in enumerate(found.records):
        if one.partition_key_index >= len(keys):
            broken = f"a packed record names key {one.partition_key_index} of {len(keys)}"
            yield Record(sequence, place, None, arrived_at, one.data, broken)
        else:
            yield Record(sequence, place, keys[one.partition_key_index], arrived_at, one.data)
