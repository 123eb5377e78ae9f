"""What a fake of a service is: a class whose methods are the service's operations.

    class Tasks(Fake):
        service = "datasync"

        def create_task(self, request: dict[str, Any], call: Call) -> dict[str, Any]: ...

A method is named as boto3 names the operation. The request is already parsed and checked against botocore's model; the
answer is checked before it is sent (a method may answer a whole `codec.Answer` instead, where speed matters).
Operations without a method fall through to moto where `falls_through` says so, and are refused as not emulated
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from o9_assets.sandbox.aws.state import State

if TYPE_CHECKING:
    from o9_assets.sandbox.aws.codec import Answer
    from o9_assets.sandbox.aws.routing import Request
    from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Call", "Fake", "ServiceError"]


class ServiceError(Exception):
    """An error as the service answers it: its code, its message and the HTTP status.

    `fields` are further members of the error's shape, beside the message.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.fields = code, message, status, fields


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what. `principal` is an ARN, `operation` the name of AWS's API, such as `CreateTask`."""

    account: str
    region: str
    principal: str
    operation: str
    twin: Twin


class Fake:
    """A service. One instance serves all calls of a twin, from many threads at once."""

    service: ClassVar[str]
    """botocore's name of the service."""
    falls_through: ClassVar[bool] = False
    """Whether moto answers the operations that this class has no method for."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.state = State(twin.state / f"{self.service}.db")

    def before_moto(self, request: Request, call: Call, labels: dict[str, str]) -> None:
        """Called before a call falls through; may raise ServiceError. `labels` are the members from the path."""

    def after_moto(self, request: Request, call: Call, labels: dict[str, str], answer: Answer) -> None:
        """Called when moto did what was asked: what AWS then does on its own happens here."""

    def close(self) -> None:
        """End what is still going on. Called once, before the twin's own threads are joined."""
