from threading import Event

import pytest

from llm_measure.give_up import GiveUp, Refusals
from llm_measure.progress import Progress


@pytest.mark.parametrize(
    ("progress", "given_up"),
    [
        (Progress(sent=9, ended=9, failed=9, elapsed_s=1), False),
        (Progress(sent=10, ended=10, failed=10, elapsed_s=1), True),
        (Progress(sent=11, ended=10, failed=10, elapsed_s=1), False),
        (Progress(sent=11, ended=11, failed=10, elapsed_s=1), False),
        (Progress(sent=3, ended=2, failed=2, elapsed_s=119), False),
        (Progress(sent=3, ended=2, failed=2, elapsed_s=121), True),
        (Progress(sent=3, ended=2, failed=1, elapsed_s=121), False),
        (Progress(sent=1, ended=0, failed=0, elapsed_s=999), False),
    ],
)
def test_it_gives_up_after_failures_alone_if_none_is_in_flight_or_they_last_long(progress, given_up):
    give_up = GiveUp(timeout_s=60, longest_s=1000)

    give_up.watch(progress)

    assert give_up.is_set() is given_up


def test_it_gives_up_when_the_level_is_late_although_requests_succeed():
    give_up = GiveUp(timeout_s=60, longest_s=100)

    for elapsed_s, late in ((100, False), (101, True)):
        give_up.watch(Progress(sent=9, ended=8, failed=0, elapsed_s=elapsed_s))
        assert give_up.is_set() is give_up.is_late is late


@pytest.mark.parametrize(
    ("progress", "enough", "given_up"),
    [
        (Progress(sent=5, ended=5, failed=5, elapsed_s=1, refused=5), 5, True),
        (Progress(sent=4, ended=4, failed=4, elapsed_s=1, refused=4), 5, False),
        (Progress(sent=6, ended=5, failed=5, elapsed_s=1, refused=5), 5, False),
        (Progress(sent=9, ended=9, failed=9, elapsed_s=1, refused=0), 5, False),
        (Progress(sent=9, ended=9, failed=9, elapsed_s=1, refused=9), 0, False),
    ],
    ids=["enough", "too few", "one in flight", "not alike", "never"],
)
def test_refusals_alone_are_enough(progress, enough, given_up):
    refusals = Refusals(enough, Event())

    refusals.watch(progress)

    assert refusals.is_set() is refusals.are_enough is given_up


def test_refusals_leave_another_stop_in_force():
    stop = Event()
    refusals = Refusals(5, stop)

    stop.set()

    assert refusals.is_set()
    assert not refusals.are_enough
