"""A permanent failure stops at once, a passing one is tried again, and both say what to do next."""

import random

import dagster as dg
import pytest

from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.failures import Passing, Permanent, for_dagster

ROWS = Dataset("raw.rows", "One row each.", (Column("a", "string", "A"),))


def test_a_permanent_failure_forbids_retries_and_carries_its_remedy() -> None:
    with pytest.raises(dg.Failure) as caught, for_dagster(0):
        raise Permanent("The key was revoked.", remedy="Set a new one.")
    assert caught.value.allow_retries is False
    assert caught.value.description == "The key was revoked. Set a new one."
    assert caught.value.metadata["what to do"].value == "Set a new one."


@pytest.mark.parametrize(("attempt", "least", "most"), [(0, 0.5, 1.5), (3, 4.0, 12.0)])
def test_a_passing_failure_backs_off_with_jitter(attempt: int, least: float, most: float) -> None:
    with pytest.raises(dg.RetryRequested) as caught, for_dagster(attempt, random.Random(1)):
        raise Passing("The file is locked.")
    assert least <= caught.value.seconds_to_wait <= most


def test_other_errors_go_through_untouched() -> None:
    with pytest.raises(ZeroDivisionError), for_dagster(0):
        _ = 1 / 0


def attempts_of(error: Exception) -> int:
    """How often an asset that raises `error` once is run."""
    seen = []

    @dataset_asset(ROWS, kinds={"iceberg"})
    def rows(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        seen.append(context.retry_number)
        if len(seen) == 1:
            raise error
        return dg.MaterializeResult()

    dg.materialize([rows], raise_on_error=False)
    return len(seen)


def test_dagster_runs_an_asset_once_when_its_failure_is_permanent() -> None:
    assert attempts_of(Permanent("wrong")) == 1


def test_dagster_runs_an_asset_again_when_its_failure_is_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random.SystemRandom, "uniform", lambda self, low, high: 0.0)
    assert attempts_of(Passing("busy")) == 2
