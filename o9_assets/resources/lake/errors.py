"""What the lake says when it cannot do as asked."""

from o9_assets.failures import Passing, Permanent

__all__ = ["CommitConflict", "ContractBroken", "SnapshotGone"]


class ContractBroken(Permanent):
    """A dataset's declaration and its table, or its rows, do not agree; the column is named."""


class SnapshotGone(Permanent):
    """The snapshot, tag or moment asked for is not there (any more)."""


class CommitConflict(Passing):
    """Another writer was quicker, and what this one read is no longer true; running again reads anew."""
