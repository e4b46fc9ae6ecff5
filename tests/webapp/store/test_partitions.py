import threading
from contextlib import closing
from datetime import UTC, date, datetime

import numpy as np
import psycopg2
import pytest

from tests.support import query
from webapp.store import connect, partitions, points

DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PARTITIONS = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'points'::regclass ORDER BY 1"
)


def test_partitions_are_created_ahead_and_only_once(conn):
    partitions.ensure(conn, date(2026, 12, 30))
    partitions.ensure(conn, date(2026, 12, 31))

    assert query(conn, PARTITIONS) == [
        ("points_20261230",),
        ("points_20261231",),
        ("points_20270101",),
        ("points_20270102",),
    ]


def test_new_partitions_are_the_callers_to_commit(conn):
    partitions.ensure(conn, DAY)
    conn.rollback()

    assert query(conn, PARTITIONS) == []


def test_a_partition_contains_exactly_its_day(conn):
    partitions.ensure(conn, DAY)
    first = datetime(2026, 11, 24, tzinfo=UTC)
    last = datetime(2026, 11, 24, 23, 59, 59, 999999, tzinfo=UTC)

    points.copy(conn, [points.encode(first, 1, 1, np.ones(1)), points.encode(last, 1, 1, np.ones(1))])

    assert query(conn, "SELECT count(*) FROM points_20261124") == [(2,)]


def test_concurrent_requests_for_the_same_partition_all_succeed(settings):
    errors = []

    def create() -> None:
        try:
            with closing(connect(settings)) as conn, conn:
                partitions.ensure(conn, DAY)
        except psycopg2.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_a_new_partition_does_not_wait_for_writers_of_other_days(settings, conn):
    partitions.ensure(conn, DAY)
    conn.commit()
    points.copy(conn, [points.encode(NOON, 1, 1, np.ones(1))])  # and the transaction stays open

    with closing(connect(settings)) as other:
        with other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        partitions.ensure(other, date(2031, 1, 1))
        other.commit()


def test_points_of_a_day_without_a_partition_are_refused(conn):
    with pytest.raises(psycopg2.errors.CheckViolation):
        points.copy(conn, [points.encode(NOON, 1, 1, np.ones(1))])
