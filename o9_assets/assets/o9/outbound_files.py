"""Files that o9 drops into its SFTP folder, brought into the landing zone, where their feeds take them in.

Only where the settings say `o9.outbound.sftp: true`. A file that did not change is not brought again, and one that is
still being written is left for the next run.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.declare import dataset_asset
from o9_assets.exchange.datasets import OUTBOUND_FILES
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, LakeResource, O9Resource, ZoneResource

__all__ = ["OUTBOUND_FILES", "build"]


def build(settings: Settings) -> list[Any]:
    """The asset, where o9 is collected from."""
    if not settings.o9.outbound.sftp:
        return []

    @dataset_asset(OUTBOUND_FILES, kinds={"iceberg", "sftp"}, deps=[["o9", "outbound_plan"]])
    def outbound_files(
        context: dg.AssetExecutionContext,
        o9: O9Resource,
        zone: ZoneResource,
        lake: LakeResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.collecting import collect

        with o9.open(settings) as client:
            found = collect(client=client, zone=zone.open(), lake=lake.open(), now=clock.now())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": lake.open().row_count(OUTBOUND_FILES),
                "files": [file.name for file in found],
                "bytes": sum(file.size_bytes for file in found),
            }
        )

    return [outbound_files]
