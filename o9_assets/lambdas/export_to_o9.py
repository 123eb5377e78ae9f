"""AWS Lambda: sends batches of cells to o9 when they are put into S3.

Triggered by S3's event notifications (directly, or through EventBridge). An object is sent once: what o9 holds already
is not sent again, so an event that comes twice, or after a cut, is harmless. An event that comes when its object was
replaced sends nothing, for the new version has an event of its own. Receipts lie under the object's name. Let one run
at a time (a reserved concurrency of 1), or two versions of an object may overtake each other.

Environment: O9_PLANNING (settings file in the package), O9_BASE_URL, O9_RECEIPTS (s3://bucket/prefix), and the secrets
that the contract profile names, such as O9_API_KEY.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from o9_assets.exchange.batch import send_object
from o9_assets.failures import Permanent
from o9_assets.lambdas import environment
from o9_assets.resources import aws
from o9_assets.resources.landing_zone import LandedObject, S3Zone
from o9_assets.resources.spills import spill_folder

__all__ = ["handler"]


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """What became of each object's rows, and names of `replaced` ones. Raises Permanent for another event, and what o9
    answers."""
    settings, receipts = environment.settings(), environment.zone("O9_RECEIPTS")
    client, reports, replaced = aws.s3(environment.buckets()), [], []
    with spill_folder() as folder, environment.o9(settings) as o9:
        for bucket, found in _objects(event):
            zone = S3Zone(bucket, "", client)
            if zone.was_replaced(found):
                replaced.append(found.name)
                continue
            report = send_object(
                settings,
                found,
                zone=zone,
                receipts=receipts,
                engine=environment.engine(),
                client=o9,
                folder=folder,
            )
            reports.append(asdict(report))
    return {"objects": reports, "replaced": replaced}


def _objects(event: Mapping[str, Any]) -> Iterator[tuple[str, LandedObject]]:
    """Buckets and objects of an event, as S3 or as EventBridge writes it."""
    try:
        if "Records" in event:
            for one in event["Records"]:
                # S3 writes keys as in a form: a space is a plus sign.
                found = one["s3"]["object"]
                yield one["s3"]["bucket"]["name"], _landed(unquote_plus(found["key"]), found["eTag"], found["size"])
        else:
            found = event["detail"]["object"]
            yield event["detail"]["bucket"]["name"], _landed(found["key"], found["etag"], found["size"])
    except (KeyError, TypeError) as error:
        raise Permanent(f"This is no event of S3 ({error} is missing).", remedy="Look at the trigger.") from error


def _landed(key: str, etag: str, size: int) -> LandedObject:
    return LandedObject(key, etag.strip('"'), int(size), datetime.now(UTC))
