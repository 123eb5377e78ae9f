"""What can go wrong between us and o9.

    O9Error
    ├── Denied          the key, the login or its token is refused (401, 403): permanent
    ├── ContractBroken  an answer is not what the profile says: permanent
    ├── RejectedRows    o9 refuses rows, or a request because of one: permanent, the rows are named where o9 names them
    ├── Throttled       too many requests (429), still so when patience ended: passing
    └── Unavailable     no answer, or 5xx, still so when patience ended: passing
        └── Unconfirmed a request that must not be repeated blindly may have been taken: passing, after a look

`failures.py` says what Dagster does with a permanent and with a passing error.
"""

from o9_assets.failures import Failed, Passing, Permanent

__all__ = ["ContractBroken", "Denied", "O9Error", "RejectedRows", "Throttled", "Unavailable", "Unconfirmed"]


class O9Error(Failed):
    """Base of o9's errors."""


class Denied(O9Error, Permanent):
    """The key is wrong, expired or revoked, or may not do this."""


class ContractBroken(O9Error, Permanent):
    """An answer does not look as the profile says."""


class RejectedRows(O9Error, Permanent):
    """o9 refused a whole request because of what its rows hold; `reason` is o9's."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message, remedy="Mend the rows, or the members they name in o9, and deliver again.")
        self.reason = reason


class Throttled(O9Error, Passing):
    """o9 asks to slow down, and went on asking."""


class Unavailable(O9Error, Passing):
    """o9 cannot be reached or fails."""


class Unconfirmed(Unavailable):
    """The answer to a request that writes was lost. o9 is looked at before anything is sent again."""
