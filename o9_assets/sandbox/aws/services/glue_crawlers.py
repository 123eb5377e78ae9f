"""Glue crawlers: tables in the catalog from what lies in S3."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.services.crawl import Found, find_tables

__all__ = ["GlueCrawlers"]

KEPT = (
    "Role",
    "DatabaseName",
    "Description",
    "Targets",
    "TablePrefix",
    "Classifiers",
    "RecrawlPolicy",
    "Configuration",
)
POLICY = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}


class GlueCrawlers(Fake):
    """Crawlers over S3. A crawl that was under way when the twin stopped is forgotten."""

    service = "glue"

    def create_crawler(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = request["Name"]
        _targets(request["Targets"])
        if "DatabaseName" not in request:
            raise _bad("A crawler over S3 needs DatabaseName.")
        crawler = {
            "Name": name,
            "State": "READY",
            "SchemaChangePolicy": POLICY | request.get("SchemaChangePolicy", {}),
            "CrawlElapsedTime": 0,
            "CreationTime": _now(),
            "LastUpdated": _now(),
            "Version": 1,
            **{k: request[k] for k in KEPT if k in request},
        }
        if not self.state.add("crawler", name, crawler):
            raise ServiceError("AlreadyExistsException", f"Crawler with name {name} already exists.")
        return {}

    def update_crawler(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        crawler = self._crawler(request["Name"])
        if crawler["State"] != "READY":
            raise ServiceError("CrawlerRunningException", f"Crawler {crawler['Name']} is running.")
        if "Targets" in request:
            _targets(request["Targets"])
        changed = {k: request[k] for k in KEPT if k in request}
        changed |= {"SchemaChangePolicy": crawler["SchemaChangePolicy"] | request.get("SchemaChangePolicy", {})}
        changed |= {"LastUpdated": _now(), "Version": crawler["Version"] + 1}
        self.state.put("crawler", crawler["Name"], crawler | changed)
        return {}

    def get_crawler(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"Crawler": _told(self._crawler(request["Name"]))}

    def get_crawlers(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"Crawlers": [_told(crawler) for crawler in self.state.all("crawler").values()]}

    def list_crawlers(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {"CrawlerNames": list(self.state.all("crawler"))}

    def get_crawler_metrics(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        names = request.get("CrawlerNameList") or list(self.state.all("crawler"))
        return {
            "CrawlerMetricsList": [self._crawler(name).get("Metrics", {}) | {"CrawlerName": name} for name in names]
        }

    def delete_crawler(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        if self._crawler(request["Name"])["State"] != "READY":
            raise ServiceError("CrawlerRunningException", f"Crawler {request['Name']} is running.")
        self.state.delete("crawler", request["Name"])
        return {}

    def start_crawler(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        name = request["Name"]

        def start(crawler: dict[str, Any] | None) -> dict[str, Any]:
            if crawler is None:
                raise ServiceError("EntityNotFoundException", f"Crawler {name} not found.")
            if crawler["State"] != "READY":
                raise ServiceError("CrawlerRunningException", f"Crawler with name {name} has already started.")
            return crawler | {"State": "RUNNING"}

        crawler = self.state.change("crawler", name, start)
        self.twin.background(f"crawler-{name}", lambda: self._crawl(crawler))
        return {}

    # The work

    def _crawl(self, crawler: dict[str, Any]) -> None:
        started, counts = _now(), {"TablesCreated": 0, "TablesUpdated": 0, "TablesDeleted": 0}
        last: dict[str, Any] = {
            "Status": "SUCCEEDED",
            "StartTime": started,
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": crawler["Name"],
            "MessagePrefix": str(uuid4()),
        }
        try:
            s3, tables = self.twin.client("s3"), list[Found]()
            for target in _targets(crawler["Targets"]):
                tables += find_tables(s3, target["Path"], target.get("Exclusions", []), crawler.get("TablePrefix", ""))
            self._write(crawler, tables, counts)
        except (ClientError, ServiceError, ValueError) as error:
            last |= {"Status": "FAILED", "ErrorMessage": str(error)[:2000]}
        seconds = (_now() - started).total_seconds()
        metrics = counts | {"LastRuntimeSeconds": seconds, "StillEstimating": False}
        ended = {"State": "READY", "LastCrawl": last, "Metrics": metrics}
        self.state.change("crawler", crawler["Name"], lambda now: (now or crawler) | ended)

    def _write(self, crawler: dict[str, Any], tables: list[Found], counts: dict[str, int]) -> None:
        glue, database, policy = self.twin.client("glue"), crawler["DatabaseName"], crawler["SchemaChangePolicy"]
        try:
            glue.get_database(Name=database)
        except glue.exceptions.EntityNotFoundException:
            glue.create_database(DatabaseInput={"Name": database})
        there = {
            table["Name"]: table
            for page in glue.get_paginator("get_tables").paginate(DatabaseName=database)
            for table in page["TableList"]
        }
        for table in tables:
            wanted = table.table_input(crawler["Name"])
            if table.name not in there:
                glue.create_table(DatabaseName=database, TableInput=wanted)
                counts["TablesCreated"] += 1
            elif policy["UpdateBehavior"] == "UPDATE_IN_DATABASE":
                glue.update_table(DatabaseName=database, TableInput=wanted)
                counts["TablesUpdated"] += 1
            self._partitions(glue, database, table)
        gone = [
            name
            for name, table in there.items()
            if table.get("Parameters", {}).get("UPDATED_BY_CRAWLER") == crawler["Name"]
            and name not in {t.name for t in tables}
        ]
        for name in gone:
            if policy["DeleteBehavior"] == "DELETE_FROM_DATABASE":
                glue.delete_table(DatabaseName=database, Name=name)
                counts["TablesDeleted"] += 1
            elif policy["DeleteBehavior"] == "DEPRECATE_IN_DATABASE":
                parameters = there[name]["Parameters"] | {"DEPRECATED_BY_CRAWLER": str(int(_now().timestamp() * 1000))}
                known = ("Name", "StorageDescriptor", "PartitionKeys", "TableType")
                kept = {k: there[name][k] for k in known if k in there[name]}
                glue.update_table(DatabaseName=database, TableInput=kept | {"Parameters": parameters})

    @staticmethod
    def _partitions(glue: Any, database: str, table: Found) -> None:
        if not table.partition_keys:
            return
        pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table.name)
        there = {tuple(p["Values"]) for page in pages for p in page["Partitions"]}
        new = [values for values in table.partitions if values not in there]
        for first in range(0, len(new), 100):
            inputs = [table.partition_input(values) for values in new[first : first + 100]]
            glue.batch_create_partition(DatabaseName=database, TableName=table.name, PartitionInputList=inputs)

    def _crawler(self, name: str) -> dict[str, Any]:
        crawler: dict[str, Any] | None = self.state.get("crawler", name)
        if crawler is None:
            raise ServiceError("EntityNotFoundException", f"Crawler {name} not found.")
        return crawler


def _targets(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The S3 targets. Raises ServiceError where there are others, or none."""
    if others := sorted(name for name, targets in given.items() if targets and name != "S3Targets"):
        raise _bad(f"NotEmulated: crawler targets of the kind {others[0]} are not emulated by the sandbox")
    if not given.get("S3Targets"):
        raise _bad("A crawler needs at least one target.")
    return list(given["S3Targets"])


def _told(crawler: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in crawler.items() if k != "Metrics"}


def _now() -> datetime:
    return datetime.now(UTC)


def _bad(message: str) -> ServiceError:
    return ServiceError("InvalidInputException", message)
