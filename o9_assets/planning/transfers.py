"""Transfers as the planner declares them: which AWS service brings which files into the landing zone.

One model for each kind of mover, told apart by `kind`. What a mover does is resources/transfers'.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from o9_assets.planning.model import Model, Number

__all__ = ["AppFlowTransfer", "DataExchangeTransfer", "DataSyncTransfer", "DmsTransfer", "Transfer"]


class _Transfer(Model):
    """What all kinds share."""

    lands: str = Field(description="Folder below the landing zone that it writes to, such as erp/dms/")
    feeds: tuple[str, ...] = Field(min_length=1, description="Feeds that read what it lands")
    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="External system it reads: small letters, digits, _")
    owner: str = Field(
        "team:data-platform", pattern=r"^(team:[\w-]+|[^@\s]+@[^@\s]+)$", description="team:name, or an address"
    )
    patience_minutes: Number = Field(120, gt=0, description="How long a run follows it; it goes on after that")

    @field_validator("lands")
    @classmethod
    def _below(cls, value: str) -> str:
        if not value.endswith("/") or value.startswith("/") or ".." in value.split("/") or "\\" in value:
            raise ValueError(f"{value!r} is no folder below the landing zone, such as erp/dms/")
        return value


class DmsTransfer(_Transfer):
    """A replication task of AWS DMS that writes to S3."""

    kind: Literal["dms"] = Field(description="dms: a replication task of AWS DMS")
    task: str = Field(min_length=1, description="Identifier or ARN of the replication task")
    mode: Literal["catch_up", "reload", "continuous"] = Field(
        "catch_up",
        description="catch_up: bring in what changed until now, and stop; reload: load the tables anew each time; "
        "continuous: the task runs on by itself, a run only sees that it does",
    )


class DataSyncTransfer(_Transfer):
    """A task of AWS DataSync that copies a file share to S3."""

    kind: Literal["datasync"] = Field(description="datasync: a task of AWS DataSync")
    task: str = Field(pattern=r"^arn:", description="ARN of the task")


class AppFlowTransfer(_Transfer):
    """A flow of Amazon AppFlow that pulls from a SaaS application."""

    kind: Literal["appflow"] = Field(description="appflow: a flow of Amazon AppFlow that is started on demand")
    flow: str = Field(min_length=1, description="Name of the flow")


class DataExchangeTransfer(_Transfer):
    """A data set of AWS Data Exchange whose revisions are exported to S3."""

    kind: Literal["data_exchange"] = Field(description="data_exchange: a data set of AWS Data Exchange")
    data_set: str = Field(min_length=1, description="Id of the entitled data set")
    queue: str | None = Field(
        None, pattern=r"^https?://", description="URL of the SQS queue that EventBridge tells of new revisions"
    )
    poll_minutes: Number = Field(30, ge=1, description="How often new revisions are looked for without an event")


Transfer = Annotated[
    DmsTransfer | DataSyncTransfer | AppFlowTransfer | DataExchangeTransfer, Field(discriminator="kind")
]
