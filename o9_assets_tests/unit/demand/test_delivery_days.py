"""What is known of a day follows from what is in and what the delivery calendar expects."""

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from o9_assets.demand.delivery import Known, known_days, overdue_days
from o9_assets.planning.feeds import Delivery

WEEKDAYS = Delivery(every="day", weekdays=("mon", "tue", "wed", "thu", "fri"))
SUNDAYS = Delivery(every="week", weekdays=("sun",))
MONDAY = date(2025, 3, 3)


def day(number: int) -> date:
    """Days of a week that begins on Monday, 3 March 2025."""
    return MONDAY + timedelta(days=number)


def test_a_day_whose_object_is_not_in_is_missing() -> None:
    known = known_days([day(0), day(1), day(3)], WEEKDAYS)
    assert [known.holds(day(n)) for n in range(5)] == [True, True, False, True, False]


def test_days_on_which_nothing_is_expected_are_known() -> None:
    known = known_days([day(n) for n in range(5)], WEEKDAYS)
    assert [known.holds(day(n)) for n in (5, 6)] == [True, True]
    assert not known.holds(day(7)), "the next Monday's object is expected and not in"


def test_an_exception_is_not_expected() -> None:
    holiday = Delivery.model_validate({"every": "day", "except": [day(2)]})
    assert known_days([day(1), day(3)], holiday).holds(day(2))


def test_a_weekly_object_tells_about_the_seven_days_up_to_its_own() -> None:
    known = known_days([day(6), day(20)], SUNDAYS)
    assert [known.holds(day(n)) for n in (-1, 0, 6, 7, 13, 14, 20, 21)] == [
        *(False, True, True),
        *(False, False),
        *(True, True, False),
    ]


def test_without_a_delivery_calendar_nothing_between_first_and_last_is_missing() -> None:
    known = known_days([day(0), day(30)], None)
    assert [known.holds(day(n)) for n in (-1, 0, 15, 30, 31)] == [False, True, True, True, False]


def test_nothing_delivered_is_nothing_known() -> None:
    assert not known_days([], WEEKDAYS).holds(day(0))
    assert not known_days([], None).holds(day(0))


def test_overdue_are_days_that_are_over_and_past_their_lag() -> None:
    known = known_days([day(0)], Delivery(every="day", weekdays=WEEKDAYS.weekdays, lag_days=1))
    # Thursday night in Berlin: Tuesday's object was due on Wednesday, Wednesday's is due today.
    assert overdue_days(known, datetime(2025, 3, 6, 20), "Europe/Berlin") == [day(1)]
    assert overdue_days(known, datetime(2025, 3, 6, 23, 30), "Europe/Berlin") == [day(1), day(2)]


def test_nothing_is_overdue_without_a_delivery_calendar() -> None:
    assert overdue_days(known_days([day(0)], None), datetime(2026, 1, 1), "UTC") == []


deliveries = st.sampled_from([None, WEEKDAYS, SUNDAYS])
several = st.lists(st.integers(0, 40).map(day), max_size=6)


@given(several, deliveries)
def test_what_is_known_is_kept_as_text(delivered: list[date], delivery: Delivery | None) -> None:
    known = known_days(delivered, delivery)
    assert Known.parse(str(known), delivery) == known
