"""What can go wrong between us and o9.

O9Error
├── Denied          the key is refused (401, 403): permanent
├── ContractBroken  an answer is not what the profile says: permanent
├── RejectedRows    o9 took the request and refused rows: permanent, the rows are named
├── Throttled       too many requests (429), still after all retries: passing
└── Unavailable     no answer, or 5xx, still after all retries: passing
"""

from o9_assets.failures import Failed, Passing, Permanent

__all__ = ["ContractBroken", "Denied", "O9Error", "RejectedRows", "Throttled", "Unavailable"]


class O9Error(Failed):
    """Base of o9's errors."""


class Denied(O9Error, Permanent):
    """The key is wrong, expired or revoked, or may not do this."""


class ContractBroken(O9Error, Permanent):
    """An answer does not look as the profile says."""


class RejectedRows(O9Error, Permanent):
    """o9 refused rows for good; `rows` are pairs of the row's place in the request and o9's reason."""

    def __init__(self, message: str, rows: list[tuple[int, str]]) -> None:
        super().__init__(message, remedy="Mend the rows, or the members they name in o9, and deliver again.")
        self.rows = rows


class Throttled(O9Error, Passing):
    """o9 asks to slow down, and went on asking."""


class Unavailable(O9Error, Passing):
    """o9 cannot be reached or fails."""
