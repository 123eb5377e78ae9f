"""Processes that run Lambda functions: started when needed, used again, killed when their time is up."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "Workers"]

RUNNER = Path(__file__).with_name("lambda_runner.py")
ROOT = Path(__file__).resolve().parents[4]
INIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: the payload (JSON), whether it is an error, and what was printed."""

    payload: str
    failed: bool
    log: str
    request_id: str


class _Died(Exception):
    """The process ended without an answer."""


class _TimedOut(Exception):
    """The handler took longer than it may."""


class _Worker:
    """One process. `key` names code and settings; a process with other ones is not used again."""

    def __init__(self, key: str, handler: str, code: Path, environment: Mapping[str, str]) -> None:
        self.key = key
        read, write = os.pipe()
        self._answers, self._buffer = read, b""
        try:
            self.process = subprocess.Popen(  # noqa: S603 - the function's own code is what is wanted
                [sys.executable, str(RUNNER), handler, str(write)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(write,),
                cwd=code,
                env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join([str(code), str(ROOT)])},
                start_new_session=True,
            )
        finally:
            os.close(write)

    def call(self, message: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Raises _Died, _TimedOut."""
        assert self.process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise _Died from error
        begin = time.monotonic() + INIT_SECONDS
        found = self._line(begin)
        # The clock starts with the handler, as on AWS: importing the function's module is not counted.
        return self._line(time.monotonic() + timeout) if "started" in found else found

    def _line(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise _TimedOut
            block = os.read(self._answers, 1 << 20)
            if not block:
                raise _Died
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def kill(self) -> None:
        """Kill it and all it started, if it has not ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill it and all it started; how it ended."""
        self.kill()
        code = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        os.close(self._answers)
        return code


class Workers:
    """Idle processes by code and settings."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._idle: dict[str, list[_Worker]] = {}
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()
        logs.mkdir(parents=True, exist_ok=True)

    def run(
        self,
        function: Mapping[str, Any],
        event: bytes,
        environment: Mapping[str, str],
        *,
        client_context: Any = None,
    ) -> Outcome:
        """Call the handler, in an idle process or a new one. `function` has Key, FunctionName, FunctionArn, Handler,
        Code (folder), Timeout (seconds), MemorySize."""
        request_id = str(uuid.uuid4())
        name = function["FunctionName"]
        log = self._logs / f"{name}.{request_id}.log"
        log.touch(mode=0o600)
        context = {
            "aws_request_id": request_id,
            "function_name": name,
            "function_version": "$LATEST",
            "invoked_function_arn": function["FunctionArn"],
            "memory_limit_in_mb": str(function["MemorySize"]),
            "log_group_name": f"/aws/lambda/{name}",
            "log_stream_name": f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}",
            "client_context": client_context,
        }
        timeout = function["Timeout"]
        message = {"event": json.loads(event or b"{}"), "context": context, "log": str(log), "timeout": timeout}
        worker = None
        try:
            worker = self._worker(function, environment)
            answer = worker.call(message, timeout)
        except _TimedOut:
            stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3]
            text = f"{stamp}Z {request_id} Task timed out after {timeout:.2f} seconds"
            answer = {"error": {"errorType": "Sandbox.Timedout", "errorMessage": text}}
            self._drop(worker)
        except _Died:
            how = _how(self._drop(worker))
            text = f"RequestId: {request_id} Error: Runtime exited with error: {how}"
            answer = {"error": {"errorType": "Runtime.ExitError", "errorMessage": text}}
        else:
            self._keep(worker)
        printed = log.read_text(encoding="utf-8", errors="replace")
        log.unlink()
        if "error" in answer:
            return Outcome(json.dumps({**answer["error"], "requestId": request_id}), True, printed, request_id)
        return Outcome(answer["payload"], False, printed, request_id)

    def processes(self, key: str) -> list[int]:
        """Process ids that run a function now."""
        with self._lock:
            return [worker.process.pid for worker in self._busy if worker.key == key]

    def _worker(self, function: Mapping[str, Any], environment: Mapping[str, str]) -> _Worker:
        key = function["Key"]
        with self._lock:
            while idle := self._idle.get(key):
                worker = idle.pop()
                if worker.process.poll() is None:
                    self._busy.add(worker)
                    return worker
                worker.end()
        worker = _Worker(key, function["Handler"], Path(function["Code"]), environment)
        with self._lock:
            self._busy.add(worker)
        return worker

    def _keep(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            self._idle.setdefault(worker.key, []).append(worker)

    def _drop(self, worker: _Worker | None) -> int:
        if worker is None:
            return 1
        with self._lock:
            self._busy.discard(worker)
        return worker.end()

    def forget(self, key: str) -> None:
        """End the idle processes of a function whose code or settings changed."""
        with self._lock:
            idle = self._idle.pop(key, [])
        for worker in idle:
            worker.end()

    def close(self) -> None:
        """End all processes; a call under way fails."""
        with self._lock:
            busy = list(self._busy)
            idle = [worker for workers in self._idle.values() for worker in workers]
            self._idle.clear()
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.end()


def _how(code: int) -> str:
    if code == -signal.SIGKILL:
        return "signal: killed"
    return f"signal: {signal.strsignal(-code)}" if code < 0 else f"exit status {code}"
