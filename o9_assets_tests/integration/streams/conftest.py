"""A stream of its own for each test, in the offline twin of AWS."""

from pathlib import Path

import pytest

from o9_assets.resources import aws
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.streams import Streaming


@pytest.fixture
def events(twin: Twin, tmp_path: Path) -> Streaming:
    """A stream without shards: a test makes it with as many as it wants."""
    return Streaming(tmp_path, aws.client("kinesis"), name=unique("events"))
