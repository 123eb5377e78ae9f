"""Demand events as they happen, read from Kinesis (or Kafka): order changes, point-of-sale scans, meter readings.

Each record is in once, with the position that names it in its stream; the manifest says up to where a partition was
read. An event that comes twice, or in a later version, is a row of its own: `event_id` tells which belong together.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.raw.feed_report import standing
from o9_assets.landing.event_datasets import DEMAND_EVENTS, PAYLOAD
from o9_assets.planning.settings import Settings, bind_stream
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, StreamsResource

__all__ = ["DEMAND_EVENTS", "build"]

LOOKED_BACK_RANGES = 500
"""The account of rows is taken of so many ranges: older ones do not change."""


class DemandEventsConfig(dg.Config):
    """Bounds of a run, where they are to be others than the settings'."""

    max_records: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)


def build(settings: Settings) -> list[Any]:
    """The asset and its checks. Raises SettingsError where the stream's mapping does not fit."""
    stream = bind_stream(settings, "demand_events", PAYLOAD)

    @dataset_asset(
        DEMAND_EVENTS,
        kinds={"iceberg", stream.kind},
        pool="landing_demand_events",
        description=f"{(__doc__ or '').strip()}\n\n{DEMAND_EVENTS.description}\n\nComes from {stream.kind} "
        f"`{stream.name}`.",
    )
    def demand_events(
        context: dg.AssetExecutionContext,
        config: DemandEventsConfig,
        streams: StreamsResource,
        lake: LakeResource,
        engine: EngineResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.landing.streaming import take_in

        room, opened = lake.open(), engine.open()
        with streams.open(stream) as reader:
            report = take_in(
                "demand_events",
                stream,
                PAYLOAD,
                DEMAND_EVENTS,
                timezone=settings.timezone,
                reader=reader,
                lake=room,
                engine=opened,
                now=clock.now,
                max_records=config.max_records,
                max_seconds=config.max_seconds,
                progress=context.log.info,
            )
        for gap in report.gaps:
            context.log.warning(f"gap: {gap}")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": room.row_count(DEMAND_EVENTS),
                **standing("demand_events", room, opened),
                "landed rows (this run)": report.landed_rows,
                "accepted rows (this run)": report.accepted_rows,
                "quarantined rows (this run)": report.quarantined_rows,
                "bytes (this run)": report.size_bytes,
                "ranges (this run)": report.ranges,
                "partitions": report.partitions,
                "more is waiting": report.waiting,
                "gaps (this run)": report.gaps,
            }
        )

    @dg.asset_check(
        asset=demand_events,
        name="every_row_accounted_for",
        blocking=True,
        description="landed = accepted + quarantined for the latest ranges, and each of these rows is there once.",
    )
    def every_row_accounted_for(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.landing.accounts import account_of

        account = account_of(
            "demand_events", DEMAND_EVENTS, lake=lake.open(), engine=engine.open(), latest=LOOKED_BACK_RANGES
        )
        return dg.AssetCheckResult(
            passed=account.balanced,
            description="; ".join(account.breaks)
            or f"{account.landed:,} landed = {account.accepted:,} accepted + {account.quarantined:,} quarantined",
            metadata={
                "landed": account.landed,
                "accepted": account.accepted,
                "quarantined": account.quarantined,
                "mended": account.mended,
            },
        )

    @dg.asset_check(
        asset=demand_events,
        name="no_record_was_lost",
        description="No record left the stream before it was read: gaps of the last week, partition by partition.",
    )
    def no_record_was_lost(lake: LakeResource, clock: ClockResource) -> dg.AssetCheckResult:
        from o9_assets.landing.streaming import gaps

        found = gaps(lake.open(), "demand_events", now=clock.now())
        return dg.AssetCheckResult(
            passed=not found,
            description="; ".join(found[:20]) or "every record was read before it left the stream",
            metadata={"gaps": len(found)},
        )

    return [demand_events, every_row_accounted_for, no_record_was_lost]
