"""The Iceberg snapshot that replaces files by files, with its manifests merged when they pile up.

pyiceberg 0.12 merges manifests for appends only, and every commit of ours is an overwrite: unmerged, each commit adds a
manifest that the next one reads, and 120 commits made a commit seven times slower. Its classes for this are not public;
the pinned version and the tests of test_lake.py watch over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Transaction

__all__ = ["MergingOverwrite"]

MERGE_FROM = 12
TARGET_BYTES = 8 << 20


class MergingOverwrite(_OverwriteFiles):
    """An overwrite whose snapshot never lists more than about a dozen small manifests."""

    def __init__(self, transaction: Transaction) -> None:
        empty = transaction.table_metadata.current_snapshot() is None
        super().__init__(
            operation=Operation.APPEND if empty else Operation.OVERWRITE,
            transaction=transaction,
            io=transaction._table.io,
        )

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        merging = _ManifestMergeManager(
            target_size_bytes=TARGET_BYTES, min_count_to_merge=MERGE_FROM, merge_enabled=True, snapshot_producer=self
        )
        return merging.merge_manifests(manifests)
