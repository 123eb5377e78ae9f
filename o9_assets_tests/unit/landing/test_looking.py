"""A look at a feed: a part of it swept, and the latest delivery days listed, so that nothing is missed for long."""

from datetime import date
from pathlib import Path

import pytest

from o9_assets.landing.known import Known
from o9_assets.landing.looking import LOOK_AT_CLOCK, Look, look
from o9_assets.planning.feeds import Feed
from o9_assets.planning.settings import parse
from o9_assets.resources.landing_zone import FolderZone
from o9_assets_tests.company import SETTINGS

FEED: Feed = parse(SETTINGS).feeds["erp_orders"]
TODAY = date(2025, 6, 30)


@pytest.fixture
def zone(tmp_path: Path) -> FolderZone:
    """1,400 objects: five for each of 280 days up to 7 October 2025."""
    folder = tmp_path / "orders"
    folder.mkdir()
    for n in range(1_400):
        (folder / f"{date.fromordinal(date(2025, 1, 1).toordinal() + n // 5)}-{n:04d}.csv").touch()
    return FolderZone(tmp_path, settle_seconds=0)


def everything(zone: FolderZone) -> Known:
    found = list(zone.list())
    return Known({o.object_id for o in found}, date(2025, 6, 30))


def looked(zone: FolderZone, known: Known, after: str = "", *, seconds: float = 0, tail: bool = True) -> Look:
    return look(FEED, zone, known, today=TODAY, sweep_after=after, sweep_seconds=seconds, tail=tail, clock=lambda: 0.0)


def test_with_time_enough_everything_is_swept(zone: FolderZone) -> None:
    found = looked(zone, Known(), seconds=1)
    assert (len(found.swept), found.swept_to, found.whole) == (1_400, "", True)


def test_without_time_a_part_is_swept_and_the_next_goes_on_there(zone: FolderZone) -> None:
    first = looked(zone, Known())
    assert (len(first.swept), first.whole) == (LOOK_AT_CLOCK, False)
    second = looked(zone, Known(), first.swept_to)
    third = looked(zone, Known(), second.swept_to)
    assert (len(third.swept), third.swept_to, third.whole) == (400, "", False)
    assert len(first.swept | second.swept | third.swept) == 1_400


def test_an_object_of_the_latest_days_is_seen_at_once_wherever_the_sweep_is(zone: FolderZone) -> None:
    known = everything(zone)
    zone.put("orders/2025-06-28-new.csv", b"x")
    assert len(looked(zone, known).tail) == 1
    assert looked(zone, known, tail=False).tail == set()


def test_a_late_object_is_seen_when_the_sweep_comes_by(zone: FolderZone) -> None:
    known = everything(zone)
    zone.put("orders/2025-04-20-late.csv", b"x")
    seen, after = [], ""
    for _ in range(3):
        found = looked(zone, known, after)
        assert found.tail == set()
        seen.append(len(found.swept))
        after = found.swept_to
    assert seen == [0, 1, 0]


def test_a_day_far_ahead_does_not_hide_those_of_today(zone: FolderZone) -> None:
    known = Known(everything(zone).object_ids, date(2200, 1, 1))
    zone.put("orders/2025-06-30-new.csv", b"x")
    assert len(looked(zone, known).tail) == 1


def test_names_of_no_day_are_nobody_s(zone: FolderZone) -> None:
    zone.put("orders/2025-02-30.csv", b"x")
    assert len(looked(zone, everything(zone), seconds=1).swept) == 0
