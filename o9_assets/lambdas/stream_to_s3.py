"""AWS Lambda: writes events from Kinesis into the landing zone as JSON lines, which a feed then takes in.

An object is named by shard and sequence numbers, and holds the same bytes whenever it is written: a batch that is
tried again changes nothing. What is no JSON object is kept as a dead letter.

Environment: O9_LANDING_ZONE and O9_DEAD_LETTERS (s3://bucket/prefix), O9_STREAM_FOLDER (streams by default).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from o9_assets.lambdas import environment
from o9_assets.landing.pushed import as_objects
from o9_assets.resources.streams.pushed import pushed

__all__ = ["handler"]


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The objects that were written. Raises where one was not: Lambda then tries the whole batch again."""
    zone, dead = environment.zone("O9_LANDING_ZONE"), environment.zone("O9_DEAD_LETTERS")
    written = []
    for part in pushed(event):
        objects, letters = as_objects(part, os.environ.get("O9_STREAM_FOLDER", "streams"))
        for name, content in letters:
            dead.put(name, content)
        for name, content in objects:
            zone.put(name, content)
            written.append(name)
    return {"objects": written, "batchItemFailures": []}
