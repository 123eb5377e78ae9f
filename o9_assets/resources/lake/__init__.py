"""The lake room: `Lake`, its errors, and the conditions that name a slice."""

from o9_assets.resources.lake.errors import CommitConflict, ContractBroken, SnapshotGone
from o9_assets.resources.lake.room import ANY, Commit, Lake
from o9_assets.resources.lake.slices import all_of, at_least, at_most, equal, everything, isin, nothing

__all__ = [
    "ANY",
    "Commit",
    "CommitConflict",
    "ContractBroken",
    "Lake",
    "SnapshotGone",
    "all_of",
    "at_least",
    "at_most",
    "equal",
    "everything",
    "isin",
    "nothing",
]
