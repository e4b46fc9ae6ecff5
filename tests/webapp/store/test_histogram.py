import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.support import query
from webapp.store.histogram import ACCURACY, histogram, representatives

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# The bound itself is exact; computing it in float64 is not quite.
WITHIN = ACCURACY + 1e-9


def spread(values: np.ndarray) -> np.ndarray:
    """The representative of each value, in ascending order."""
    buckets, counts = histogram(values)
    return np.repeat(representatives(buckets), counts)


@given(
    arrays(
        np.float64, st.integers(1, 100), elements=FLOATS.filter(lambda x: x == 0 or 1e-300 < abs(x) < 1e300)
    )
)
def test_each_value_is_represented_within_one_percent_whatever_its_sign_and_size(values):
    exact = np.sort(values)

    assert (np.abs(spread(values) - exact) <= WITHIN * np.abs(exact)).all()


def test_zero_is_kept_exactly():
    assert spread(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


@given(arrays(np.float64, st.integers(1, 100), elements=st.floats(-1e6, 1e6)), st.integers(0, 100))
def test_counts_add_up_however_the_values_are_split(values, cut):
    whole = dict(zip(*map(np.ndarray.tolist, histogram(values)), strict=True))

    parts: dict[int, int] = {}
    for part in (values[:cut], values[cut:]):
        for bucket, count in zip(*map(np.ndarray.tolist, histogram(part)), strict=True):
            parts[bucket] = parts.get(bucket, 0) + count

    assert parts == whole


def test_the_database_puts_values_into_the_same_buckets_and_reads_them_the_same_way(conn):
    magnitudes = np.exp(np.random.default_rng(1).uniform(-20, 20, 5000))
    values = np.concatenate([magnitudes, -magnitudes, [0.0, 1.0, -1.0]])
    rows = query(
        conn,
        "SELECT value, histogram_bucket(value), histogram_value(histogram_bucket(value))"
        " FROM unnest(%s::double precision[]) AS value",
        values.tolist(),
    )

    for value, bucket, represented in rows:
        assert histogram(np.array([value]))[0].tolist() == [bucket]
        assert abs(represented - value) <= WITHIN * abs(value)
