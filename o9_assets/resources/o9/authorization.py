"""The Authorization header: an API key, or the token of a login, which is renewed when o9 no longer takes it.

A secret is looked up by its name when a request needs it. The token lives in this object alone, and none of it is in a
repr, a log or an error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from o9_assets.resources.o9.errors import Denied
from o9_assets.resources.o9.profile import Login, Profile

__all__ = ["Authorization", "authorization"]

LogIn = Callable[[dict[str, Any]], Awaitable[str]]
"""Makes the login call with the given body; returns the token."""


class Authorization(Protocol):
    """What a request is signed with."""

    async def header(self) -> str:
        """Value of the header."""
        ...

    def refused(self, header: str) -> bool:
        """Told that o9 refused `header`; whether another one is worth a try."""
        ...


class ApiKey:
    """`ApiKey <key>`. The key is asked for anew each time, so that a rotated one is taken up."""

    def __init__(self, name: str, secret: Callable[[str], str]) -> None:
        self._name, self._secret = name, secret

    async def header(self) -> str:
        return _header("ApiKey", self._secret(self._name), self._name)

    def refused(self, header: str) -> bool:
        return _header("ApiKey", self._secret(self._name), self._name) != header


class LoginToken:
    """`Basic <token>`. A token is renewed when a tenth of its time is left, and when o9 refuses it."""

    def __init__(
        self, login: Login, secret: Callable[[str], str], log_in: LogIn, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._login, self._secret, self._log_in, self._clock = login, secret, log_in, clock
        self._header = ""
        self._renew_at = 0.0

    async def header(self) -> str:
        if not self._header or self._clock() >= self._renew_at:
            token = await self._log_in(
                {
                    "userEmail": self._secret(self._login.user),
                    "submittedPassword": self._secret(self._login.password),
                    "expirySeconds": self._login.expiry_seconds,
                }
            )
            self._header = _header("Basic", token, "The login's token")
            self._renew_at = self._clock() + 0.9 * self._login.expiry_seconds
        return self._header

    def refused(self, header: str) -> bool:
        if header == self._header:  # otherwise another request renewed it meanwhile
            self._header = ""
        return True


def _header(scheme: str, value: str, name: str) -> str:
    """A header's value. One that no header can carry is told by its name: HTTP libraries would tell it whole."""
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
        raise Denied(
            f"{name} is empty, or holds what no header can: a line break or space at an end, or a letter beyond ASCII.",
            remedy="Set it anew.",
        )
    return f"{scheme} {value}"


def authorization(
    profile: Profile, secret: Callable[[str], str], log_in: LogIn, clock: Callable[[], float] = time.monotonic
) -> Authorization:
    """As the profile says; `secret` gives a secret by its name."""
    if profile.auth == "api_key":
        return ApiKey(profile.key, secret)
    return LoginToken(profile.login, secret, log_in, clock)
