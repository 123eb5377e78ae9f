"""The small company of company.py on the aws deployment: its landing zone and lake in a bucket of the twin."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from o9_assets.resources import aws
from o9_assets.resources.configured import LakeResource, ZoneResource
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import LandingZone, S3Zone
from o9_assets_tests.aws import unique
from o9_assets_tests.company import Company

__all__ = ["CompanyOnAws"]


@dataclass
class CompanyOnAws(Company):
    """`put` and `orders` write to S3; the folder below `home` is not used. The environment names the twin."""

    bucket: str = field(default_factory=lambda: unique("company"))

    def __post_init__(self) -> None:
        super().__post_init__()
        client = aws.s3()
        if self.bucket not in {b["Name"] for b in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=self.bucket)

    @property
    def prefix(self) -> str:
        """Before the names of Glue databases: other tests share the twin."""
        return self.bucket.replace("-", "_") + "_"

    @property
    def zone(self) -> LandingZone:
        return S3Zone(self.bucket, "landing", aws.s3())

    @property
    def lake(self) -> Lake:
        return Lake.glue(f"s3://{self.bucket}/lake", database_prefix=self.prefix)

    def put(self, name: str, content: str | bytes) -> Path:
        self.zone.put(name, content.encode() if isinstance(content, str) else content)
        return Path(name)

    def resources(self, queue_url: str | None = None) -> dict[str, LakeResource | ZoneResource]:
        """As the aws deployment has them."""
        return {
            "zone": ZoneResource(
                kind="s3", location=f"s3://{self.bucket}/landing", settle_seconds=0, queue_url=queue_url
            ),
            "lake": LakeResource(kind="glue", location=f"s3://{self.bucket}/lake", database_prefix=self.prefix),
        }
