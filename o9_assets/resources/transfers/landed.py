"""Where in the landing zone's bucket a mover writes: names below the zone's root, and what was written when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from o9_assets.failures import Permanent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ZoneBucket"]


@dataclass(frozen=True, slots=True)
class ZoneBucket:
    """The bucket and the prefix (`''`, or ending in a slash) that the landing zone lies in."""

    s3: S3Client
    bucket: str
    prefix: str

    @classmethod
    def of(cls, s3: S3Client, location: str) -> ZoneBucket:
        """The zone at `s3://bucket/prefix`."""
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return cls(s3, bucket, prefix.strip("/") + "/" if prefix.strip("/") else "")

    def name(self, bucket: str, key: str, *, writer: str) -> str:
        """The name below the zone's root of a key. Raises Permanent where `writer` writes elsewhere."""
        if bucket != self.bucket or not key.startswith(self.prefix):
            raise Permanent(
                f"{writer} writes to s3://{bucket}/{key}, which is not in the landing zone "
                f"s3://{self.bucket}/{self.prefix}.",
                remedy="Let it write there, or set O9_LANDING_ZONE to where it writes.",
            )
        return key.removeprefix(self.prefix)

    def written(self, folder: str, begin: datetime, end: datetime | None) -> Iterator[str]:
        """Names below `folder` whose objects were last written from `begin` to `end` (UTC with a zone), in their order.

        S3 tells whole seconds, so `begin` counts from its second on.
        """
        begin = begin.replace(microsecond=0)
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + folder):
            for entry in page.get("Contents", []):
                at = entry["LastModified"]
                if not entry["Key"].endswith("/") and begin <= at and (end is None or at <= end + timedelta(seconds=1)):
                    yield entry["Key"].removeprefix(self.prefix)
