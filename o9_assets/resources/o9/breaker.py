"""A circuit breaker: after failures in a row o9 is left alone for a while, then one request tries."""

from __future__ import annotations

from collections.abc import Callable

from o9_assets.resources.o9.errors import Unavailable

__all__ = ["Breaker"]


class Breaker:
    """Closed until `threshold` failures in a row; open for `cool_down_seconds`; then half open, for one request."""

    def __init__(self, threshold: int, cool_down_seconds: float, clock: Callable[[], float]) -> None:
        self._threshold = threshold
        self._cool_down = cool_down_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None

    def admit(self) -> None:
        """Let a request through, or raise Unavailable while o9 is left alone."""
        if self._opened_at is None:
            return
        left = self._opened_at + self._cool_down - self._clock()
        if left > 0:
            raise Unavailable(
                f"o9 failed {self._failures} times in a row and is left alone.", remedy=f"Try in {left:.0f} s."
            )
        self._opened_at = self._clock()  # half open: the others wait for how this one ends

    def succeeded(self) -> None:
        self._failures, self._opened_at = 0, None

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._threshold:
            self._opened_at = self._clock()
