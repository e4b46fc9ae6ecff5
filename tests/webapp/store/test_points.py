import threading
from contextlib import closing
from datetime import UTC, date, datetime

import numpy as np
import psycopg2
import pytest

from tests.support import query
from webapp.store import connect, partitions, points

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
PARTITIONS = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'points'::regclass ORDER BY 1"
)


def test_what_is_copied_is_read_back_to_the_bit(conn):
    values = np.array([0.1, -1e300, 5e-324, 0.0, np.pi])
    partitions.ensure(conn, NOON.date())

    stored = points.copy(conn, [points.encode(NOON, 2**40, 3, values), points.encode(NOON, 7, 4, values[:1])])
    conn.commit()

    assert stored == 6
    rows = query(conn, "SELECT recorded_at, run_id, metric_id, value FROM points ORDER BY metric_id, ctid")
    assert rows == [(NOON, 2**40, 3, value) for value in values] + [(NOON, 7, 4, 0.1)]


def test_a_copy_longer_than_any_buffer_arrives_whole(conn):
    partitions.ensure(conn, NOON.date())

    points.copy(conn, (points.encode(NOON, run, 1, np.arange(50_000.0)) for run in range(3)))

    assert query(conn, "SELECT run_id, count(*), sum(value) FROM points GROUP BY 1 ORDER BY 1") == [
        (run, 50_000, 1_249_975_000.0) for run in range(3)
    ]


def test_points_of_a_day_without_a_partition_are_refused_not_misplaced(conn):
    with pytest.raises(psycopg2.errors.CheckViolation):
        points.copy(conn, [points.encode(NOON, 1, 1, np.ones(1))])


def test_partitions_are_made_ahead_and_only_once(conn):
    partitions.ensure(conn, date(2026, 12, 30))
    partitions.ensure(conn, date(2026, 12, 31))

    assert query(conn, PARTITIONS) == [
        ("points_20261230",),
        ("points_20261231",),
        ("points_20270101",),
        ("points_20270102",),
    ]


def test_a_partition_holds_exactly_its_day(conn):
    partitions.ensure(conn, date(2026, 11, 24))
    first = datetime(2026, 11, 24, tzinfo=UTC)
    last = datetime(2026, 11, 24, 23, 59, 59, 999999, tzinfo=UTC)

    points.copy(conn, [points.encode(first, 1, 1, np.ones(1)), points.encode(last, 1, 1, np.ones(1))])

    assert query(conn, "SELECT count(*) FROM points_20261124") == [(2,)]


def test_many_at_once_may_want_the_same_partition(settings):
    errors = []

    def want() -> None:
        try:
            with closing(connect(settings)) as own:
                partitions.ensure(own, date(2030, 1, 1))
        except psycopg2.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_a_new_partition_does_not_wait_for_writers_of_other_days(settings, conn):
    partitions.ensure(conn, NOON.date())
    points.copy(conn, [points.encode(NOON, 1, 1, np.ones(1))])  # and the transaction stays open

    with closing(connect(settings)) as other:
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        partitions.ensure(other, date(2031, 1, 1))
    conn.rollback()
