"""The running reader: events in and forwarded as they come; what passes is waited for, a kill loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from o9_assets.failures import Permanent
from o9_assets.resources import aws
from o9_assets.run.follow import Followed, follow
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually, unique
from o9_assets_tests.integration.streams.test_forwarding import FORWARDING, Forwarding, at

pytestmark = pytest.mark.aws

FOLLOWING = """
import sys
from pathlib import Path
from o9_assets.resources import aws
from o9_assets_tests.integration.run.test_follow import followed
from o9_assets_tests.integration.streams.test_forwarding import FORWARDING, Forwarding
events = Forwarding(Path(sys.argv[1]), aws.client("kinesis"), text=FORWARDING, name=sys.argv[2])
followed(events, 60)
"""


def followed(events: Forwarding, seconds: float) -> Followed:
    with events.client() as client, events.reader() as reader:
        return follow(
            events.settings,
            reader=reader,
            lake=events.lake,
            engine=events.engine,
            client=client,
            now=events.clock,
            seconds=seconds,
        )


@pytest.fixture
def events(twin: Twin, tmp_path: Path) -> Forwarding:
    made = Forwarding(tmp_path, aws.client("kinesis"), text=FORWARDING, name=unique("events"))
    made.create(shards=2)
    return made


def test_it_takes_in_and_forwards_until_its_time_is_over(events: Forwarding) -> None:
    events.put(*(at(n) for n in range(1, 6)), at(6, qty="many"))
    done = followed(events, 2)
    assert (done.records, done.quarantined, done.forwarded, done.interrupted) == (6, 1, 5, 0)
    assert done.turns >= 2
    assert sorted(events.held()) == [f"E{n}" for n in range(1, 6)]


@pytest.mark.faults
def test_what_passes_is_waited_for(events: Forwarding) -> None:
    events.faults.throttle_first, events.faults.retry_after_seconds = 3, 0
    events.put(at(1))
    done = followed(events, 4)
    assert done.forwarded == 1
    assert list(events.held()) == ["E1"]


@pytest.mark.faults
def test_what_does_not_pass_ends_it(events: Forwarding) -> None:
    events.kinesis.delete_stream(StreamName=events.name)
    with pytest.raises(Permanent, match=events.name):
        followed(events, 30)


@pytest.mark.faults
def test_killed_and_started_again_every_event_is_in_o9_once(events: Forwarding) -> None:
    count = 0
    for _ in range(2):
        command = [sys.executable, "-c", FOLLOWING, str(events.home), events.name]
        with subprocess.Popen(command, env=os.environ.copy()) as process:
            before = count
            for _ in range(15):
                events.put(at(count), key=str(count))
                count += 1
            eventually(lambda wanted=before + 5: len(events.held()) >= wanted, 60)
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
    followed(events, 3)
    assert Counter(events.ids()) == Counter(f"E{n}" for n in range(count))
    assert set(events.held()) == {f"E{n}" for n in range(count)}
    assert set(events.store.writes().values()) == {1}
