import numpy as np
import pytest

from llm_measure.stats.knee import knee

LEVELS = np.array([1, 2, 4, 8, 16, 32, 64])


def slowed(levels, slowdown):
    """Throughput and latency of the mock server, which slows down with each stream."""
    latencies = 1 + slowdown * (levels - 1)
    return list(levels / latencies), list(latencies)


@pytest.mark.parametrize(("slowdown", "level"), [(0.2, 4), (1 / 9, 8), (1 / 17, 16), (1 / 33, 32)])
def test_the_knee_of_a_slowed_server_is_where_its_closed_form_says(slowdown, level):
    # The power n / (1 + s (n - 1))^2 is greatest at n = (1 - s) / s.
    assert LEVELS[knee(*slowed(LEVELS, slowdown))] == level == round((1 - slowdown) / slowdown)


def test_a_queue_with_one_server_has_its_knee_at_half_its_capacity():
    rates = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.99])  # M/M/1: latency 1 / (1 - rate)

    assert rates[knee(list(rates), list(1 / (1 - rates)))] == 0.5


def test_an_overloaded_level_and_other_units_do_not_move_the_knee():
    throughputs, latencies = slowed(LEVELS, 0.2)

    found = knee(throughputs, latencies)

    assert knee([*throughputs, throughputs[-1]], [*latencies, 1000.0]) == found
    assert knee([1000 * each for each in throughputs], [each / 1000 for each in latencies]) == found


def test_noise_of_a_few_percent_moves_the_knee_to_a_neighbour_at_most():
    throughputs, latencies = (np.array(each) for each in slowed(LEVELS, 0.2))
    random = np.random.default_rng(16)

    found = [
        knee(list(throughputs * random.normal(1, 0.03, 7)), list(latencies * random.normal(1, 0.03, 7)))
        for _ in range(200)
    ]

    assert set(found) <= {1, 2, 3}
    assert found.count(2) > 170


@pytest.mark.parametrize(
    ("throughputs", "latencies"),
    [
        ([], []),
        ([1, 2], [1, 1.1]),
        ([1, 2, 4], [1, 1, 1]),  # still rising
        ([1, 1, 1], [1, 2, 4]),  # past the knee from the first level on
        ([1, 2, 0], [1, 1.1, 9]),
        ([1, 2, 2], [0, 1, 2]),
    ],
)
def test_without_a_knee_in_sight_there_is_none(throughputs, latencies):
    assert knee(throughputs, latencies) is None
