"""What can go wrong, in two kinds, and what Dagster does with each.

    Failed
    ├── Permanent   the same call will fail again: stop at once, no retry, tell a person what to mend
    └── Passing     the outside world was busy or away: retry with back-off and jitter

Every error of the platform derives from one of the two. `message` says what happened, `remedy` what to do next.
`for_dagster` turns them into what Dagster acts upon: a Permanent becomes `Failure(allow_retries=False)`, a Passing
becomes `RetryRequested`. No other of Dagster's retry mechanisms (run retries, RetryPolicy on an asset) reaches a
Permanent: run retries are left off, and no asset carries a RetryPolicy.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Failed", "Passing", "Permanent", "for_dagster"]

MAX_RETRIES = 4


class Failed(Exception):
    """Base of the platform's errors."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class Permanent(Failed):
    """Will fail again until somebody changes something."""


class Passing(Failed):
    """May succeed when tried again."""


@contextmanager
def for_dagster(retry_number: int, jitter: random.Random | None = None) -> Iterator[None]:
    """Translate the platform's errors, raised inside, into Dagster's."""
    try:
        yield
    except Permanent as error:
        import dagster as dg

        raise dg.Failure(
            description=str(error),
            metadata={"what happened": error.message, "what to do": error.remedy or "see the log"},
            allow_retries=False,
        ) from error
    except Passing as error:
        import dagster as dg

        spread = (jitter or random.SystemRandom()).uniform(0.5, 1.5)
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=spread * 2**retry_number) from error
