"""A process that is killed at any moment of a delivery leaves nothing that the next one does not mend."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from o9_assets.sandbox.o9 import Faults
from o9_assets_tests.exchange import Exchange, cell

pytestmark = pytest.mark.faults

FIRST = date(2025, 1, 6)
CELLS = 60
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["o9_assets_tests.exchange", "o9_assets_tests.integration.o9.test_kills"])


def fill(exchange: Exchange, generation: int) -> dict[str, Decimal]:
    """Write other cells than any generation before; returns orders by item."""
    wanted = {f"I{n:02d}": Decimal(generation * 1000 + n) for n in range(CELLS)}
    weeks = {item: FIRST + timedelta(weeks=n % 3) for n, item in enumerate(wanted)}
    exchange.history(*(cell(weeks[item], item, str(orders)) for item, orders in wanted.items()))
    return wanted


def run(home: Path, kill_at: tuple[int, bool] | None) -> None:
    """Deliver in this process; killed at a request's number, before o9 takes it or after."""
    exchange = Exchange(home)
    if kill_at is not None:
        number, after = kill_at

        def now(seen: int, method: str, path: str) -> Any:
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        exchange.faults = Faults(lose_answer=now) if after else Faults(answer=now)
        if after:
            # The answer is lost with the process: killed once the app has taken the request in.
            taken = exchange.store.write

            def write(*given: Any) -> Any:
                result = taken(*given)
                if exchange.faults.requests >= number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            exchange.store.write = write  # type: ignore[method-assign]
            exchange.faults = Faults()
    exchange.deliver()


def in_a_process(home: Path, kill_at: tuple[int, bool] | None = None) -> Any:
    process = CONTEXT.Process(target=run, args=(home, kill_at))
    process.start()
    return process


def assert_whole(home: Path, wanted: dict[str, Decimal]) -> None:
    exchange = Exchange(home)
    assert {item: measures["Orders"] for (item, _), measures in exchange.held().items()} == wanted
    assert exchange.books() == exchange.held()
    again = {batch: n for batch, n in Counter(i for i, _ in exchange.store.received()).items() if n > 1}
    assert not again, "a batch that o9 had taken was sent again"


@pytest.mark.parametrize("after", [False, True], ids=["before o9 takes it", "after o9 took it"])
@pytest.mark.parametrize("number", [5, 8, 13])
def test_killed_at_a_request_every_cell_is_held_once(tmp_path: Path, number: int, after: bool) -> None:
    wanted = fill(Exchange(tmp_path), 1)
    killed = in_a_process(tmp_path, (number, after))
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    Exchange(tmp_path).deliver()
    assert_whole(tmp_path, wanted)


def test_two_exports_at_once_send_each_batch_once(tmp_path: Path) -> None:
    wanted = fill(Exchange(tmp_path), 1)
    processes = [in_a_process(tmp_path) for _ in range(3)]
    for process in processes:
        process.join(120)
    assert any(process.exitcode == 0 for process in processes)
    Exchange(tmp_path).deliver()
    assert_whole(tmp_path, wanted)
    assert set(Exchange(tmp_path).store.writes().values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_after_100_random_kills_every_cell_is_held_once(tmp_path: Path) -> None:
    chance, kills, generation, whole_seconds = random.Random(7), 0, 0, 2.0
    while kills < 100:
        # A lake of its own for every fourth delivery; between them history is corrected.
        home = tmp_path / str(generation // 4)
        generation += 1
        wanted = fill(Exchange(home), generation)
        for _ in range(5):
            process = in_a_process(home)
            process.join(chance.uniform(0, whole_seconds))
            process.kill()
            process.join(60)
            assert process.exitcode in (0, -signal.SIGKILL), "a run that was not killed ends well"
            kills += process.exitcode == -signal.SIGKILL
            if process.exitcode == 0:
                break
        began = time.monotonic()
        last = in_a_process(home)
        last.join(120)
        assert last.exitcode == 0
        # Kills fall anywhere in a run, however fast the machine is.
        whole_seconds = max(0.9 * whole_seconds, time.monotonic() - began)
        assert_whole(home, wanted)
