"""A company whose files come through AWS's movers: a landing zone on the twin's S3, a lake in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from o9_assets.assets.catalog import FEEDS
from o9_assets.assets.landing import transfers
from o9_assets.landing.accounts import Account, account_of
from o9_assets.landing.datasets import MANIFEST, TRANSFERS
from o9_assets.landing.ingest import IngestReport, ingest
from o9_assets.planning.settings import Settings, bind, parse
from o9_assets.resources.configured import ClockResource, LakeResource, MoversResource, ZoneResource
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, equal
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique

__all__ = ["Transferring", "failure", "told"]


@dataclass
class Transferring:
    """Settings, a bucket on the twin and a lake below `home`."""

    home: Path
    twin: Twin
    text: str
    bucket: str = ""

    def __post_init__(self) -> None:
        self.settings: Settings = parse(self.text)
        self.bucket = self.bucket or unique("landing")
        self.twin.client("s3").create_bucket(Bucket=self.bucket)

    @property
    def zone(self) -> ZoneResource:
        return ZoneResource(kind="s3", location=f"s3://{self.bucket}/zone", settle_seconds=0)

    @property
    def movers(self) -> MoversResource:
        return MoversResource(location=f"s3://{self.bucket}/zone")

    @property
    def lake(self) -> Lake:
        return Lake.local(self.home / "lake")

    @property
    def engine(self) -> Engine:
        return Engine(memory_limit="500MB", threads=1)

    def resources(self) -> dict[str, Any]:
        return {
            "movers": self.movers,
            "zone": self.zone,
            "lake": LakeResource(location=str(self.home / "lake")),
            "clock": ClockResource(),
        }

    def run(self, transfer: str) -> Any:
        """Materialize landing/<transfer>; nothing is raised."""
        things = transfers.build(self.settings, movers=True)
        key = dg.AssetKey(["landing", transfer])
        [asset] = [thing for thing in things if isinstance(thing, dg.AssetsDefinition) and thing.key == key]
        return dg.materialize([asset], resources=self.resources(), raise_on_error=False)

    def ingest(self, feed: str) -> IngestReport:
        dataset = getattr(FEEDS[feed], feed.upper())
        return ingest(
            feed,
            bind(self.settings, dataset),
            dataset,
            timezone=self.settings.timezone,
            zone=self.zone.open(),
            lake=self.lake,
            engine=self.engine,
            now=datetime(2026, 7, 1),
        )

    def rows(self, feed: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Rows of the feed that count, sorted."""
        from o9_assets.landing.accepted import accepted_view

        dataset = getattr(FEEDS[feed], feed.upper())
        with self.engine.connect() as con:
            accepted_view(con, self.lake, dataset, feed, "accepted")
            return con.execute(f"SELECT {', '.join(columns)} FROM accepted ORDER BY ALL").fetchall()

    def account(self, feed: str) -> Account:
        return account_of(feed, getattr(FEEDS[feed], feed.upper()), lake=self.lake, engine=self.engine)

    def ledger(self, transfer: str) -> list[dict[str, Any]]:
        rows = self.lake.read(TRANSFERS, where=equal("transfer", transfer)).to_pylist()
        return sorted(rows, key=lambda row: row["number"])

    def manifest(self) -> list[dict[str, Any]]:
        return sorted(self.lake.read(MANIFEST).to_pylist(), key=lambda row: (row["ingest_seq"], row["object_name"]))

    def objects(self) -> list[str]:
        """Names of objects in the landing zone."""
        listed = self.twin.client("s3").list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [entry["Key"].removeprefix("zone/") for entry in listed]


def failure(result: Any) -> str:
    """What the failed step says."""
    [event] = result.get_step_failure_events()
    data = event.step_failure_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error.message)


def told(result: Any) -> dict[str, Any]:
    """The metadata of the materialization."""
    [event] = result.get_asset_materialization_events()
    return {key: value.value for key, value in event.materialization.metadata.items()}
