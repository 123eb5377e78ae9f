"""Runs that die, and runs that meet: each record is in once."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta

import pytest

from o9_assets.planning.settings import parse
from o9_assets.resources.lake import CommitConflict
from o9_assets_tests.streams import Streaming, event

pytestmark = [pytest.mark.aws, pytest.mark.faults]

KILLED = """
import os, signal, sys, threading
from pathlib import Path
from o9_assets.resources import aws
from o9_assets_tests.streams import Streaming
events = Streaming(Path(sys.argv[1]), aws.client("kinesis"), name=sys.argv[2])
threading.Timer(float(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
while events.take_in(max_records=20).ranges:
    pass
os._exit(0)
"""


def test_a_kill_at_any_moment_and_another_run_neither_lose_nor_repeat_a_record(events: Streaming) -> None:
    events.create(shards=2)
    dice, ends, count = random.Random(5), [], 0
    for _ in range(6):
        payloads = [event(n, qty="bad" if n % 7 == 0 else 1) for n in range(count, count + 30)]
        count += 30
        for n, payload in enumerate(payloads):
            events.put(payload, key=str(n % 5))
        command = [sys.executable, "-c", KILLED, str(events.home), events.name, str(dice.uniform(0.2, 1.2))]
        ends.append(subprocess.run(command, check=False, timeout=60, env=os.environ.copy()).returncode)
    assert ends.count(-signal.SIGKILL) >= 3
    events.take_in()
    good = [f"E{n}" for n in range(count) if n % 7]
    assert Counter(events.ids()) == Counter(good)
    listed = {row["object_id"] for row in events.manifest()}
    bad = [json.loads(r["original_text"])["id"] for r in events.quarantine() if r["object_id"] in listed]
    assert Counter(bad) == Counter(f"E{n}" for n in range(count) if n % 7 == 0)
    account = events.account()
    assert (account.landed, account.breaks) == (count, ())


def test_rows_that_a_dead_run_left_are_swept_a_day_later(events: Streaming, monkeypatch: pytest.MonkeyPatch) -> None:
    events.create()
    events.put(event(1), event(2, qty="bad"))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("o9_assets.landing.streaming.enter_in_manifest", die)
        events.take_in(max_records=1)
    from o9_assets.assets.raw.demand_events import DEMAND_EVENTS

    assert events.lake.row_count(DEMAND_EVENTS) == 1
    events.take_in()
    assert (events.ids(), events.lake.row_count(DEMAND_EVENTS)) == (["E1"], 2)
    events.now = events.clock() + timedelta(hours=25)
    events.take_in()
    assert (events.ids(), events.lake.row_count(DEMAND_EVENTS)) == (["E1"], 1)


@pytest.mark.parametrize("mended", [True, False], ids=["settings were mended", "settings were spoiled"])
def test_what_a_dead_run_left_is_replaced_where_the_settings_changed_meanwhile(
    events: Streaming, monkeypatch: pytest.MonkeyPatch, mended: bool
) -> None:
    from o9_assets.assets.raw.demand_events import DEMAND_EVENTS

    good = events.settings
    bad = parse(events.text.replace("name: events", f"name: {events.name}").replace("quantity: qty", "quantity: none"))
    events.create()
    events.put(event(1), event(2))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    events.settings = bad if mended else good
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("o9_assets.landing.streaming.enter_in_manifest", die)
        events.take_in()
    events.settings = good if mended else bad
    events.take_in()
    assert (events.lake.row_count(DEMAND_EVENTS), len(events.quarantine())) == ((2, 0) if mended else (0, 2))
    assert events.account().breaks == ()


def test_of_two_runs_that_read_the_same_records_one_takes_them_in(events: Streaming) -> None:
    events.create()
    events.put(*(event(n) for n in range(1, 40)))
    both, outcomes = threading.Barrier(2), []

    def run() -> None:
        other = Streaming(events.home, events.kinesis, name=events.name)
        both.wait()
        try:
            outcomes.append(other.take_in().accepted_rows)
        except CommitConflict as conflict:
            outcomes.append(0)
            assert "Another run took in" in str(conflict)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.take_in()
    assert sum(outcomes) <= 39
    assert Counter(events.ids()) == Counter(f"E{n}" for n in range(1, 40))
