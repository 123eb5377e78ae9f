"""How far a stream is ahead is looked at partition by partition, within a bound of time, going round."""

import pytest

from o9_assets.failures import Passing
from o9_assets.resources.streams.reader import Lag, StreamUnavailable, looked_at
from o9_assets_tests.exchange import Time

NAMES = ["a", "b", "c", "d"]


def test_a_look_that_runs_out_of_time_says_where_the_next_one_begins() -> None:
    time = Time()

    def look(name: str) -> Lag:
        time.sleep(10)
        return Lag(True)

    first = looked_at(NAMES, look, seconds=25, begin_with=None, clock=time)
    assert (list(first.found), first.left) == (["a", "b", "c"], "d")
    second = looked_at(NAMES, look, seconds=25, begin_with=first.left, clock=time)
    assert (list(second.found), second.left) == (["d", "a", "b"], "c")
    assert looked_at(NAMES, look, seconds=41, begin_with="b", clock=time).left is None
    assert looked_at(NAMES, look, seconds=1, begin_with="gone", clock=time).left == "b"


@pytest.mark.faults
def test_a_partition_that_cannot_be_looked_at_keeps_none_from_being_seen() -> None:
    def look(name: str) -> Lag:
        if name == "b":
            raise StreamUnavailable("b is busy.", remedy="Try later.")
        return Lag(name == "c")

    seen = looked_at(NAMES, look, seconds=25, begin_with=None, clock=Time())
    assert {name: lag.waiting for name, lag in seen.found.items()} == {"a": False, "c": True, "d": False}
    assert (list(seen.troubles), seen.left) == (["b"], None)


@pytest.mark.faults
def test_a_stream_of_which_nothing_can_be_seen_is_an_error() -> None:
    def look(name: str) -> Lag:
        raise StreamUnavailable(f"{name} is busy.", remedy="Try later.")

    with pytest.raises(Passing, match="a is busy"):
        looked_at(NAMES, look, seconds=25, begin_with=None, clock=Time())
