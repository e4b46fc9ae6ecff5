import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from webapp.store.rollups import Rollup

VALUES = arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6))


@given(VALUES)
def test_a_rollup_equals_numpy(values):
    rollup = Rollup.of(1, 2, values)

    assert (rollup.run_id, rollup.metric_id, rollup.n) == (1, 2, len(values))
    assert (rollup.min, rollup.max) == (values.min(), values.max())
    assert rollup.p95 == np.percentile(values, 95, method="inverted_cdf")
    np.testing.assert_allclose(rollup.mean, values.mean(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rollup.m2, values.var() * len(values), rtol=1e-9, atol=1e-9)


def test_deviations_are_exact_at_a_large_offset():
    """Where a sum of squares would cancel to nothing."""
    values = np.array([1e9, 1e9 + 1, 1e9 + 2])

    assert Rollup.of(1, 1, values).m2 == 2.0
