"""An execution is followed to its end, once, by whoever comes; what it wrote is held back until it is whole."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from o9_assets.failures import Passing, Permanent
from o9_assets.landing.datasets import TRANSFERS
from o9_assets.landing.transfers import Outcome, carry_out, held_back, releases
from o9_assets.resources.lake import Lake
from o9_assets.resources.landing_zone import LandedObject
from o9_assets.resources.transfers.mover import (
    Layout,
    PartialTransfer,
    Progress,
    State,
    TransferCancelled,
    TransferFailed,
    TransferUnderWay,
    UnknownTransfer,
    follow,
)

RUNNING, DONE = Progress(State.RUNNING, "busy"), Progress(State.SUCCEEDED, "done", {"files": 1})
FAILED = Progress(State.FAILED, "broken", {"files": 3, "rows": 1204}, "disk full")


@dataclass
class Script:
    """A mover that tells what it is given, one look after the other."""

    looks: list[Progress | Exception]
    names: tuple[str, ...] = ("erp/a.csv",)
    tokens: list[str] = field(default_factory=list)
    kind: str = "script"
    name: str = "orders"

    def start(self, token: str) -> str:
        self.tokens.append(token)
        return f"execution of {token}"

    def look(self, execution: str) -> Progress:
        seen = self.looks.pop(0)
        if isinstance(seen, Exception):
            raise seen
        return seen

    def landed(self, execution: str) -> tuple[str, ...]:
        return self.names

    def layout(self) -> Layout | None:
        return None


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1) + timedelta(seconds=self.seconds)


def followed(script: Script, patience: float = 100, told: Callable[[str], None] | None = None) -> tuple[Progress, Time]:
    time = Time()
    seen = follow(script, "x", patience_seconds=patience, sleep=time.sleep, clock=lambda: time.seconds, progress=told)
    return seen, time


def test_it_looks_ever_more_rarely_and_tells_what_is_new() -> None:
    told: list[str] = []
    _, time = followed(Script([RUNNING] * 12 + [DONE]), 1000, told.append)
    assert time.slept[:4] == [1.0, 1.5, 2.25, 3.375]
    assert max(time.slept) == 30.0
    assert told == ["script orders: busy, no counters", "script orders: done, files 1"]


@pytest.mark.faults
def test_a_look_that_fails_in_passing_is_one_look_less() -> None:
    seen, _ = followed(Script([Passing("away"), RUNNING, Passing("away"), DONE]))
    assert seen is DONE


@pytest.mark.faults
def test_a_failure_says_why_and_how_far_it_came() -> None:
    with pytest.raises(TransferFailed) as error:
        followed(Script([RUNNING, FAILED]))
    assert error.value.message == "The script transfer orders ended as broken: disk full (files 3, rows 1,204)."
    with pytest.raises(TransferCancelled):
        followed(Script([Progress(State.CANCELLED, "stopped")]))


@pytest.mark.faults
def test_patience_ends_with_what_is_known() -> None:
    with pytest.raises(TransferUnderWay, match="still busy after 5 seconds"):
        followed(Script([RUNNING] * 20), 5)
    with pytest.raises(TransferUnderWay, match="the line is dead"):
        followed(Script([Passing("the line is dead")] * 20), 5)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.local(tmp_path)


def carry(lake: Lake, script: Script, time: Time, patience: float = 100) -> Outcome:
    return carry_out(
        "erp",
        script,
        "erp/",
        lake=lake,
        now=time.now,
        sleep=time.sleep,
        clock=lambda: time.seconds,
        patience_seconds=patience,
    )


def states(lake: Lake) -> list[tuple[int, str, str | None]]:
    rows = sorted(lake.read(TRANSFERS).to_pylist(), key=lambda row: row["number"])
    return [(row["number"], row["state"], row["reason"]) for row in rows]


def test_each_execution_has_its_number_and_its_token(lake: Lake) -> None:
    script, time = Script([DONE, DONE]), Time()
    assert [carry(lake, script, time).number for _ in range(2)] == [1, 2]
    assert len(set(script.tokens)) == 2
    assert states(lake) == [(1, "succeeded", None), (2, "succeeded", None)]


@pytest.mark.faults
def test_the_next_run_follows_with_the_same_token(lake: Lake) -> None:
    script, time = Script([RUNNING] * 4 + [DONE]), Time()
    with pytest.raises(TransferUnderWay):
        carry(lake, script, time, 3)
    outcome = carry(lake, script, time)
    assert (outcome.resumed, outcome.number, len(set(script.tokens))) == (True, 1, 1)


@pytest.mark.faults
def test_after_a_failure_a_new_one_is_started(lake: Lake) -> None:
    script, time = Script([FAILED, UnknownTransfer("who?"), DONE]), Time()
    with pytest.raises(TransferFailed):
        carry(lake, script, time)
    with pytest.raises(UnknownTransfer):
        carry(lake, script, time)
    assert carry(lake, script, time).number == 3
    assert states(lake) == [(1, "failed", "disk full"), (2, "failed", "who?"), (3, "succeeded", None)]


class Killed(BaseException):
    """The process ends here."""


class DyingLake(Lake):
    """A lake that ends the process at its n-th write: before it is in for n > 0, after for n < 0."""

    dies_at = 0

    def overwrite(self, *args: Any, **more: Any) -> Any:
        if self.dies_at == 1:
            raise Killed
        done = super().overwrite(*args, **more)
        if self.dies_at == -1:
            raise Killed
        self.dies_at -= (self.dies_at > 0) - (self.dies_at < 0)
        return done


@pytest.mark.faults
@pytest.mark.parametrize("moment", [1, -1, 2, -2, 3, -3])
def test_killed_at_any_write_of_the_ledger_one_execution_is_started(tmp_path: Path, moment: int) -> None:
    lake, script, time = DyingLake.local(tmp_path), Script([RUNNING, DONE, DONE]), Time()
    lake.dies_at = moment
    with pytest.raises(Killed):
        carry(lake, script, time)
    lake.dies_at = 0
    outcome = carry(lake, script, time)
    # After the last write the execution is over, and the next one is another.
    over = moment == -3
    assert (outcome.number, len(set(script.tokens))) == ((2, 2) if over else (1, 1))
    assert [row["state"] for row in lake.read(TRANSFERS).to_pylist()] == ["succeeded"] * outcome.number


@pytest.mark.faults
def test_a_start_that_is_refused_holds_nothing_back_for_ever(lake: Lake) -> None:
    class Refused(Script):
        def start(self, token: str) -> str:
            raise Permanent("there is no such task")

    time = Time()
    with pytest.raises(Permanent, match="no such task"):
        carry(lake, Refused([]), time)
    assert states(lake) == [(1, "failed", "there is no such task")]
    [hold] = held_back(lake)
    assert hold.end is not None


@pytest.mark.faults
def test_what_lies_elsewhere_than_declared_is_no_success(lake: Lake) -> None:
    with pytest.raises(PartialTransfer, match=r"wrote wms/b.csv, which is not below erp/"):
        carry(lake, Script([DONE], names=("erp/a.csv", "wms/b.csv")), Time())


@pytest.mark.faults
def test_objects_wait_from_the_first_failure_to_the_next_success(lake: Lake) -> None:
    time = Time()

    def free(name: str, seconds: float) -> bool:
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        return releases(LandedObject(name, "1", 1, at), held_back(lake))

    carry(lake, Script([DONE]), time)
    assert free("erp/a.csv", 5)
    time.seconds = 100
    with pytest.raises(TransferFailed):
        carry(lake, Script([RUNNING, RUNNING, FAILED]), time)
    assert [free("erp/a.csv", s) for s in (50, 101, 1000)] == [True, False, True]
    assert free("wms/a.csv", 101)
    with pytest.raises(TransferUnderWay):
        carry(lake, Script([RUNNING] * 9), time, 2)
    assert not free("erp/a.csv", 5000)
    carry(lake, Script([DONE]), time)
    assert free("erp/a.csv", 101)


def test_a_transfer_that_was_renamed_while_it_ran_holds_nothing_back_for_ever(lake: Lake) -> None:
    time = Time()

    def go(name: str, script: Script) -> Outcome:
        more = {"now": time.now, "sleep": time.sleep, "clock": lambda: time.seconds, "patience_seconds": 30}
        return carry_out(name, script, "erp/", lake=lake, **more)  # type: ignore[arg-type]

    with pytest.raises(TransferUnderWay):
        go("old_name", Script([RUNNING] * 20))
    assert go("new_name", Script([DONE])).names == ("erp/a.csv",)
    found = LandedObject("erp/a.csv", "1", 1, datetime(2027, 1, 1, tzinfo=UTC))
    assert releases(found, held_back(lake))


class Forgetful(Script):
    """A mover that finds no execution by its token any more, as AppFlow after eight hours."""

    def start(self, token: str) -> str:
        self.tokens.append(token)
        return f"execution {len(self.tokens)}"


@pytest.mark.faults
def test_an_execution_that_is_known_is_followed_however_long_ago_it_was_started(lake: Lake) -> None:
    script, time = Forgetful([RUNNING] * 4 + [DONE]), Time()
    with pytest.raises(TransferUnderWay):
        carry(lake, script, time, 3)
    time.seconds += 24 * 3600
    outcome = carry(lake, script, time)
    assert (outcome.execution, outcome.resumed, len(script.tokens)) == ("execution 1", True, 1)


class Locked(Script):
    """A mover that may not look whether it has started."""

    def start(self, token: str) -> str:
        raise Permanent("the role lacks ListExecutions")


@pytest.mark.faults
@pytest.mark.parametrize("moment", [-1, 2])
def test_a_refusal_ends_no_execution_that_an_earlier_run_may_have_started(tmp_path: Path, moment: int) -> None:
    lake, script, time = DyingLake.local(tmp_path), Script([DONE]), Time()
    lake.dies_at = moment
    with pytest.raises(Killed):
        carry(lake, script, time)
    lake.dies_at = 0
    with pytest.raises(Permanent, match="lacks"):
        carry(lake, Locked([]), time)
    half = LandedObject("erp/half.csv", "1", 1, datetime(2026, 1, 1, 1, tzinfo=UTC))
    assert not releases(half, held_back(lake))
    assert carry(lake, script, time).number == 1
    assert releases(half, held_back(lake))


@pytest.mark.faults
def test_what_waits_below_a_former_place_goes_on_waiting(lake: Lake) -> None:
    """`lands` was mended after a failure: until a success, neither place has a whole."""
    time = Time()

    def go(script: Script, lands: str, patience: float = 100) -> Outcome:
        more = {"now": time.now, "sleep": time.sleep, "clock": lambda: time.seconds, "patience_seconds": patience}
        return carry_out("erp", script, lands, lake=lake, **more)  # type: ignore[arg-type]

    def free(name: str) -> bool:
        return releases(LandedObject(name, "1", 1, datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)), held_back(lake))

    with pytest.raises(TransferFailed):
        go(Script([RUNNING, FAILED]), "erp/")
    with pytest.raises(TransferUnderWay):
        go(Script([RUNNING] * 9), "erp2/", 2)
    assert not free("erp/half.csv")
    go(Script([DONE], names=("erp2/a.csv",)), "erp2/")
    assert free("erp/half.csv")
