"""The offline twin of AWS for tests: one server a session, faults and journal as new for each test.

What a test makes it names uniquely (`unique`), as others share the twin.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from o9_assets.sandbox.aws import Twin

__all__ = ["eventually", "shared_twin", "twin", "unique"]

T = TypeVar("T")


def unique(name: str) -> str:
    """A name that no other test has; good for buckets too."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def shared_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """The session's twin."""
    with Twin(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def twin(shared_twin: Twin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    """The twin, with the environment pointing at it, no faults and an empty journal."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in shared_twin.environment().items():
        monkeypatch.setenv(name, value)
    shared_twin.reset()
    yield shared_twin
    shared_twin.reset()


def eventually(look: Callable[[], T], seconds: float = 30) -> T:
    """What `look` finds, as soon as it finds something; it is asked again until then."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"nothing after {seconds} s"
        time.sleep(0.02)
    return found
