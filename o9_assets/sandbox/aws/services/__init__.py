"""Our fakes, one service a file. Each is imported when a twin starts."""

from __future__ import annotations

from importlib import import_module

from o9_assets.sandbox.aws.fake import Fake

__all__ = ["DEFAULT", "default"]

DEFAULT: dict[str, str] = {
    "datasync": "o9_assets.sandbox.aws.services.datasync:DataSync",
    "appflow": "o9_assets.sandbox.aws.services.appflow:AppFlow",
    "dataexchange": "o9_assets.sandbox.aws.services.dataexchange:DataExchange",
    "dms": "o9_assets.sandbox.aws.services.dms:Dms",
    "glue": "o9_assets.sandbox.aws.services.glue:Glue",
    "s3": "o9_assets.sandbox.aws.services.s3:S3",
    "lambda": "o9_assets.sandbox.aws.services.lambda_:Lambda",
    "iot": "o9_assets.sandbox.aws.services.iot:Iot",
    "iot-data": "o9_assets.sandbox.aws.services.iot:IotData",
    "kafka": "o9_assets.sandbox.aws.services.kafka:Kafka",
    "kinesis": "o9_assets.sandbox.aws.services.kinesis:Kinesis",
}
"""Where the fake of each service is, as module:class."""


def default() -> dict[str, type[Fake]]:
    """The fakes of DEFAULT."""
    found: dict[str, type[Fake]] = {}
    for name, place in DEFAULT.items():
        module, _, attribute = place.partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found
