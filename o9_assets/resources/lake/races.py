"""Writers that meet: how one knows that another was first, and how long it waits before it tries again."""

from __future__ import annotations

import random
import time

__all__ = ["ATTEMPTS", "lost_race", "pause"]

ATTEMPTS = 30


def lost_race(error: Exception) -> bool:
    """Whether another writer, or a lock that it held, made this commit fail."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException
    from sqlalchemy.exc import IntegrityError, OperationalError

    if isinstance(error, CommitFailedException | ValidationException):
        return True
    return isinstance(error, IntegrityError | OperationalError) and any(
        word in str(error) for word in ("locked", "UNIQUE", "already exists")
    )


def pause(attempt: int) -> None:
    """Wait before the next attempt, longer each time and never all writers alike."""
    time.sleep(random.uniform(0.01, 0.05) * min(2**attempt, 40))  # noqa: S311 - jitter, not a secret
