"""The Iceberg snapshot that replaces files by files, with its manifests merged when they pile up; and what expiry asks
of the table in the moment of its commit.

pyiceberg 0.12 merges manifests for appends only, and every commit of ours is an overwrite: unmerged, each commit adds a
manifest that the next one reads, and 120 commits made a commit seven times slower. Its classes for this are not public;
the pinned version and the tests of test_lake.py watch over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import ValidatableTableRequirement
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata

__all__ = ["MergingOverwrite", "Unheld"]

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


class Unheld(ValidatableTableRequirement):
    """The snapshots are there still, and neither a tag nor the table's present state holds one of them.

    pyiceberg's expiry asks for nothing: a tag that was given since the table was read would go with its snapshot, and
    what another writer expired first would be no lost race but an error.
    """

    type: Literal["o9-assert-unheld"] = "o9-assert-unheld"
    snapshot_ids: list[int]

    def validate(self, base_metadata: TableMetadata | None) -> None:  # type: ignore[override]
        there = {snapshot.snapshot_id for snapshot in base_metadata.snapshots} if base_metadata else set()
        held = {ref.snapshot_id for ref in base_metadata.refs.values()} if base_metadata else set()
        if not set(self.snapshot_ids) <= there - held:
            raise CommitFailedException("Requirement failed: a snapshot to expire is gone, or held by now.")
