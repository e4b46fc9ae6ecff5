"""Slots that nobody ran: recorded as missed, with the reason, and replaced by a run that comes late."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.maintenance import run_maintenance
from jobs.missed import LATE, LOST, MOST_SLOTS, NOT_ENQUEUED, record_missed
from jobs.scheduler import SlotScheduler
from jobs.simulation_run import run_simulation
from tests.factories import add_llm, add_run, archive_llm
from tests.jobs.system import until
from tests.support import query
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Task, tasks
from webapp.queue.enqueue import enqueue_measurement, enqueue_simulation, measurement_job_id
from webapp.settings import Settings
from webapp.store import runs

pytestmark = pytest.mark.usefixtures("own_environment", "old_llms")

INTERVAL = 600
SLOT = 1_795_521_600
ROWS = "SELECT extract(epoch FROM slot)::bigint, status, attempts, error FROM runs ORDER BY slot, llm_id"


@pytest.fixture
def old_llms(conn):
    """The simulated LLMs existed long before the slots of these tests."""
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE llms SET created_at = '2020-01-01'")


@pytest.fixture
def declare(declare_llms, environment, monkeypatch):
    """Declares the measurement of an endpoint at two levels, and returns it."""

    def declare(url: str) -> Task:
        declare_llms({"Measured": url}, "concurrency: [1, 2], requests: 1")
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])
        (planned,) = tasks(read_benchmark_file(Settings.from_env()))
        return planned

    return declare


@pytest.fixture
def visitor(make_app):
    """A visitor of the public page."""
    return make_app(public_dashboard=True).test_client()


def counted(conn) -> list[tuple]:
    return query(conn, "SELECT source, status, runs, points FROM run_totals ORDER BY 1, 2")


def slots(conn, status: str = "missed") -> list[int]:
    rows = query(
        conn,
        "SELECT DISTINCT extract(epoch FROM slot)::bigint FROM runs WHERE status = %s ORDER BY 1",
        status,
    )
    return [slot for (slot,) in rows]


class TestRecording:
    def test_each_llm_gets_a_run_per_slot_with_the_reason(self, conn, client):
        record_missed("", "default", INTERVAL, SLOT, SLOT + INTERVAL)

        assert query(conn, ROWS) == [
            (slot, "missed", 0, NOT_ENQUEUED) for slot in (SLOT, SLOT + INTERVAL) for _ in range(3)
        ]
        run = client.get("/api/v1/benchmarks/runs?status=missed").json["runs"][0]
        assert run["job_id"] == f"simulation-{SLOT + INTERVAL}"
        assert run["finished_at"] is not None
        assert run["generation"] is not None
        assert client.get(f"/api/v1/benchmarks/runs/simulation-{SLOT}").json["status"] == "missed"

    def test_it_may_be_repeated_and_is_counted_once(self, conn):
        for _ in range(2):
            record_missed("", "default", INTERVAL, SLOT, SLOT + INTERVAL)

        assert counted(conn) == [("simulation", "missed", 6, 0)]

    def test_slots_with_runs_stay_as_they_are(self, conn):
        for number, status in enumerate(("finished", "failed", "invalid", "running")):
            add_run(conn, datetime.fromtimestamp(SLOT + number * INTERVAL, UTC), status=status)
        conn.commit()

        record_missed("", "default", INTERVAL, SLOT, SLOT + 3 * INTERVAL)

        of_llm = "SELECT status FROM runs JOIN llms ON llms.id = llm_id WHERE name = 'GPT-4o' ORDER BY slot"
        assert query(conn, of_llm) == [("finished",), ("failed",), ("invalid",), ("running",)]
        assert counted(conn) == [("simulation", "missed", 8, 0)]

    def test_llms_that_were_archived_or_added_later_get_none(self, conn):
        archive_llm(conn, "GPT-4o")
        add_llm(conn, "New", created_at=datetime.fromtimestamp(SLOT + 1, UTC))
        conn.commit()

        record_missed("", "default", INTERVAL, SLOT, SLOT)

        assert len(query(conn, ROWS)) == 2

    def test_at_most_the_newest_ten_thousand_slots_are_recorded(self, conn):
        last = SLOT + (MOST_SLOTS + 5) * 60

        record_missed("", "default", 60, SLOT, last)

        recorded = slots(conn)
        assert (len(recorded), recorded[0], recorded[-1]) == (MOST_SLOTS, SLOT + 6 * 60, last)

    def test_a_measurement_that_was_never_run_is_registered(self, conn, declare):
        planned = declare("http://127.0.0.1:9/v1")

        record_missed("Measured", planned.levels[0].scenario, INTERVAL, SLOT, SLOT)

        assert query(conn, "SELECT source, status, job_id FROM runs") == [
            ("measurement", "missed", measurement_job_id(planned, SLOT))
        ]

    def test_what_is_no_longer_in_the_benchmark_file_is_left_alone(self, conn):
        record_missed("Former", "chat@c8", INTERVAL, SLOT, SLOT)

        assert query(conn, ROWS) == []


class TestAMissedRun:
    def test_is_replaced_by_a_run_of_the_slot(self, conn):
        record_missed("", "default", INTERVAL, SLOT, SLOT)

        run_simulation(SLOT)

        assert query(conn, ROWS) == [(SLOT, "finished", 1, None)] * 3
        assert [row[1:3] for row in counted(conn)] == [("finished", 3), ("missed", 3)]

    def test_is_not_ranked_and_is_shown_with_its_reason(self, client, visitor):
        run_simulation(SLOT)
        before = client.get("/api/v1/benchmarks/rankings").json

        record_missed("", "default", INTERVAL, SLOT + INTERVAL, SLOT + INTERVAL)

        assert client.get("/api/v1/benchmarks/rankings").json == before
        assert NOT_ENQUEUED in visitor.get("/runs?status=missed").text
        assert f"Latest run missed: {NOT_ENQUEUED}" in visitor.get("/").text

    def test_is_in_the_metrics_without_a_duration(self, client):
        record_missed("", "default", INTERVAL, SLOT, SLOT)

        exported = client.get("/metrics").text

        assert 'llm_benchmark_runs_total{source="simulation",status="missed"} 3.0' in exported
        assert 'duration_seconds_count{source="simulation",status="missed"}' not in exported


class TestALateJob:
    @pytest.fixture
    def make_late(self, redis):
        """Lets a queued job have waited for more than ten intervals."""

        def make(job_id: str, seconds: int = 10 * INTERVAL + 60, **fields: object) -> None:
            then = datetime.now(UTC) - timedelta(seconds=seconds)
            created_at = then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            redis.hset(f"rq:job:{job_id}", mapping={"created_at": created_at, **fields})

        return make

    def test_records_its_slot_as_missed(self, processes, conn, queue, settings, client, visitor, make_late):
        enqueue_simulation(queue, settings, SLOT)
        make_late(f"simulation-{SLOT}")

        processes.worker()

        until(lambda: query(conn, ROWS) == [(SLOT, "missed", 0, LATE)] * 3)
        until(lambda: query(conn, "SELECT FROM runs WHERE generation IS NOT NULL"))
        url = f"/api/v1/benchmarks/runs/simulation-{SLOT}"
        until(lambda: client.get(url).json["status"] == "missed")
        assert "Your run was missed." in visitor.get(f"/runs?job_id=simulation-{SLOT}").text

    def test_of_a_measurement_asks_nobody_and_each_level_is_missed(
        self, processes, conn, queue, settings, declare, make_late, mock_servers
    ):
        planned = declare(mock_servers.start())
        enqueue_measurement(queue, settings, SLOT, planned)
        make_late(measurement_job_id(planned, SLOT))

        processes.worker()

        until(lambda: query(conn, ROWS) == [(SLOT, "missed", 0, LATE)] * 2)
        assert query(conn, "SELECT count(*) FROM requests") == [(0,)]

    def test_is_run_if_it_has_waited_for_less(self, processes, conn, queue, settings, make_late):
        enqueue_simulation(queue, settings, SLOT)
        make_late(f"simulation-{SLOT}", seconds=10 * INTERVAL - 60)

        processes.worker()

        until(lambda: slots(conn, "finished") == [SLOT])

    def test_is_run_if_it_waited_for_a_retry(self, processes, conn, queue, settings, make_late):
        enqueue_simulation(queue, settings, SLOT)
        make_late(f"simulation-{SLOT}", retries_left=settings.max_retries - 1)

        processes.worker()

        until(lambda: slots(conn, "finished") == [SLOT])


class TestALostJob:
    """Run hourly by the maintenance, long after the slots."""

    @pytest.fixture
    def now(self):
        return time.time() // INTERVAL * INTERVAL

    @pytest.fixture
    def schedule_at(self, redis, settings):
        """Polls a scheduler at that time."""
        return lambda moment: SlotScheduler(redis, settings, (), lambda: moment).poll()

    def test_is_missed(self, conn, redis, now, schedule_at):
        for back in range(20, -1, -1):
            schedule_at(now - back * INTERVAL)
            redis.delete("rq:queue:runs")
            for key in redis.keys("rq:job:simulation-*"):
                redis.delete(key)
        run_simulation(int(now) - 15 * INTERVAL)

        run_maintenance(0)

        lost = [int(now) - back * INTERVAL for back in range(20, 0, -1) if back != 15]
        assert slots(conn) == lost
        assert {row[3] for row in query(conn, ROWS) if row[1] == "missed"} == {LOST}

    @pytest.mark.parametrize("status", ["queued", "scheduled", "started"])
    def test_is_not_one_that_waits_or_runs(self, conn, redis, now, schedule_at, status):
        for back in range(5, -1, -1):
            schedule_at(now - back * INTERVAL)
        for key in redis.keys("rq:job:simulation-*"):
            redis.hset(key, "status", "failed")
        redis.hset(f"rq:job:simulation-{int(now) - 3 * INTERVAL}", "status", status)

        run_maintenance(0)

        assert slots(conn) == [int(now) - back * INTERVAL for back in (5, 4)]

    def test_is_missed_since_the_last_run_if_redis_lost_everything(self, conn, redis, now, schedule_at):
        schedule_at(now - 40 * INTERVAL)
        run_simulation(int(now) - 40 * INTERVAL)
        run_simulation(int(now) - 35 * INTERVAL + 1)
        redis.flushall()
        schedule_at(now - 20 * INTERVAL)
        for back in range(20, -1, -1):
            run_simulation(int(now) - back * INTERVAL)

        run_maintenance(0)

        assert slots(conn) == [int(now) - back * INTERVAL for back in range(39, 20, -1)]

    def test_is_missed_even_if_redis_lost_everything_again_before_the_search(
        self, conn, redis, now, schedule_at
    ):
        run_simulation(int(now) - 9 * INTERVAL)
        for back in (5, 2):  # lost are 8 to 6, and 4 and 3
            redis.flushall()
            schedule_at(now - back * INTERVAL)
            run_simulation(int(now) - back * INTERVAL)
        run_simulation(int(now) - INTERVAL)

        run_maintenance(0)

        assert slots(conn) == [int(now) - back * INTERVAL for back in (8, 7, 6, 4, 3)]

    def test_nothing_is_missed_from_before_the_interval_was_changed(
        self, conn, redis, settings, now, schedule_at, monkeypatch
    ):
        schedule_at(now - 30 * INTERVAL)
        run_simulation(int(now) - 30 * INTERVAL)
        changed = replace(settings, schedule_interval=INTERVAL // 2)
        SlotScheduler(redis, changed, (), lambda: now - 15 * INTERVAL).poll()
        monkeypatch.setenv("SCHEDULE_INTERVAL", "5")

        run_maintenance(0)

        assert slots(conn)[0] == now - 15 * INTERVAL + INTERVAL // 2


def test_the_newest_slot_is_one_of_the_schedule(conn):
    day = datetime(2026, 11, 24, tzinfo=UTC)
    add_run(conn, day)
    add_run(conn, day + timedelta(seconds=7))
    arguments = {"source": "simulation", "scenario": "default", "interval": timedelta(seconds=INTERVAL)}

    assert runs.newest_slot(conn, before=day + timedelta(days=1), **arguments) == day
    assert runs.newest_slot(conn, before=day, **arguments) == day
    assert runs.newest_slot(conn, before=day, **{**arguments, "source": "measurement"}) is None
