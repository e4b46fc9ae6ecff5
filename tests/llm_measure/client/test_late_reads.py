import pytest

from llm_measure.client.exchange import Exchange
from llm_measure.client.late_reads import spread_late

MS = 1_000_000


def exchange(times: list[float], shared: dict[int, float]) -> Exchange:
    """A response whose parts came at these moments in ms; `shared` says since when parts may have come."""
    found = Exchange(0, 0)
    found.times = [round(moment * MS) for moment in times]
    found.shared = {part: round(moment * MS) for part, moment in shared.items()}
    return found


@pytest.mark.parametrize(
    ("times", "shared", "expected", "unsure"),
    [
        ([100, 110, 120], {}, [100, 110, 120], [0, 0, 0]),
        ([100, 130, 130, 130], {1: 90, 2: 90}, [100, 110, 120, 130], [0, 40, 40, 0]),
        ([100, 130, 130, 130], {1: 126, 2: 126}, [100, 126, 128, 130], [0, 4, 4, 0]),
        ([100, 130, 130], {1: 129.6}, [100, 130, 130], [0, 0, 0]),
        ([130, 130, 140, 150], {0: 110}, [120, 130, 140, 150], [20, 0, 0, 0]),
        ([130, 130, 130], {0: 110, 1: 110}, [130, 130, 130], [20, 0, 0]),
        ([100, 120, 120, 140, 140], {1: 90, 3: 90}, [100, 110, 120, 130, 140], [0, 30, 0, 50, 0]),
    ],
    ids=[
        "each alone",
        "since before the former",
        "since a known moment",
        "together",
        "first",
        "all",
        "twice",
    ],
)
def test_chunks_that_were_read_late_are_spread_over_the_time_in_question(times, shared, expected, unsure):
    response = exchange(times, shared)
    moments = response.times.copy()

    found = spread_late(response, range(len(times)), moments)

    assert [moment / MS for moment in moments] == expected
    assert [width / MS for width in found] == unsure


def test_parts_without_text_that_follow_in_the_read_do_not_make_the_last_chunk_late():
    response = exchange([100, 120, 120, 120], {1: 90, 2: 90})
    moments = response.times[:2]

    assert spread_late(response, [0, 1], moments) == [0, 0]
    assert moments == response.times[:2]
