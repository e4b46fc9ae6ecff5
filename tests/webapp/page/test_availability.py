from datetime import UTC, datetime, timedelta

import pytest

from webapp.page import availability
from webapp.store.availability import Availability

NOW = datetime(2026, 11, 26, 13, 5, tzinfo=UTC)
TODAY = datetime(2026, 11, 26, tzinfo=UTC)


def day(back, finished, failed, invalid=0):
    return Availability("GPT-4o", TODAY - timedelta(days=back), finished, failed, invalid, 0)


def test_there_is_a_bar_for_each_of_the_last_90_days():
    days = availability.bars([day(0, 143, 1), day(89, 1, 0), day(90, 1, 0)], NOW).days

    assert [days[0].text, days[1].text, days[-1].text] == [
        "29 Aug: 100 % of 1 run",
        "30 Aug: no data",
        "26 Nov: 99.3 % of 144 runs",
    ]
    assert len(days) == 90


@pytest.mark.parametrize(
    ("finished", "failed", "level"),
    [
        (144, 0, "good"),
        (99, 1, "good"),
        (98, 2, "fair"),
        (9, 1, "fair"),
        (8, 1, "poor"),
        (0, 3, "poor"),
        (0, 0, "none"),
    ],
)
def test_color_and_height_follow_the_share(finished, failed, level):
    bar = availability.bars([day(0, finished, failed)], NOW).days[-1]

    assert (bar.level, bar.height) == (level, availability.HEIGHTS[level])


def test_better_days_have_higher_bars():
    assert sorted(availability.HEIGHTS.values(), reverse=True) == list(availability.HEIGHTS.values())


def test_the_shares_are_of_the_last_90_and_30_days():
    found = availability.bars([day(0, 3, 1), day(60, 0, 4)], NOW)

    assert (found.share, found.short_share) == (3 / 8, 3 / 4)


def test_days_with_failed_runs_are_listed_newest_first():
    found = availability.bars([day(5, 1, 1), day(3, 1, 0), day(0, 0, 1)], NOW)

    assert [each.text for each in found.troubled] == ["26 Nov: 0 % of 1 run", "21 Nov: 50 % of 2 runs"]


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1, "100 %"), (0.9999, "99.9 %"), (0.999, "99.9 %"), (0.99, "99 %"), (0, "0 %"), (None, "\N{EN DASH}")],
)
def test_only_all_of_them_are_100_percent(ratio, text):
    assert availability.share(ratio) == text
