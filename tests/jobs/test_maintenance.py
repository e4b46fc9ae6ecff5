"""Maintenance: partitions created ahead and dropped while others read and write; old rollups deleted."""

import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import psycopg2
import pytest

from jobs import maintenance
from jobs.maintenance import ABANDONED, DAYS_AHEAD, UNRECORDED, Pace, run_maintenance
from jobs.simulation_run import fill_slot
from tests.factories import add_rollups, add_run
from tests.jobs.system import until
from tests.support import query
from webapp.ingest.publish import publish
from webapp.queue.durations import RUN_TIMEOUT
from webapp.queue.enqueue import enqueue_maintenance
from webapp.settings import Settings
from webapp.store import connect, export, points, retention, self_checks, views
from webapp.store.export import Selection
from webapp.store.partitions import ensure
from webapp.store.self_checks import SelfCheckError

NOW = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^points_' ORDER BY 1"
ATTACHED = (
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE inhparent = 'points'::regclass AND NOT inhdetachpending ORDER BY 1"
)


PACE = Pace(lock_timeout_s=0.2, pause_s=0.05, batch_rows=2)
maintain = partial(maintenance.maintain, pace=PACE)


@pytest.fixture
def settings(settings):
    return replace(settings, retention_days=3, rollup_retention_days=5)


def partition(day: date) -> str:
    return f"points_{day:%Y%m%d}"


def partitions(conn) -> list[str]:
    """The names of all partitions of points, each of which is attached."""
    found = query(conn, TABLES)
    assert found == query(conn, ATTACHED)
    return [name for (name,) in found]


def store_days(conn, *ages: int) -> None:
    """A partition with one point for each of these numbers of days before NOW."""
    for age in ages:
        ensure(conn, (NOW - timedelta(days=age)).date(), 0)
        points.copy(conn, [points.encode(NOW - timedelta(days=age), 1, 1, np.ones(1))])
    conn.commit()


def finish_run(conn, slot: datetime) -> int:
    """A finished run with one rollup, not published yet; returns its id."""
    run_id = add_run(conn, slot)
    add_rollups(conn, run_id, {"ttft": [1.0, 2.0]})
    conn.commit()
    return run_id


def refresh(conn, now: datetime) -> None:
    views.refresh(conn, now, views.raise_generation(conn))
    conn.commit()


def starts(conn, period: str) -> list[datetime]:
    rows = query(conn, "SELECT starts_at FROM period_rollups WHERE period = %s ORDER BY 1", period)
    return [starts_at for (starts_at,) in rows]


def test_partitions_are_created_for_today_and_seven_days_ahead(conn, settings):
    maintain(conn, settings, NOW)

    assert partitions(conn) == [
        partition(NOW.date() + timedelta(days=ahead)) for ahead in range(DAYS_AHEAD + 1)
    ]


def test_a_day_is_dropped_once_all_of_it_is_too_old(conn, settings):
    store_days(conn, 5, 4, 3, 2)

    maintain(conn, settings, NOW)

    assert partitions(conn)[:2] == ["points_20261121", "points_20261122"]
    assert query(conn, "SELECT count(*) FROM points") == [(2,)]
    maintain(conn, settings, datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC))
    assert partitions(conn)[0] == "points_20261121"
    maintain(conn, settings, datetime(2026, 11, 25, tzinfo=UTC))
    assert partitions(conn)[0] == "points_20261122"


def test_partitions_of_requests_are_created_and_dropped_with_those_of_points(conn, settings):
    store_days(conn, 5, 2)
    days = (
        "SELECT right(relname, 8) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = 'requests'::regclass ORDER BY 1"
    )
    assert query(conn, days) == [("20261119",), ("20261122",)]

    maintain(conn, settings, NOW)

    assert query(conn, days)[:2] == [("20261122",), ("20261124",)]
    assert len(query(conn, days)) == len(partitions(conn))


def test_old_self_checks_are_deleted(conn, settings):
    for age in (6, 4):
        self_checks.insert(conn, NOW - timedelta(days=age), [SelfCheckError("ttft", 1, 0.2, 0.0, 0.0)])
    conn.commit()

    maintain(conn, settings, NOW)

    assert list(self_checks.read(conn, 10)) == [NOW - timedelta(days=4)]


def test_old_messages_are_deleted_unless_they_are_pending(conn, settings):
    for target, age, ended in (("SENT", 91, True), ("PENDING", 91, False), ("NEW", 89, True)):
        query(
            conn,
            "INSERT INTO messages (target, key, body, created_at, due_at, sent_at)"
            " VALUES (%s, 'key', '{}', %s, now(), %s) RETURNING id",
            target, NOW - timedelta(days=age), NOW if ended else None,
        )  # fmt: skip

    maintain(conn, settings, NOW)

    assert query(conn, "SELECT target FROM messages ORDER BY id") == [("PENDING",), ("NEW",)]


def test_0_days_keep_everything_forever(conn, settings):
    store_days(conn, 3000)
    finish_run(conn, NOW - timedelta(days=3000))
    refresh(conn, NOW)

    maintain(conn, replace(settings, retention_days=0, rollup_retention_days=0), NOW)

    assert partitions(conn)[0] == partition((NOW - timedelta(days=3000)).date())
    assert len(starts(conn, "hour")) == 1
    assert query(conn, "SELECT count(*) FROM rollups") == [(1,)]


def test_detached_partitions_and_other_tables_stay(conn, settings):
    store_days(conn, 9)
    with conn, conn.cursor() as cursor:
        cursor.execute("ALTER TABLE points DETACH PARTITION points_20261115")
        cursor.execute("CREATE TABLE points_19990101 (value integer)")

    maintain(conn, settings, NOW)

    assert [name for (name,) in query(conn, TABLES)][:2] == ["points_19990101", "points_20261115"]


def test_a_partition_that_is_being_read_stays_whole_for_its_reader_and_blocks_nobody(conn, settings):
    store_days(conn, 9, 8, 0)
    selection = Selection(NOW - timedelta(days=30), NOW, "simulation", 1)
    with export.snapshot(settings) as reader:
        list(export.chunks(reader, selection))
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM points")
            assert cursor.fetchone() == (3,)

            maintain(conn, settings, NOW)

            cursor.execute("SELECT count(*) FROM points")
            assert cursor.fetchone() == (3,)
        with closing(connect(settings)) as other:
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
            points.copy(other, [points.encode(NOW, 2, 1, np.ones(1))])
            other.commit()
            ensure(other, date(2031, 1, 1))
            other.commit()
    assert "points_20261115" in [name for (name,) in query(conn, TABLES)]

    maintain(conn, settings, NOW)

    assert partitions(conn)[0] == partition(NOW.date())


def test_nobody_waits_while_a_drop_waits_for_a_reader(conn, settings):
    patient = replace(PACE, lock_timeout_s=10)
    store_days(conn, 9, 0)
    with closing(connect(settings)) as reader, closing(connect(settings)) as other:
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM points")
        dropping = threading.Thread(target=lambda: maintain(conn, settings, NOW, pace=patient))
        dropping.start()
        until(lambda: query(other, "SELECT FROM pg_locks WHERE NOT granted"))

        with other, other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
            cursor.execute("SELECT count(*) FROM points")
            assert cursor.fetchone() == (1,)
        points.copy(other, [points.encode(NOW, 2, 1, np.ones(1))])
        other.commit()
        ensure(other, date(2031, 1, 1))
        other.commit()
        reader.rollback()
        dropping.join(15)

    assert partitions(conn)[0] == partition(NOW.date())


def test_partitions_ahead_wait_for_a_locked_table_only_briefly(conn, settings, caplog):
    with closing(connect(settings)) as index:  # that another session creates
        with index.cursor() as cursor:
            cursor.execute("LOCK TABLE points IN SHARE MODE")
        creating = threading.Thread(target=lambda: maintain(conn, settings, NOW))
        creating.start()
        creating.join(10)
        waits = creating.is_alive()
        index.rollback()
        creating.join()

    assert not waits
    assert "partitions ahead: their tables are locked; left for the next maintenance" in caplog.text
    assert partitions(conn) == []

    maintain(conn, settings, NOW)

    assert len(partitions(conn)) == DAYS_AHEAD + 1


@pytest.mark.parametrize("state", ["detaching", "detached"])
def test_a_drop_that_was_killed_is_finished_by_the_next_maintenance(conn, settings, state):
    store_days(conn, 9, 8)
    conn.autocommit = True
    with closing(connect(settings)) as reader, conn.cursor() as cursor, reader.cursor() as reading:
        cursor.execute("COMMENT ON TABLE points_20261115 IS %s", (retention.EXPIRED,))
        cursor.execute("SET lock_timeout = '100ms'")
        if state == "detaching":
            reading.execute("SELECT count(*) FROM points")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute("ALTER TABLE points DETACH PARTITION points_20261115 CONCURRENTLY")
        else:
            cursor.execute("ALTER TABLE points DETACH PARTITION points_20261115 CONCURRENTLY")
    conn.autocommit = False
    assert len(query(conn, TABLES)) == len(query(conn, ATTACHED)) + 1

    maintain(conn, settings, NOW)

    assert partitions(conn)[0] == partition(NOW.date())


def test_concurrent_maintenance_does_not_fail(settings, conn):
    store_days(conn, *range(4, 14))
    for day in range(20):
        finish_run(conn, NOW - timedelta(days=day))
    refresh(conn, NOW)
    errors = []

    def repeat() -> None:
        try:
            with closing(connect(settings)) as own:
                for _ in range(3):
                    maintain(own, settings, NOW)
        except psycopg2.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []

    maintain(conn, settings, NOW)
    assert partitions(conn)[0] == partition(NOW.date())
    assert query(conn, "SELECT count(*) FROM rollups") == [(6,)]


def test_old_hours_are_deleted_but_days_and_windows_stay(conn, settings):
    edge = datetime(2026, 11, 19, 12, 34, 56, tzinfo=UTC)
    slots = [edge - timedelta(days=1), edge - timedelta(hours=1), edge, edge + timedelta(hours=1), NOW]
    for slot in slots:
        finish_run(conn, slot)
    refresh(conn, NOW)
    before = query(conn, "SELECT * FROM metric_means ORDER BY 1")

    maintain(conn, settings, NOW)

    # The hour that contains the limit is kept.
    assert starts(conn, "hour") == [slot.replace(minute=0, second=0) for slot in slots[2:]]
    assert len(starts(conn, "day")) == 3
    assert query(conn, "SELECT * FROM metric_means ORDER BY 1") == before


def test_rollups_of_old_published_runs_are_deleted_but_the_runs_stay(conn, settings):
    for day in range(10):
        finish_run(conn, NOW - timedelta(days=day))
    refresh(conn, NOW)
    unpublished = finish_run(conn, NOW - timedelta(days=20))

    maintain(conn, settings, NOW)

    kept = "SELECT run_id FROM rollups JOIN runs ON runs.id = run_id ORDER BY slot DESC"
    assert [run_id for (run_id,) in query(conn, kept)] == [1, 2, 3, 4, 5, 6, unpublished]
    assert query(conn, "SELECT count(*) FROM runs") == [(11,)]

    refresh(conn, NOW)
    maintain(conn, settings, NOW)
    assert len(query(conn, kept)) == 6


def test_the_shortest_retention_changes_no_window(conn, settings):
    shortest = replace(settings, retention_days=1, rollup_retention_days=2)
    for hours in range(0, 80, 3):
        finish_run(conn, NOW - timedelta(hours=hours, minutes=7))
    refresh(conn, NOW)
    for later in (timedelta(0), timedelta(minutes=50), timedelta(hours=30)):
        expected = "SELECT time_window, n, mean FROM metric_means ORDER BY 1"
        refresh(conn, NOW + later)
        before = query(conn, expected)

        maintain(conn, shortest, NOW + later)
        refresh(conn, NOW + later)

        assert query(conn, expected) == before
    assert query(conn, "SELECT count(*) FROM metric_means WHERE time_window = '24h'") == [(0,)]


@pytest.mark.usefixtures("own_environment")
def test_the_job_slides_the_windows_and_may_run_again(conn):
    then = datetime.now(UTC) - timedelta(hours=3)
    finish_run(conn, then)
    refresh(conn, then)
    assert query(conn, "SELECT count(*) FROM metric_means WHERE time_window = '1h'") == [(1,)]

    run_maintenance(0)
    after = views.generation(conn)
    conn.rollback()
    run_maintenance(0)

    assert query(conn, "SELECT count(*) FROM metric_means WHERE time_window = '1h'") == [(0,)]
    assert views.generation(conn) == after


def test_a_run_creates_its_missing_partition_and_keeps_row_and_rollups_without_it(conn, settings, redis):
    fill_slot(conn, settings, NOW - timedelta(days=4), "job")
    publish(conn, settings, redis)

    maintain(conn, settings, NOW)

    assert query(conn, "SELECT count(*) FROM points") == [(0,)]
    assert query(conn, "SELECT count(*), sum(points) FROM runs WHERE status = 'finished'") == [(3, 600)]
    assert query(conn, "SELECT count(*) FROM rollups") == [(12,)]


def test_a_slot_has_one_maintenance_job_which_a_worker_runs(processes, queue, environment, conn):
    settings = Settings.from_env(environment)

    assert enqueue_maintenance(queue, settings, 3600)
    assert not enqueue_maintenance(queue, settings, 3600)
    assert queue.job_ids == ["maintenance-3600"]
    processes.worker()

    until(lambda: queue.finished_job_registry.get_job_ids() == ["maintenance-3600"])
    assert len(partitions(conn)) == DAYS_AHEAD + 1


class TestARunThatNobodyWillEnd:
    """It is running for longer than any run may take, or its job has failed."""

    OLD = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=RUN_TIMEOUT + 60)

    def test_is_recorded_as_failed_and_shown(self, conn, client, own_environment):
        add_run(conn, self.OLD, status="running")
        conn.commit()

        run_maintenance(0)

        (shown,) = client.get("/api/v1/benchmarks/runs?status=failed").json["runs"]
        assert (shown["error"], shown["generation"] is not None) == (ABANDONED, True)

    @pytest.mark.parametrize("status", ["queued", "scheduled", "started"])
    def test_is_left_alone_if_its_job_lives(self, conn, redis, own_environment, status):
        add_run(conn, self.OLD, status="running", job_id="living")
        conn.commit()
        redis.hset("rq:job:living", "status", status)

        run_maintenance(0)

        assert query(conn, "SELECT status FROM runs WHERE job_id = 'living'") == [("running",)]

    def test_is_left_alone_while_its_process_may_live(self, conn, own_environment):
        add_run(conn, self.OLD, status="running", job_id="young", started_at=datetime.now(UTC))
        conn.commit()

        run_maintenance(0)

        assert query(conn, "SELECT status FROM runs WHERE job_id = 'young'") == [("running",)]

    def test_is_ended_although_it_is_young_if_its_job_has_failed(self, conn, redis, own_environment):
        add_run(conn, self.OLD, status="running", job_id="dead", started_at=datetime.now(UTC))
        conn.commit()
        redis.hset("rq:job:dead", "status", "failed")

        run_maintenance(0)

        assert query(conn, "SELECT status, error FROM runs") == [("failed", UNRECORDED)]
