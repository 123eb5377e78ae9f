"""What can be made to go wrong in the twin, by code, by a JSON file, or by HTTP (POST /_sandbox/faults).

A rule says on which calls (`service`, `operation`, both `*` by default; the first `first` of them, each `every`-th,
each with `probability`, or all) and what (`kind`):

    throttle        the service's own throttling error, with its code and status
    error500        an internal error
    error           the error `code` with `status` and `message`, for what only that service says
    reset           the connection is reset before the call is taken
    lose_answer     the call is taken and the connection is reset before the answer
    truncate        the answer is cut short under its full Content-Length
    slow            the call waits `seconds` first
    expired_token   the credentials have expired

Several rules may hold for a call: all `slow` ones wait, of the others the first one that strikes is done.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from botocore.model import OperationModel, ServiceModel

from o9_assets.failures import Permanent
from o9_assets.sandbox.aws.fake import ServiceError

__all__ = ["Fault", "Faults", "Kind", "error_of"]

Kind = Literal["throttle", "error500", "error", "reset", "lose_answer", "truncate", "slow", "expired_token"]


@dataclass
class Fault:
    """A rule. `seen` and `done` count the calls it was for and those it struck."""

    kind: Kind
    service: str = "*"
    operation: str = "*"
    first: int = 0
    every: int = 0
    probability: float = 0.0
    seed: int = 0
    seconds: float = 0.0
    code: str = ""
    status: int = 400
    message: str = "injected by the sandbox"
    seen: int = 0
    done: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise Permanent(f"{self.kind!r} is no kind of fault.", remedy=f"There are {', '.join(get_args(Kind))}.")
        if self.kind == "error" and not self.code:
            raise Permanent("A fault of the kind error needs a code.", remedy="Name the service's error code.")
        self._random = random.Random(self.seed)  # noqa: S311 - a test's dice

    def strikes(self, service: str, operation: str) -> bool:
        """Whether this call goes wrong; counts it."""
        if self.service not in ("*", service) or self.operation not in ("*", operation):
            return False
        self.seen += 1
        if self.first:
            struck = self.seen <= self.first
        elif self.every:
            struck = self.seen % self.every == 0
        elif self.probability:
            struck = self._random.random() < self.probability
        else:
            struck = True
        self.done += struck
        return struck


class Faults:
    """The rules that hold now."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: Kind, service: str = "*", operation: str = "*", **how: Any) -> Fault:
        """Switch a rule on. Raises Permanent where there is no such kind."""
        rule = Fault(kind, service, operation, **how)
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Fault) -> None:
        with self._lock:
            self._rules = [r for r in self._rules if r is not rule]

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def load(self, given: Path | Iterable[Mapping[str, Any]]) -> None:
        """Replace the rules by those of a JSON list, or of a file that holds one. Raises Permanent, naming what is
        wrong."""
        rules = json.loads(given.read_text(encoding="utf-8")) if isinstance(given, Path) else list(given)
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise Permanent("That is no list of faults.", remedy="Give a JSON list of objects.")
        known = {f.name for f in fields(Fault) if f.name not in ("seen", "done", "_random")}
        made = []
        for rule in rules:
            if wrong := sorted(set(rule) - known):
                raise Permanent(
                    f"{wrong[0]} is nothing that a fault has.", remedy=f"There are {', '.join(sorted(known))}."
                )
            made.append(Fault(**rule))
        with self._lock:
            self._rules = made

    def strike(self, service: str, operation: str) -> tuple[float, Fault | None]:
        """Seconds to wait, and the rule that holds for this call."""
        seconds, found = 0.0, None
        with self._lock:
            for rule in self._rules:
                if found is not None and rule.kind != "slow":
                    continue
                if rule.strikes(service, operation):
                    if rule.kind == "slow":
                        seconds += rule.seconds
                    else:
                        found = rule
        return seconds, found

    def told(self) -> list[dict[str, Any]]:
        """The rules and their counts, as JSON."""
        with self._lock:
            return [{k: v for k, v in asdict(rule).items() if k != "_random"} for rule in self._rules]


# How a service says that it is asked too much, where its model does not tell.
_THROTTLED = {
    "s3": ("SlowDown", 503),
    "sqs": ("ThrottlingException", 400),
    "sns": ("Throttling", 400),
    "iam": ("Throttling", 400),
    "sts": ("Throttling", 400),
    "kinesis": ("ProvisionedThroughputExceededException", 400),
    "lambda": ("TooManyRequestsException", 429),
}


def error_of(rule: Fault, service: ServiceModel, operation: OperationModel | None) -> ServiceError | None:
    """The error that a rule answers with; None for those that break the connection."""
    name = service.service_name
    match rule.kind:
        case "throttle":
            code, status = _throttled(name, operation)
            return ServiceError(code, "Rate exceeded", status)
        case "error500":
            return ServiceError("InternalError" if name == "s3" else "InternalFailure", "We failed; try again.", 500)
        case "error":
            return ServiceError(rule.code, rule.message, rule.status)
        case "expired_token":
            code = "ExpiredToken" if name in ("s3", "iam", "sts", "sns") else "ExpiredTokenException"
            return ServiceError(code, "The security token included in the request is expired", 400)
    return None


def _throttled(service: str, operation: OperationModel | None) -> tuple[str, int]:
    if service in _THROTTLED:
        return _THROTTLED[service]
    for shape in operation.error_shapes if operation else ():
        if "Throttl" in shape.name or "TooManyRequests" in shape.name:
            return shape.name, int(shape.metadata.get("error", {}).get("httpStatusCode", 400))
    return "ThrottlingException", 400
