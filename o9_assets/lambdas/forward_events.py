"""AWS Lambda: forwards events from Kinesis to o9 as they come.

Triggered by Kinesis with ReportBatchItemFailures: it answers with the records that are to be tried again. After one of
them no later event of its key is sent. What can never be sent is kept in S3, one object a record.

Environment: O9_PLANNING (settings file in the package), O9_BASE_URL, O9_DEAD_LETTERS (s3://bucket/prefix), and the
secrets that the contract profile names, such as O9_API_KEY.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from o9_assets.exchange.pushed import forward_pushed
from o9_assets.lambdas import environment
from o9_assets.resources.streams.pushed import pushed

__all__ = ["handler"]


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The records to try again, as Lambda expects them. Raises Permanent for another event and for a refused key."""
    settings, dead = environment.settings(), environment.zone("O9_DEAD_LETTERS")
    failed: list[str] = []
    with environment.o9(settings) as client:
        for part in pushed(event):
            failed += forward_pushed(settings, part, engine=environment.engine(), client=client, bury=dead.put)
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in failed]}
