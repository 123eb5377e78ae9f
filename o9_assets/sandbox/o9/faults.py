"""What can be made to go wrong in the sandbox o9, by a test or by configuration.

Faults wrap the app, so that the app itself stays what it is. Requests are counted from 1, over all paths.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from o9_assets.failures import Permanent

__all__ = ["Faults", "FaultyApp"]

Request = tuple[int, str, str]
"""A request's number, its method and its path."""


def _never(number: int, method: str, path: str) -> bool:
    return False


@dataclass
class Faults:
    """Numbers switch a fault on by configuration (`every` third request, and so on); callables by a test."""

    fail_every: int = 0  # 500 without taking the request
    throttle_first: int = 0  # 429 with Retry-After for so many requests
    retry_after_seconds: float = 1.0
    slow_seconds: float = 0.0
    revoke_key_after: int = 0  # 401 from then on
    expire_tokens_every: int = 0
    cut_every: int = 0  # half a body
    html_every: int = 0  # a login page instead of JSON
    encode_twice: bool = False  # a JSON text that holds JSON
    repeat_cursor: bool = False  # the cursor never ends
    lose_answer_every: int = 0  # takes facts in, then 502
    poison: str = ""  # a request whose body matches this is refused as a whole, without saying which row
    half_files: bool = False  # outbound files are cut
    answer: Callable[[int, str, str], Response | None] = lambda number, method, path: None
    lose_answer: Callable[[int, str, str], bool] = _never
    seen: list[Request] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Faults:
        """Faults from a JSON object in a file. Raises Permanent, naming the key that is no fault or is wrong."""
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Permanent(f"{path} cannot be read: {error}.", remedy="It holds a JSON object.") from error
        if not isinstance(given, dict):
            raise Permanent(f"{path} holds no JSON object.", remedy='Write it as {"fail_every": 3}.')
        known = {f.name: f.default for f in fields(cls) if f.name not in ("answer", "lose_answer", "seen")}
        for name, value in given.items():
            if name not in known:
                raise Permanent(f"{path}: {name} is no fault.", remedy=f"There are {', '.join(sorted(known))}.")
            if not _fits(value, known[name]):
                raise Permanent(f"{path}: {name} cannot be {value!r}.", remedy=f"Without it, it is {known[name]!r}.")
        return cls(**given)

    @property
    def requests(self) -> int:
        """How many requests came."""
        return len(self.seen)


class FaultyApp:
    """An app with faults around it."""

    def __init__(self, app: ASGIApp, faults: Faults, expire_tokens: Callable[[], None]) -> None:
        self._app, self._faults, self._expire_tokens = app, faults, expire_tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        faults, method, path = self._faults, scope["method"], scope["path"]
        faults.seen.append((faults.requests + 1, method, path))
        number = faults.requests
        if faults.slow_seconds:
            await asyncio.sleep(faults.slow_seconds)
        if _at(faults.expire_tokens_every, number):
            self._expire_tokens()
        given = self._instead(number, method, path)
        if given is None and faults.poison and method == "POST":
            body = await _body(receive)
            if re.search(faults.poison, body.decode()):
                given = JSONResponse({"Message": "a row holds what o9 cannot take"}, status_code=422)
            receive = _again(body)
        if given is not None:
            await given(scope, receive, send)
            return
        await self._app(scope, receive, self._changed(send, number, method, path))

    def _instead(self, number: int, method: str, path: str) -> Response | None:
        """A response that is sent without taking the request."""
        faults = self._faults
        if (given := faults.answer(number, method, path)) is not None:
            return given
        if number <= faults.throttle_first:
            after = {"Retry-After": f"{faults.retry_after_seconds:g}"}
            return JSONResponse({"Message": "slow down"}, status_code=429, headers=after)
        if faults.revoke_key_after and number > faults.revoke_key_after:
            return JSONResponse({"Message": "key revoked"}, status_code=401)
        if _at(faults.fail_every, number):
            return JSONResponse({"Message": "failed"}, status_code=500)
        if _at(faults.html_every, number):
            return Response("<!doctype html><title>Sign in</title>", media_type="text/html")
        return None

    def _changed(self, send: Send, number: int, method: str, path: str) -> Send:
        """A send that changes what the app answers."""
        faults = self._faults
        lost = faults.lose_answer(number, method, path) or (method == "POST" and _at(faults.lose_answer_every, number))
        cut = _at(faults.cut_every, number)
        if not (lost or cut or faults.encode_twice or faults.repeat_cursor):
            return send
        start: Message = {}
        whole = bytearray()

        async def changed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            whole.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            status, body = start["status"], bytes(whole)
            if lost:
                status, body = 502, b'{"Message": "bad gateway"}'
            elif status == 200 and method == "GET" and faults.repeat_cursor:
                body = json.dumps({**json.loads(body), "Cursor": "again"}).encode()
            if faults.encode_twice and not lost:
                body = json.dumps(body.decode()).encode()
            if cut:
                body = body[: len(body) // 2]
            headers = [(k, v) for k, v in start["headers"] if k != b"content-length"]
            await send({**start, "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
            await send({"type": "http.response.body", "body": body})

        return changed


def _fits(value: object, default: object) -> bool:
    """Whether a value is what a fault's default is: a switch, a number from 0, or a pattern."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, str):
        try:
            return isinstance(value, str) and bool(re.compile(value))
        except re.error:
            return False
    number = int | float if isinstance(default, float) else int  # seconds, or a count
    return isinstance(value, number) and 0 <= value < 1_000_000


def _at(every: int, number: int) -> bool:
    return bool(every) and number % every == 0


async def _body(receive: Receive) -> bytes:
    found = bytearray()
    while True:
        message = await receive()
        found.extend(message.get("body", b""))
        if not message.get("more_body"):
            return bytes(found)


def _again(body: bytes) -> Receive:
    """A receive that gives a body that was read already."""
    given: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return given.pop() if given else {"type": "http.disconnect"}

    return receive
