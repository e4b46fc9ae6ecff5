from hypothesis import given
from hypothesis import strategies as st

from llm_measure.stats.ranks import Rank, rank_intervals

INTERVAL = st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))
INTERVALS = st.lists(st.one_of(st.none(), INTERVAL), max_size=12)


def test_separate_intervals_rank_in_order():
    intervals = [(5.0, 6.0), (1.0, 2.0), (3.0, 4.0)]

    assert rank_intervals(intervals, "lower") == [Rank(3, 3), Rank(1, 1), Rank(2, 2)]
    assert rank_intervals(intervals, "higher") == [Rank(1, 1), Rank(3, 3), Rank(2, 2)]


def test_llms_whose_intervals_overlap_share_the_rank():
    assert rank_intervals([(1, 3), (2, 4), (5, 6)], "lower") == [Rank(1, 2), Rank(1, 2), Rank(3, 3)]


def test_an_interval_that_bridges_two_shares_with_both():
    assert rank_intervals([(1, 2), (1.5, 3.5), (3, 4)], "lower") == [Rank(1, 2), Rank(1, 3), Rank(2, 3)]


def test_touching_intervals_overlap():
    assert rank_intervals([(1, 2), (2, 3)], "lower") == [Rank(1, 2), Rank(1, 2)]


def test_without_an_interval_any_rank_is_possible():
    assert rank_intervals([(1, 2), None, (3, 4)], "lower") == [Rank(1, 2), Rank(1, 3), Rank(2, 3)]


@given(INTERVALS, st.sampled_from(["lower", "higher"]))
def test_ranks_count_exactly_the_intervals_entirely_on_one_side(intervals, better):
    def certainly_better(one, other) -> bool:
        if one is None or other is None:
            return False
        return one[1] < other[0] if better == "lower" else one[0] > other[1]

    expected = [
        Rank(
            1 + sum(certainly_better(other, own) for other in intervals),
            len(intervals) - sum(certainly_better(own, other) for other in intervals),
        )
        for own in intervals
    ]

    assert rank_intervals(intervals, better) == expected
