"""The mover of a declared transfer, with clients made for it."""

from __future__ import annotations

from o9_assets.planning.transfers import DataSyncTransfer, DmsTransfer, Transfer
from o9_assets.resources import aws
from o9_assets.resources.transfers.datasync import DataSyncMover
from o9_assets.resources.transfers.dms import DmsMover
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import Mover

__all__ = ["open_mover"]


def open_mover(transfer: Transfer, zone: str, buckets: aws.Buckets | None = None) -> Mover:
    """The mover that a transfer names. `zone` is the landing zone, `s3://bucket/prefix`."""
    bucket = ZoneBucket.of(aws.s3(buckets), zone)
    match transfer:
        case DmsTransfer():
            return DmsMover(aws.client("dms"), bucket, transfer.task, mode=transfer.mode)
        case DataSyncTransfer():
            once = aws.client("datasync", retries={"mode": "standard", "total_max_attempts": 1})
            return DataSyncMover(aws.client("datasync"), once, bucket, transfer.task)
