"""A stream as the planner declares it: where its events come from, what their fields mean, and how it is read.

The payload contract is the `columns` mapping: an event is a JSON object, and each of our columns names its field.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, model_validator

from o9_assets.loopback import is_loopback
from o9_assets.planning.conditions import Condition
from o9_assets.planning.feeds import ColumnMapping, Feed, Rule, rule_problems
from o9_assets.planning.formats import Format, TimeFormat
from o9_assets.planning.model import Model, Number, Whole, Wrong

__all__ = ["Convergence", "Stream", "on_this_machine"]


class Convergence(Model):
    """How the stream's totals are compared with those of the order feed."""

    by: Literal["hour", "day"] = Field("day", description="hour needs ordered_at in the order feed")
    counts: Condition | None = Field(
        None, description="SQL condition on an event's columns: which events are order quantity; left out, all of them"
    )
    tolerance: Number = Field(0.005, ge=0, description="Share of the order feed's quantity that may differ")
    tolerance_quantity: Number = Field(0, ge=0, description="Quantity that may differ, however small the total")
    after_hours: Number = Field(24, ge=0, description="A period is compared when it ended so long ago")
    days: Whole = Field(14, ge=1, le=400, description="Days looked back on")


class Stream(Model):
    """A stream of demand events, and the raw dataset that takes it."""

    kind: Literal["kinesis", "kafka"] = Field(description="kinesis (also what an IoT rule sends there), or kafka (MSK)")
    name: str = Field(min_length=1, description="Name of the Kinesis stream, or of the topic")
    cluster_arn: str | None = Field(None, description="kind: kafka; MSK cluster whose brokers are asked for")
    brokers: str | None = Field(None, description="kind: kafka; host:port, ... instead of an MSK cluster")
    auth: Literal["iam", "tls", "none"] = Field(
        "iam", description="kind: kafka; IAM token over TLS, TLS alone, or neither (a broker on this machine)"
    )
    columns: dict[str, ColumnMapping] = Field(
        min_length=1, description="Our column: the event's field, or a JSON pointer such as /order/item"
    )
    rules: tuple[Rule, ...] = Field((), description="Conditions that every event must meet")
    timestamp: TimeFormat = Field("iso8601", description="iso8601, epoch_ms, or a strptime format")
    date: TimeFormat = Field("%Y-%m-%d", description="strptime format of days")
    tombstones: Literal["delete", "set_aside"] = Field(
        "delete", description="A record without a payload takes back the event whose id is its key, or is quarantined"
    )
    start: Literal["earliest"] | datetime = Field(
        "earliest", description="Where the first read begins: at the oldest record, or at a moment"
    )
    allowed_lateness_minutes: Number = Field(
        60, ge=0, description="An event that arrives later than this after it happened is marked late"
    )
    max_records: Whole = Field(1_000_000, ge=1, description="A run ends after so many records")
    max_seconds: Number = Field(120, gt=0, description="A run ends after so long")
    convergence: Convergence = Field(Convergence(), description="Comparison with the order feed")

    @model_validator(mode="after")
    def _fits_together(self) -> Stream:
        found: list[tuple[tuple[str | int, ...], str]] = []
        kafka = self.kind == "kafka"
        if not kafka:
            given = [name for name in ("cluster_arn", "brokers", "auth") if name in self.model_fields_set]
            found += [((name,), "goes with kind: kafka only") for name in given]
        elif (self.cluster_arn is None) == (self.brokers is None):
            found.append((("cluster_arn",), "kind: kafka needs either cluster_arn or brokers"))
        if self.auth == "none" and self.brokers is not None and not on_this_machine(self.brokers):
            found.append((("auth",), "none is for brokers on this machine; say tls or iam"))
        if isinstance(self.start, datetime) and self.start.tzinfo is None:
            found.append((("start",), "needs a zone, such as 2026-01-31T00:00:00Z"))
        found += rule_problems(self.rules)
        for name, mapping in self.columns.items():
            if mapping.position_within is not None:
                found.append((("columns", name, "position_within"), "is for files; a stream has no end"))
        if found:
            raise Wrong(*found)
        return self

    @property
    def start_at(self) -> datetime | None:
        """The moment (UTC, without a zone) of the first read; None for the oldest record."""
        return None if isinstance(self.start, str) else self.start.astimezone(UTC).replace(tzinfo=None)

    @property
    def feed(self) -> Feed:
        """The events as a feed of JSON lines, which is how they are judged."""
        return Feed(
            path="*",
            format=Format(type="jsonl", timestamp=self.timestamp, date=self.date),
            columns=self.columns,
            rules=self.rules,
        )


def on_this_machine(brokers: str) -> bool:
    """Whether all of host:port, ... are this machine's own."""
    hosts = (broker.strip().rpartition(":")[0] for broker in brokers.split(","))
    return all(is_loopback(host) for host in hosts)
