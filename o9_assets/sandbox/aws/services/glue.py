"""AWS Glue: jobs, crawlers, and what moto's data catalog lacks. Tables, databases and partitions are moto's."""

from __future__ import annotations

from typing import Any

from o9_assets.sandbox.aws.fake import Call, ServiceError
from o9_assets.sandbox.aws.services.glue_crawlers import GlueCrawlers
from o9_assets.sandbox.aws.services.glue_jobs import GlueJobs

__all__ = ["Glue"]


class Glue(GlueJobs, GlueCrawlers):
    """Glue: jobs, crawlers, and the catalog's optimistic lock."""

    service = "glue"
    falls_through = True

    def update_table(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        """Replace a table's definition, only if `VersionId` is still its version: Iceberg commits rest on this.

        With SkipArchive the version before is not kept.
        """
        from moto.glue.models import glue_backends

        name = request.get("Name") or request["TableInput"]["Name"]
        with self.twin.locked("glue"):
            database = glue_backends[call.account][call.region].databases.get(request["DatabaseName"])
            table = database.tables.get(name) if database else None
            if table is None:
                raise ServiceError("EntityNotFoundException", f"Table {name} not found.")
            current = table.as_dict()["VersionId"]
            if request.get("VersionId", current) != current:
                raise ServiceError(
                    "ConcurrentModificationException",
                    f"Update table failed due to concurrent modifications: {name} is at version {current}, "
                    f"not {request['VersionId']}.",
                )
            table.update(request["TableInput"])
            if request.get("SkipArchive"):
                table.delete_version(current)
        return {}
