"""The mover of a declared transfer, with clients made for it."""

from __future__ import annotations

from o9_assets.failures import Permanent
from o9_assets.planning.transfers import (
    AppFlowTransfer,
    DataExchangeTransfer,
    DataSyncTransfer,
    DmsTransfer,
    Transfer,
)
from o9_assets.resources import aws
from o9_assets.resources.transfers.appflow import AppFlowMover
from o9_assets.resources.transfers.data_exchange import DataExchange
from o9_assets.resources.transfers.datasync import DataSyncMover
from o9_assets.resources.transfers.dms import DmsMover
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import Mover

__all__ = ["open_exchange", "open_mover"]


def open_mover(transfer: Transfer, zone: str, buckets: aws.Buckets | None = None) -> Mover:
    """The mover that a transfer names. `zone` is the landing zone, `s3://bucket/prefix`.

    A data set of Data Exchange has a mover for each revision (`open_exchange`).
    """
    bucket = ZoneBucket.of(aws.s3(buckets), zone)
    match transfer:
        case DmsTransfer():
            return DmsMover(aws.client("dms"), bucket, transfer.task, mode=transfer.mode)
        case DataSyncTransfer():
            once = aws.client("datasync", retries={"mode": "standard", "total_max_attempts": 1})
            return DataSyncMover(aws.client("datasync"), once, bucket, transfer.task)
        case AppFlowTransfer():
            return AppFlowMover(aws.client("appflow"), bucket, transfer.flow)
        case DataExchangeTransfer():
            raise Permanent(f"{transfer.data_set} is moved revision by revision.", remedy="Use open_exchange.")


def open_exchange(transfer: DataExchangeTransfer, zone: str, buckets: aws.Buckets | None = None) -> DataExchange:
    """The data set that a transfer names."""
    bucket = ZoneBucket.of(aws.s3(buckets), zone)
    client = aws.client("dataexchange")
    return DataExchange(client, bucket, transfer.data_set, transfer.lands, kms_key=buckets.kms_key if buckets else None)
