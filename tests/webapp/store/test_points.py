from datetime import UTC, datetime

import numpy as np
import pytest

from tests.support import query
from webapp.store import partitions, points

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def partition(conn):
    partitions.ensure(conn, NOON.date(), ahead=0)


def test_values_are_read_back_to_the_last_bit(conn):
    values = np.array([0.1, -1e300, 5e-324, 0.0, np.pi])

    stored = points.copy(conn, [points.encode(NOON, 2**40, 3, values), points.encode(NOON, 7, 4, values[:1])])

    assert stored == 6
    rows = query(conn, "SELECT recorded_at, run_id, metric_id, value FROM points ORDER BY metric_id, ctid")
    assert rows == [(NOON, 2**40, 3, value) for value in values] + [(NOON, 7, 4, 0.1)]


def test_a_copy_larger_than_any_buffer_is_complete(conn):
    points.copy(conn, (points.encode(NOON, run, 1, np.arange(50_000.0)) for run in range(3)))

    assert query(conn, "SELECT run_id, count(*), sum(value) FROM points GROUP BY 1 ORDER BY 1") == [
        (run, 50_000, 1_249_975_000.0) for run in range(3)
    ]
