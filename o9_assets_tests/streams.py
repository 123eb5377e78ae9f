"""A stream for tests: settings with a stream, a lake in a temporary folder, and events put into Kinesis."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from o9_assets.landing.accounts import Account, account_of
from o9_assets.landing.datasets import MANIFEST, QUARANTINE
from o9_assets.landing.event_datasets import DEMAND_EVENTS, PAYLOAD
from o9_assets.landing.streaming import StreamReport, take_in
from o9_assets.planning.settings import Settings, bind_stream, parse
from o9_assets.planning.streams import Stream
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake
from o9_assets.resources.streams import Reader
from o9_assets.resources.streams.kinesis import KinesisReader
from o9_assets_tests.company import SETTINGS

__all__ = ["EVENTS", "STREAM", "Streaming", "event", "packed"]

STREAM = """
streams:
  demand_events:
    kind: kinesis
    name: events
    columns:
      event_id: id
      event_type: type
      event_at: at
      item_code: {from: item, apply: [trim, upper]}
      location_code: /ship_to/code
      quantity: qty
      unit_price: price
    rules: [{name: quantity_out_of_range, must: "abs(quantity) <= 1000"}]
    allowed_lateness_minutes: 60
"""
EVENTS = SETTINGS + STREAM


def event(number: int, **given: Any) -> dict[str, Any]:
    """An event as a source writes it."""
    found = {
        "id": f"E{number}",
        "type": "order",
        "at": datetime.now(UTC).isoformat(),
        "item": "a1",
        "ship_to": {"code": "S1"},
        "qty": number,
    }
    return {**found, **given}


def packed(*payloads: bytes, key: str = "k") -> bytes:
    """A record as the Kinesis Producer Library packs it."""
    from aws_kinesis_agg.aggregator import RecordAggregator

    aggregator = RecordAggregator()
    for payload in payloads:
        aggregator.add_user_record(key, payload)
    _, _, data = aggregator.clear_and_get().get_contents()
    return bytes(data)


@dataclass
class Streaming:
    """Everything below one folder; `kinesis` is a client."""

    home: Path
    kinesis: Any = None
    text: str = EVENTS
    name: str = "events"
    now: datetime | None = None
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = parse(self.text.replace("name: events", f"name: {self.name}"))

    @property
    def stream(self) -> Stream:
        return bind_stream(self.settings, "demand_events", PAYLOAD)

    @property
    def lake(self) -> Lake:
        return Lake.local(self.home / "lake")

    @property
    def engine(self) -> Engine:
        return Engine(memory_limit="1GB")

    def clock(self) -> datetime:
        return self.now or datetime.now(UTC).replace(tzinfo=None)

    def reader(self) -> Reader:
        return KinesisReader(self.kinesis, self.name, now=self.clock)

    def create(self, shards: int = 1) -> None:
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)

    def put(self, *payloads: dict[str, Any] | bytes, key: str = "k", **given: Any) -> list[str]:
        """Put events, one record each; returns their sequence numbers."""
        records = [
            {"Data": p if isinstance(p, bytes) else json.dumps(p).encode(), "PartitionKey": key, **given}
            for p in payloads
        ]
        answer = self.kinesis.put_records(StreamName=self.name, Records=records)
        assert not answer.get("FailedRecordCount")
        return [record["SequenceNumber"] for record in answer["Records"]]

    def take_in(self, reader: Reader | None = None, **given: Any) -> StreamReport:
        with reader or self.reader() as opened:
            return take_in(
                "demand_events",
                self.stream,
                PAYLOAD,
                DEMAND_EVENTS,
                timezone=self.settings.timezone,
                reader=opened,
                lake=self.lake,
                engine=self.engine,
                now=self.clock,
                **given,
            )

    def raw(self, *columns: str) -> list[dict[str, Any]]:
        """Rows that the manifest lists, by partition and position."""
        listed = set(self.lake.read(MANIFEST)["object_id"].to_pylist())
        rows = [row for row in self.lake.read(DEMAND_EVENTS).to_pylist() if row["object_id"] in listed]
        rows.sort(key=lambda row: (row["partition_name"], int(row["position"]), row["sub_position"]))
        return [{c: row[c] for c in columns} for row in rows] if columns else rows

    def ids(self) -> list[str]:
        """Event ids in the order of `raw`."""
        return [row["event_id"] for row in self.raw("event_id")]

    def quarantine(self) -> list[dict[str, Any]]:
        table = self.lake.read(QUARANTINE).sort_by([("object_name", "ascending"), ("line", "ascending")])
        return list(table.to_pylist())

    def manifest(self) -> list[dict[str, Any]]:
        table = self.lake.read(MANIFEST).sort_by([("ingest_seq", "ascending"), ("object_name", "ascending")])
        return list(table.to_pylist())

    def account(self) -> Account:
        return account_of("demand_events", DEMAND_EVENTS, lake=self.lake, engine=self.engine)
