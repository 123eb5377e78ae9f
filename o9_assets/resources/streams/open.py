"""How a reader is made for a stream that the settings declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from o9_assets.resources.streams.reader import Reader

if TYPE_CHECKING:
    from o9_assets.planning.streams import Stream

__all__ = ["open_reader"]


def open_reader(stream: Stream) -> Reader:
    """A reader of the stream; use it as a context manager. Region and credentials are found as boto3 finds them."""
    if stream.kind == "kinesis":
        from o9_assets.resources import aws
        from o9_assets.resources.streams.kinesis import KinesisReader

        return KinesisReader(aws.client("kinesis"), stream.name, start_at=stream.start_at)
    from o9_assets.resources.streams.kafka import KafkaReader
    from o9_assets.resources.streams.msk import brokers_of, security

    brokers = stream.brokers or brokers_of(stream.cluster_arn or "", stream.auth)
    return KafkaReader(brokers, stream.name, security(stream.auth), start_at=stream.start_at)
