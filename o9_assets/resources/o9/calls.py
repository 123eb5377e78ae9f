"""One request to o9 until it is answered: authorization, retries, Retry-After, the circuit breaker, and its answer.

A request that writes facts is not repeated where o9 may have taken it (the answer was lost, or 5xx): that raises
Unconfirmed, and whoever sends looks into o9 first. What certainly was not taken (no connection, 429) is repeated.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from o9_assets.failures import Failed
from o9_assets.resources.o9.authorization import authorization
from o9_assets.resources.o9.breaker import Breaker
from o9_assets.resources.o9.errors import ContractBroken, Denied, RejectedRows, Throttled, Unavailable, Unconfirmed
from o9_assets.resources.o9.profile import Profile

__all__ = ["Answer", "Caller", "field"]

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
REFUSES_CONTENT = (400, 409, 413, 422)


@dataclass(frozen=True, slots=True)
class Answer:
    """o9's answer: its JSON object, and how many attempts it took."""

    body: dict[str, Any]
    attempts: int


class Garbled(Exception):
    """A body that was cut on its way."""


class Caller:
    """Makes requests on an httpx client. One caller, one circuit breaker, one pause for all when o9 asks for one."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        profile: Profile,
        secret: Callable[[str], str],
        *,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._http = http
        self._profile = profile
        self._sleep, self._clock = sleep, clock
        self._auth = authorization(profile, secret, self._log_in, clock)
        self._breaker = Breaker(profile.retry.open_after_failures, profile.retry.cool_down_seconds, clock)
        self._resume_at = self._turn = 0.0
        self._jitter = random.Random()  # noqa: S311 - jitter, not a secret

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        content: bytes | None = None,
        files: dict[str, Any] | None = None,
        writes_facts: bool = False,
        accepts: tuple[int, ...] = (),
    ) -> Answer:
        """The answer to a request. Raises O9Error of the fitting kind when patience ends."""
        retry = self._profile.retry
        give_up_at = self._clock() + retry.patience_seconds
        headers = {"Content-Type": "application/json"} if content is not None else {}
        attempt, renewed, last = 0, False, "no answer"
        kind: type[Failed] = Unavailable
        while True:
            attempt += 1
            self._breaker.admit()
            await self._sleep_until(self._resume_at)
            await self._keep_pace()
            pause = retry.pause(attempt) * self._jitter.uniform(0.5, 1.0)
            sign = await self._auth.header()
            try:
                response = await self._http.request(
                    method,
                    path,
                    params=query,
                    json=body,
                    content=content,
                    files=files,
                    headers={**headers, "Authorization": sign},
                )
                if response.status_code < 300 or response.status_code in accepts:
                    found = _object(response, path)
                    self._breaker.succeeded()
                    return Answer(found, attempt)
            except NOT_SENT as error:
                last, kind = type(error).__name__, Unavailable
                self._breaker.failed()
            except httpx.UnsupportedProtocol as error:
                raise ContractBroken(f"{method} {path}: {error}", remedy="Look at the base URL.") from error
            except (httpx.TransportError, Garbled) as error:
                # What a library says of a request that it cannot write may hold the header.
                said = "" if isinstance(error, httpx.LocalProtocolError) else str(error)
                last, kind = said or type(error).__name__, Unavailable
                self._breaker.failed()
                self._unconfirmed(writes_facts, method, path, last)
            else:
                status = response.status_code
                last, kind = str(status), Throttled if status == 429 else Unavailable
                if status in (401, 403):
                    if not renewed and self._auth.refused(sign):
                        renewed = True
                        continue
                    raise Denied(f"o9 refused {method} {path} ({status}).", remedy=self._denied_remedy())
                if status != 429 and status < 500:
                    raise self._refused(_masked(response, sign), method, path, writes_facts)
                wanted = _retry_after(response)
                if wanted is not None:
                    pause = wanted * self._jitter.uniform(1.0, 1.1)
                    self._resume_at = max(self._resume_at, self._clock() + pause)
                if status != 429:
                    self._breaker.failed()
                    self._unconfirmed(writes_facts, method, path, last)
            if self._clock() + pause > give_up_at:
                raise kind(
                    f"o9 gave no good answer to {method} {path} in {attempt} attempts ({last}).",
                    remedy=f"Try again in {max(pause, 1):.0f} s or later.",
                )
            await self._sleep(pause)

    async def _sleep_until(self, moment: float) -> None:
        if (left := moment - self._clock()) > 0:
            await self._sleep(left)

    async def _keep_pace(self) -> None:
        """Wait for this request's turn, where the profile limits how many begin in a second."""
        rate = self._profile.limits.requests_per_second
        if rate is not None:
            turn = max(self._turn, self._clock())
            self._turn = turn + 1 / rate
            await self._sleep_until(turn)

    @staticmethod
    def _unconfirmed(writes_facts: bool, method: str, path: str, last: str) -> None:
        if writes_facts:
            raise Unconfirmed(
                f"o9 did not confirm {method} {path} ({last}).", remedy="o9 is looked at before anything is sent again."
            )

    def _denied_remedy(self) -> str:
        profile = self._profile
        names = profile.key if profile.auth == "api_key" else f"{profile.login.user} and {profile.login.password}"
        return f"Renew {names}, or its rights in o9."

    @staticmethod
    def _refused(response: httpx.Response, method: str, path: str, writes_facts: bool) -> Failed:
        said = response.text[:300]
        if writes_facts and response.status_code in REFUSES_CONTENT:
            return RejectedRows(f"o9 refused {method} {path} ({response.status_code}): {said}", _reason(response))
        return ContractBroken(
            f"o9 answered {response.status_code} to {method} {path}: {said}",
            remedy="Look at the profile's paths and names.",
        )

    async def _log_in(self, body: dict[str, Any]) -> str:
        """The token of a login. Its request and its answer are in no error."""
        path = self._profile.paths.login.format(tenant=self._profile.tenant)
        try:
            response = await self._http.post(path, json=body)
        except httpx.TransportError as error:
            raise Unavailable(f"o9's login gave no answer ({type(error).__name__}).", remedy="Try later.") from error
        if response.status_code in (400, 401, 403):
            raise Denied(f"o9 refused the login ({response.status_code}).", remedy=self._denied_remedy())
        if response.status_code >= 300:
            raise Unavailable(f"o9's login answered {response.status_code}.", remedy="Try later.")
        try:
            return str(field(_object(response, path), "AuthToken"))
        except Garbled as error:
            raise Unavailable("The answer to o9's login was cut.", remedy="Try later.") from error


def field(answer: dict[str, Any], name: str) -> Any:
    """A field that an answer must have. Raises ContractBroken, which names the fields and shows no value."""
    if name not in answer:
        raise ContractBroken(f"o9's answer lacks {name}; it has {sorted(answer)}.", remedy="Look at the profile.")
    return answer[name]


def _object(response: httpx.Response, path: str) -> dict[str, Any]:
    """The JSON object of an answer. Numbers are kept as text, so that no digit of a quantity is lost."""
    remedy = "Is the base URL o9's, or a login page's?"
    text = response.content
    if text.lstrip()[:1] == b"<":
        raise ContractBroken(f"{path} answered no JSON but {text.lstrip()[:60]!r}.", remedy=remedy)
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
        if isinstance(found, str):  # some gateways encode a JSON body a second time
            found = json.loads(found, parse_float=str, parse_int=str)
    except ValueError as error:
        if text.lstrip()[:1] in (b"{", b'"') or not text:
            raise Garbled(f"the answer was cut after {len(text):,} bytes") from error
        raise ContractBroken(f"{path} answered no JSON but {text[:60]!r}.", remedy=remedy) from error
    if not isinstance(found, dict):
        raise ContractBroken(f"{path} answered {type(found).__name__}, not an object.", remedy="Look at the profile.")
    return found


def _masked(response: httpx.Response, sign: str) -> httpx.Response:
    """A refusal without the key or token that was sent: some gateways repeat it, and what o9 says is logged."""
    sent = sign.partition(" ")[2].encode()
    return httpx.Response(response.status_code, content=response.content.replace(sent, b"***"))


def _reason(response: httpx.Response) -> str:
    """o9's reason for refusing a request, as short as it comes."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if isinstance(body, dict):
        for name in ("Message", "message", "Error", "error", "detail"):
            if isinstance(body.get(name), str):
                return str(body[name])[:300]
    return f"{response.status_code} {response.text[:200]}".strip()


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that Retry-After asks for, given as seconds or as a date (RFC 9110, 10.2.3); None without it."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
