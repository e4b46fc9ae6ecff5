import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llm_measure.stats.histogram import ACCURACY, Histogram, buckets, representatives
from tests.support import query

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


def test_the_database_adds_histograms_in_any_order(conn):
    random = np.random.default_rng(20)
    for _ in range(50):
        values = random.normal(random.normal(0, 10), 3, size=random.integers(3, 200))
        parts = np.split(values, np.sort(random.integers(1, len(values), 2)))
        composites = [Histogram.of(part).composite for part in parts if len(part)]
        random.shuffle(composites)

        ((low, counts),) = query(
            conn,
            "SELECT (sum).low, (sum).counts FROM (SELECT histogram_sum(ROW(part.low, ARRAY("
            "  SELECT json_array_elements_text(part.counts)::bigint))::histogram) AS sum"
            " FROM json_to_recordset(%s) AS part (low integer, counts json)) AS added",
            json.dumps([{"low": low, "counts": counts} for low, counts in composites]),
        )

        assert (low, counts) == Histogram.of(values).composite


def test_the_database_has_the_same_buckets_and_representatives(conn):
    magnitudes = np.exp(np.random.default_rng(1).uniform(-20, 20, 5000))
    values = np.concatenate([magnitudes, -magnitudes, [0.0, 1.0, -1.0]])
    rows = query(
        conn,
        "SELECT value, histogram_bucket(value), histogram_value(histogram_bucket(value))"
        " FROM unnest(%s::double precision[]) AS value",
        values.tolist(),
    )

    for value, bucket, represented in rows:
        assert buckets(np.array([value])).tolist() == [bucket]
        assert abs(represented - value) <= WITHIN * abs(value)
