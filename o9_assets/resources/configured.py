"""The platform's resources as Dagster shows them: names, settings, and `open()`, which makes the client.

Only configuration belongs here; the clients live in their own files and know nothing of Dagster. Nothing is opened,
imported or looked up before an asset asks for it, so loading the code location stays quick and no secret is kept.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from o9_assets.failures import Permanent

if TYPE_CHECKING:
    from o9_assets.planning.settings import Settings
    from o9_assets.planning.streams import Stream
    from o9_assets.planning.transfers import DataExchangeTransfer, Transfer
    from o9_assets.resources.aws import Buckets
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake
    from o9_assets.resources.landing_queue import LandingQueue
    from o9_assets.resources.landing_zone import LandingZone
    from o9_assets.resources.o9 import O9Client
    from o9_assets.resources.streams import Reader
    from o9_assets.resources.transfers.data_exchange import DataExchange
    from o9_assets.resources.transfers.mover import Mover
    from o9_assets.resources.transfers.revision_events import RevisionEvents
    from o9_assets.resources.warehouse import Warehouse

__all__ = [
    "ClockResource",
    "EngineResource",
    "LakeResource",
    "MoversResource",
    "O9Resource",
    "StreamsResource",
    "WarehouseResource",
    "ZoneResource",
    "from_environment",
]


def from_environment(name: str) -> Callable[[], str]:
    """A look-up of a secret at the moment it is needed; it is kept nowhere."""

    def look_up() -> str:
        value = os.environ.get(name, "")
        if not value:
            raise Permanent(f"The environment variable {name} is not set.", remedy="Set it where the run starts.")
        return value

    return look_up


class ClockResource(dg.ConfigurableResource[None]):
    """What time it is; fixed in tests and when history is loaded as it was known."""

    fixed_at: str | None = Field(default=None, description="A fixed moment (ISO, UTC) instead of now")

    def now(self) -> datetime:
        """The present in UTC, microseconds, without a zone."""
        if self.fixed_at is not None:
            return datetime.fromisoformat(self.fixed_at)
        return datetime.now(UTC).replace(tzinfo=None)


class EngineResource(dg.ConfigurableResource[None]):
    """DuckDB: the engine that the set-based steps run on."""

    memory_limit: str = Field(default="2GB", description="Beyond it, DuckDB spills to `temp_dir`")
    temp_dir: str | None = Field(default=None, description="Folder for spills")

    def open(self) -> "Engine":
        from o9_assets.resources.engine import Engine

        return Engine(memory_limit=self.memory_limit, temp_dir=Path(self.temp_dir) if self.temp_dir else None)


class InBuckets(dg.ConfigurableResource[None]):
    """What lies in S3 or in a folder: for S3, whose the buckets are and how writes are encrypted."""

    bucket_owner: str | None = Field(default=None, description="Account that the bucket must belong to; S3 only")
    kms_key: str | None = Field(default=None, description="KMS key of what is written; S3's own key without; S3 only")

    @property
    def buckets(self) -> "Buckets":
        from o9_assets.resources.aws import Buckets

        return Buckets(self.bucket_owner or None, self.kms_key or None)


class LakeResource(InBuckets):
    """The Iceberg lake: a folder with an SQLite catalog, or S3 with Glue."""

    kind: Literal["folder", "glue"] = "folder"
    location: str = Field(description="Folder of the lake, or s3://bucket/prefix")
    database_prefix: str = Field(default="", description="Put before every Glue database name")

    def open(self) -> "Lake":
        from o9_assets.resources.lake import Lake

        if self.kind == "folder":
            return Lake.local(Path(self.location))
        return Lake.glue(self.location, database_prefix=self.database_prefix, buckets=self.buckets)


class ZoneResource(InBuckets):
    """The landing zone, where source files arrive: a folder, or a prefix of an S3 bucket."""

    kind: Literal["folder", "s3"] = "folder"
    location: str = Field(description="Folder, or s3://bucket/prefix")
    settle_seconds: float = Field(
        default=2, description="An object changed within so many seconds is still being written"
    )
    queue_url: str | None = Field(default=None, description="SQS queue that the bucket tells of new objects; S3 only")

    def open(self) -> "LandingZone":
        from o9_assets.resources.landing_zone import FolderZone, S3Zone

        if self.kind == "folder":
            return FolderZone(Path(self.location), settle_seconds=self.settle_seconds)
        from o9_assets.resources import aws

        bucket, _, prefix = self.location.removeprefix("s3://").partition("/")
        return S3Zone(bucket, prefix, aws.s3(self.buckets), settle_seconds=self.settle_seconds)

    def queue(self) -> "LandingQueue | None":
        """The queue with the bucket's events, where there is one."""
        if not self.queue_url:
            return None
        from o9_assets.resources import aws
        from o9_assets.resources.landing_queue import LandingQueue

        return LandingQueue(self.queue_url, aws.client("sqs"))


class MoversResource(InBuckets):
    """AWS services that write into the landing zone, as the settings declare them."""

    location: str = Field(description="s3://bucket/prefix of the landing zone")

    def open(self, transfer: "Transfer") -> "Mover":
        from o9_assets.resources.transfers.opening import open_mover

        return open_mover(transfer, self.location, self.buckets)

    def open_exchange(self, transfer: "DataExchangeTransfer") -> "DataExchange":
        """The data set of Data Exchange that a transfer names."""
        from o9_assets.resources.transfers.opening import open_exchange

        return open_exchange(transfer, self.location, self.buckets)

    def open_events(self, queue: str) -> "RevisionEvents":
        """The queue that EventBridge tells of new revisions."""
        from o9_assets.resources import aws
        from o9_assets.resources.transfers.revision_events import RevisionEvents

        return RevisionEvents(aws.client("sqs"), queue)


class O9Resource(dg.ConfigurableResource[None]):
    """o9: over HTTPS, or the in-process one with its state in a file and its outbound files in the landing zone."""

    kind: Literal["in_process", "http"] = "in_process"
    location: str = Field(description="o9's base URL (empty: the profile's), or the in-process o9's state file")
    outbound: str = Field(default="", description="Folder into which the in-process o9 drops its files")
    profile: str = Field(default="platform", description="Contract profile")

    def open(self, settings: "Settings") -> "O9Client":
        """A client for the settings' model; use it as a context manager."""
        from o9_assets.resources.o9 import O9Client, address, load_profile

        profile = load_profile(self.profile)
        if self.kind == "http":
            url = address(profile, self.location)
            return O9Client(profile, url, lambda name: from_environment(name)(), model=settings.o9.model)
        if "://" in self.location:
            raise Permanent(
                f"The in-process o9 keeps its state in a file; {self.location} is none.", remedy="Set kind to http."
            )
        from o9_assets.deployment import in_process_o9

        transport, secret = in_process_o9(Path(self.location), Path(self.outbound))
        return O9Client(profile, "http://o9.in-process", secret, model=settings.o9.model, transport=transport)


class StreamsResource(dg.ConfigurableResource[None]):
    """Kinesis and Kafka, as the settings name them; region and credentials are found as boto3 finds them."""

    def open(self, stream: "Stream") -> "Reader":
        """A reader; use it as a context manager."""
        from o9_assets.resources.streams import open_reader

        return open_reader(stream)


class WarehouseResource(dg.ConfigurableResource[None]):
    """The warehouse's file; opened by one asset at a time (pool `warehouse`)."""

    path: str = Field(description="DuckDB file")

    def open(self) -> "Warehouse":
        from o9_assets.resources.warehouse import Warehouse

        return Warehouse(Path(self.path))
