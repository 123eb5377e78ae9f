"""Runs a Lambda function's handler, in a process of its own: `lambda_runner.py handler answer_fd`.

Calls come as one JSON line each on standard input; answers go as one JSON line each to the file descriptor. What the
function prints goes to the file that the call names. Nothing of the platform is imported here: a function brings its
own.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any


@dataclass
class Context:
    """What a handler gets beside its event."""

    aws_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    client_context: Any
    deadline: float
    identity: Any = None

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.time()) * 1000))


def main(handler: str, answer_fd: int) -> None:
    with os.fdopen(answer_fd, "w", buffering=1) as answers:
        function: Any = None
        for line in sys.stdin:
            call = json.loads(line)
            _print_to(call["log"])
            answer: dict[str, Any] = {}
            try:
                if function is None:
                    function = _load(handler)
                answers.write('{"started": true}\n')
                context = Context(**call["context"], deadline=time.time() + call["timeout"])
                answer = {"payload": json.dumps(function(call["event"], context))}
            except Exception as error:
                answer = {"error": _told(error)}
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            answers.write(json.dumps(answer) + "\n")


def _load(handler: str) -> Any:
    module, _, name = handler.rpartition(".")
    try:
        return getattr(importlib.import_module(module.replace("/", ".")), name)
    except AttributeError as error:
        raise HandlerNotFound(f"Handler '{name}' missing on module '{module}'") from error


class HandlerNotFound(Exception):
    """The module has no such handler."""


def _told(error: Exception) -> dict[str, Any]:
    kind = {"HandlerNotFound": "Runtime.HandlerNotFound", "ModuleNotFoundError": "Runtime.ImportModuleError"}
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    inner = [frame for frame in frames if frame.filename != __file__]
    return {
        "errorMessage": str(error),
        "errorType": kind.get(name, name),
        "stackTrace": traceback.format_list(inner),
    }


def _print_to(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
