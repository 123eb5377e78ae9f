"""DMS and DataSync on the twin for tests: tasks, what they wrote, and movers of a landing zone of their own."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from o9_assets.planning.transfers import DataSyncTransfer
from o9_assets.resources import aws
from o9_assets.resources.landing_zone import S3Zone
from o9_assets.resources.transfers.dms import DmsMover
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import Mover, Progress, follow
from o9_assets.resources.transfers.opening import open_mover
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually, unique

__all__ = ["Dms", "Share", "followed"]


def followed(mover: Mover, execution: str, **more: Any) -> Progress:
    """The execution at its end, looked at often."""
    return follow(
        mover,
        execution,
        patience_seconds=more.pop("patience_seconds", 30),
        sleep=lambda seconds: time.sleep(min(seconds, 0.05)),
        clock=time.monotonic,
        **more,
    )


class Dms:
    """A replication task of the twin with a bucket of its own, whose prefix `zone/` is the landing zone."""

    def __init__(
        self,
        twin: Twin,
        source: Mapping[str, Any],
        *,
        kind: str = "full-load-and-cdc",
        tables: str = "%",
        schema: str = "%",
        rules: list[dict[str, Any]] | None = None,
        task_settings: Mapping[str, Any] | None = None,
        bucket: str | None = None,
        **settings: Any,
    ) -> None:
        self.twin, self.client, self.s3 = twin, twin.client("dms"), twin.client("s3")
        self.bucket = bucket or unique("landing")
        if bucket is None:
            self.s3.create_bucket(Bucket=self.bucket)
        self.name = unique("task")
        ends = {
            "source": {"EngineName": "postgres", **source},
            "target": {
                "EngineName": "s3",
                "S3Settings": {"BucketName": self.bucket, "BucketFolder": "zone/erp", **settings},
            },
        }
        arns = {
            side: self.client.create_endpoint(EndpointIdentifier=unique(side), EndpointType=side, **given)["Endpoint"]
            for side, given in ends.items()
        }
        instance = self.client.create_replication_instance(
            ReplicationInstanceIdentifier=unique("instance"), ReplicationInstanceClass="dms.t3.micro"
        )["ReplicationInstance"]
        selection = {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "1",
            "object-locator": {"schema-name": schema, "table-name": tables},
            "rule-action": "include",
        }
        self.arn = self.client.create_replication_task(
            ReplicationTaskIdentifier=self.name,
            SourceEndpointArn=arns["source"]["EndpointArn"],
            TargetEndpointArn=arns["target"]["EndpointArn"],
            ReplicationInstanceArn=instance["ReplicationInstanceArn"],
            MigrationType=kind,
            TableMappings=json.dumps({"rules": [selection, *(rules or [])]}),
            ReplicationTaskSettings=json.dumps(task_settings or {}),
        )["ReplicationTask"]["ReplicationTaskArn"]

    @property
    def zone(self) -> str:
        return f"s3://{self.bucket}/zone"

    def mover(self, **more: Any) -> DmsMover:
        return DmsMover(aws.client("dms"), ZoneBucket.of(aws.s3(), self.zone), self.name, **more)

    def start(self, kind: str = "start-replication", *, stop_now: bool = True) -> None:
        """Start the task by hand; with `stop_now` it ends with what was committed until now."""
        position = {"CdcStopPosition": f"server_time:{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"} if stop_now else {}
        self.client.start_replication_task(ReplicationTaskArn=self.arn, StartReplicationTaskType=kind, **position)

    def task(self) -> dict[str, Any]:
        [found] = self.client.describe_replication_tasks(
            Filters=[{"Name": "replication-task-arn", "Values": [self.arn]}]
        )["ReplicationTasks"]
        return dict(found)

    def ended(self) -> dict[str, Any]:
        return eventually(lambda: (task := self.task())["Status"] in ("stopped", "failed") and task)

    def names(self) -> list[str]:
        """What lies in the bucket, below `zone/`."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [entry["Key"].removeprefix("zone/") for entry in listed]

    def body(self, name: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=f"zone/{name}")["Body"].read()
        return gzip.decompress(body) if name.endswith(".gz") else body

    def records(self, name: str, delimiter: str = ",") -> list[list[str]]:
        return list(csv.reader(io.StringIO(self.body(name).decode(), newline=""), delimiter=delimiter))


class Share:
    """A folder, and a task that copies it below `zone/wms/` of a bucket."""

    def __init__(self, twin: Twin, home: Path, *, report: bool = False, mode: str = "BASIC", **options: Any) -> None:
        self.client, self.s3 = twin.client("datasync"), twin.client("s3")
        self.bucket, self.folder = unique("landing"), home / "share"
        self.folder.mkdir()
        self.s3.create_bucket(Bucket=self.bucket)
        role = f"arn:aws:iam::{twin.account}:role/datasync"
        source = self.client.create_location_nfs(
            ServerHostname="localhost",
            Subdirectory=str(self.folder),
            OnPremConfig={"AgentArns": [f"arn:aws:datasync:us-east-1:{twin.account}:agent/agent-{'0' * 17}"]},
        )
        target = self.client.create_location_s3(
            S3BucketArn=f"arn:aws:s3:::{self.bucket}", Subdirectory="/zone/wms/", S3Config={"BucketAccessRoleArn": role}
        )
        place = {"S3BucketArn": f"arn:aws:s3:::{self.bucket}", "Subdirectory": "reports", "BucketAccessRoleArn": role}
        config = {
            "Destination": {"S3": place},
            "OutputType": "STANDARD",
            "ReportLevel": "SUCCESSES_AND_ERRORS",
        }
        self.arn = self.client.create_task(
            SourceLocationArn=source["LocationArn"],
            DestinationLocationArn=target["LocationArn"],
            Options=options,
            TaskMode=mode,
            **({"TaskReportConfig": config} if report else {}),
        )["TaskArn"]
        self.zone = S3Zone(self.bucket, "zone", aws.s3())

    def put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def mover(self) -> Mover:
        transfer = DataSyncTransfer(
            kind="datasync", task=self.arn, lands="wms/", feeds=("erp_orders",), source="wms", patience_minutes=1
        )
        return open_mover(transfer, f"s3://{self.bucket}/zone")

    def run(self, token: str = "x") -> tuple[str, Progress]:  # noqa: S107
        mover = self.mover()
        execution = mover.start(token)
        return execution, followed(mover, execution)

    def executions(self) -> int:
        return len(self.client.list_task_executions(TaskArn=self.arn)["TaskExecutions"])
