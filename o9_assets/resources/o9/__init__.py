"""o9's edge: contract profiles, the client, and its errors. o9's own names live here and in the settings only."""

from o9_assets.resources.o9.client import Batch, Dropped, O9Client, Outcome, Receipt, RemoteFile
from o9_assets.resources.o9.errors import (
    ContractBroken,
    Denied,
    O9Error,
    RejectedRows,
    Throttled,
    Unavailable,
    Unconfirmed,
)
from o9_assets.resources.o9.profile import Profile, address, load_profile

__all__ = [
    "Batch",
    "ContractBroken",
    "Denied",
    "Dropped",
    "O9Client",
    "O9Error",
    "Outcome",
    "Profile",
    "Receipt",
    "RejectedRows",
    "RemoteFile",
    "Throttled",
    "Unavailable",
    "Unconfirmed",
    "address",
    "load_profile",
]
