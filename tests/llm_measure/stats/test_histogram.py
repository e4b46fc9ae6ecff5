import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llm_measure.stats.histogram import ACCURACY, Histogram, representatives

FLOATS = st.floats(-1e300, 1e300).filter(lambda x: x == 0 or abs(x) >= 1e-9)
# The bound itself is exact; computing it in float64 is not quite.
WITHIN = ACCURACY + 1e-9


def spread(values: np.ndarray) -> np.ndarray:
    """The representative of each value, in ascending order."""
    found = Histogram.of(values)
    numbers = np.arange(found.low, found.low + len(found.counts))
    return np.repeat(representatives(numbers), found.counts)


@given(arrays(np.float64, st.integers(1, 100), elements=FLOATS))
def test_each_value_of_any_sign_and_size_is_represented_within_one_percent(values):
    exact = np.sort(values)

    assert (np.abs(spread(values) - exact) <= WITHIN * np.abs(exact)).all()


def test_values_closer_to_zero_than_a_nanosecond_count_as_zero():
    assert spread(np.array([0.0, 0.9e-9, -1e-300])).tolist() == [0.0, 0.0, 0.0]
