"""Levels that several workers share: real workers, queue and database, and a mock server."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from rq import Worker

from jobs import barrier, pulse, sharded_level
from jobs.barrier import ShardError, Terms, open_barrier
from jobs.host import processor
from jobs.lock import renewed_lock
from jobs.measurement_run import run_measurement
from jobs.shard_run import run_shard
from jobs.sharded_level import patience, terms
from jobs.start import warn_of_shards
from jobs.waiting_line import GATHERING, Waiting
from jobs.worker import make_worker
from llm_measure.load.prompts import Counting
from tests.jobs.system import now_slot, until
from tests.jobs.test_scheduled_measurements import WORKER
from tests.measured import measurement
from tests.support import query
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import tasks
from webapp.queue.durations import GATHER_SECONDS, LONGEST_GATHER_SECONDS
from webapp.queue.enqueue import enqueue_measurement
from webapp.queue.functions import RUN_MEASUREMENT, RUN_SHARD
from webapp.queue.json_job import JSONJob
from webapp.settings import Settings

LOST_SECONDS = 1.5
STREAMS, REQUESTS, TOKENS, TTFT, ITL = 40, 120, 5, 0.2, 0.05
WORKLOAD = f"concurrency: {STREAMS}, input_tokens: 120..136, output_tokens: {TOKENS}, timeout: 20"


@pytest.fixture
def measure(declare_llms, mock_servers, environment, queue):
    """Enqueues a measurement with shards; returns its slot."""

    def enqueue(shards: int, requests: int = REQUESTS) -> int:
        server = mock_servers.start(ttft=TTFT, itl=ITL)
        declare_llms({"LLM": server}, f"{WORKLOAD}, requests: {requests}, warmup: 0, shards: {shards}")
        settings = Settings.from_env(environment)
        (planned,) = tasks(read_benchmark_file(settings))
        slot = now_slot()
        enqueue_measurement(queue, settings, slot, planned)
        return slot

    return enqueue


@pytest.fixture
def start_workers(processes):
    """Starts workers that soon take a silent shard for lost."""
    quick = f"import jobs.pulse; jobs.pulse.LOST_SECONDS = {LOST_SECONDS}; {WORKER[1]}"

    def start(number: int):
        return [processes.start("-c", quick, MEASUREMENTS_PER_HOST="8") for _ in range(number)]

    return start


@pytest.fixture
def measuring(redis):
    """Waits until the shards of an attempt have begun to measure."""

    def begun() -> bool:
        starts = (redis.hget(key, "start") for key in redis.keys("llm-benchmark:shards:*"))
        return any(start and int(start) < redis.time()[0] * 1_000_000 for start in starts)

    return lambda: until(begun)


def worker_of(redis, workers, function: str):
    """The worker that runs a job of the function."""
    running = {worker.pid: worker.get_current_job() for worker in Worker.all(redis, job_class=JSONJob)}
    (found,) = (each for each in workers if (job := running[each.pid]) and job.func_name == function)
    return found


def ended(conn) -> tuple:
    """The run, once it has been published as finished."""

    def find():
        return query(
            conn,
            "SELECT status, attempts, error, measurement FROM runs"
            " WHERE status = 'finished' AND generation IS NOT NULL",
        )

    ((run),) = until(find, 60)
    return run


def assert_stored_once(conn) -> None:
    assert query(conn, "SELECT count(*), count(DISTINCT number) FROM requests") == [(REQUESTS, REQUESTS)]
    assert query(conn, "SELECT count(*) FROM points JOIN metrics ON id = metric_id WHERE name = 'ttft'") == [
        (REQUESTS,)
    ]
    assert query(conn, "SELECT count(*) FROM run_shards") == [(0,)]


@pytest.mark.parametrize("function", [RUN_SHARD, RUN_MEASUREMENT], ids=["a shard", "the coordinating job"])
def test_a_level_that_workers_share_becomes_one_run_even_if_a_process_is_killed_meanwhile(
    conn, redis, processes, measure, start_workers, measuring, function
):
    measure(2)
    workers = start_workers(2)
    measuring()
    processes.work_horse(worker_of(redis, workers, function)).kill()

    status, attempts, error, measurement = ended(conn)

    assert (status, attempts, error) == ("finished", 2, None)
    assert_stored_once(conn)
    assert 120 * REQUESTS < measurement["prompt_tokens"]["asked"] < 136 * REQUESTS
    shards = measurement["shards"]
    assert [each["shard"] for each in shards] == [0, 1]
    assert [each["requests"] for each in shards] == [REQUESTS // 2, REQUESTS // 2]
    assert len({each["worker"] for each in shards}) == 2
    assert all(each["valid"] and each["begin_error_ms"] < 100 for each in shards)
    # Both shards begin at one moment: the streams of the second are those between the first one's.
    intended = query(conn, "SELECT min(intended_ns) FROM requests GROUP BY mod(number, 2) ORDER BY 1")
    assert intended == [(0,), (500_000,)]
    ((ttft, rate),) = query(
        conn,
        "SELECT max(mean) FILTER (WHERE name = 'ttft'), max(mean) FILTER (WHERE name = 'rps')"
        " FROM rollups JOIN metrics ON metrics.id = metric_id",
    )
    assert ttft == pytest.approx(TTFT, abs=0.1)
    assert rate == pytest.approx(STREAMS / (TTFT + (TOKENS - 1) * ITL), rel=0.3)


@pytest.fixture
def register(settings, redis):
    """Registers workers of a machine that runs that number of measurements at the same time."""

    def register(workers: int, places: int, host: str = "one") -> None:
        own = replace(settings, worker_host=host, measurements_per_host=places)
        for _ in range(workers):
            make_worker(own, redis).register_birth()

    return register


class TestHowLongALevelWaitsForItsShards:
    def test_for_a_minute_if_there_are_too_few_workers(self, redis, register):
        register(workers=2, places=8)

        assert patience(redis, measurement(shards=3)) == GATHER_SECONDS

    def test_longer_if_there_are_enough_on_all_machines_together(self, redis, register):
        register(workers=3, places=2)
        register(workers=1, places=8, host="another")

        assert patience(redis, measurement(shards=3)) == LONGEST_GATHER_SECONDS

    @pytest.mark.usefixtures("own_environment")
    def test_not_at_all_if_their_machines_never_run_as_many(
        self, conn, redis, register, measure, environment, monkeypatch
    ):
        slot = measure(3)
        register(workers=4, places=2)
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])

        with pytest.raises(ShardError):
            run_measurement("LLM", "chat", slot)

        reason = (
            "ShardError: 3 shards cannot come together: the machines of the 4 workers run 2 measurements at"
            " the same time; start workers on more machines, or raise MEASUREMENTS_PER_HOST"
        )
        assert query(conn, "SELECT error FROM runs") == [(reason,)]

    @pytest.mark.usefixtures("own_environment")
    def test_until_the_place_is_free_that_another_measurement_holds(
        self, conn, settings, redis, register, measure, environment, monkeypatch
    ):
        slot = measure(2, STREAMS)
        register(workers=2, places=2, host=settings.worker_host)
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])
        monkeypatch.setenv("MEASUREMENTS_PER_HOST", "2")
        monkeypatch.setattr(sharded_level, "GATHER_SECONDS", 0)
        monkeypatch.setattr(barrier, "START_DELAY_US", 200_000)
        monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.05)

        with ThreadPoolExecutor(1) as pool:
            with processor(replace(settings, measurements_per_host=2), redis):
                level = pool.submit(run_measurement, "LLM", "chat", slot)
                key = until(lambda: redis.keys("llm-benchmark:shards:*"))[0].decode()
                token = key.rpartition(":")[2]
                assert isinstance(run_shard("LLM", "chat@c40", slot, token, 1), Waiting)
                since = int(redis.hget(key, "beat:0"))
                until(lambda: level.done() or int(redis.hget(key, "beat:0")) > since + 1)
            run_shard("LLM", "chat@c40", slot, token, 1)
            assert level.result(30) is None

        assert query(conn, "SELECT status, attempts FROM runs") == [("finished", 1)]

    def test_of_which_make_start_warns_if_its_machine_alone_does_not_suffice(self, settings, caplog):
        own = replace(settings, measurements_per_host=2)

        warn_of_shards(own, [])
        warn_of_shards(own, [measurement(shards=2)])
        warn_of_shards(own, [measurement(shards=shards) for shards in (1, 4, 3)])

        assert caplog.messages == [
            "chat@c8: 4 shards, but this machine runs 2 measurements at the same time;"
            " expected workers on more machines, or MEASUREMENTS_PER_HOST=4"
        ]


@pytest.mark.usefixtures("own_environment")
class TestWithoutWorkers:
    def test_a_shard_of_an_attempt_that_has_ended_does_nothing(self, conn):
        assert run_shard("LLM", "chat@c40", now_slot(), str(uuid4()), 1) is None

        assert query(conn, "SELECT FROM run_shards") == []

    def test_a_level_waits_while_another_one_gathers_its_shards(
        self, conn, redis, measure, environment, monkeypatch
    ):
        slot = measure(2)
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])

        with renewed_lock(redis, "endpoint-gathering"):
            waiting = run_measurement("LLM", "chat", slot)

        assert waiting.server == GATHERING
        assert query(conn, "SELECT FROM runs") == []

    def test_a_shard_waits_for_a_processor(self, settings, redis, measure, environment, monkeypatch):
        slot, token = measure(2), uuid4()
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])
        monkeypatch.setenv("MEASUREMENTS_PER_HOST", "1")
        open_barrier(redis, token, Terms(2, "plan", Counting()))

        with processor(replace(settings, measurements_per_host=1), redis):
            waiting = run_shard("LLM", "chat@c40", slot, str(token), 1)

        assert waiting.server == ""

    def test_a_shard_fails_the_attempt_if_its_machine_has_another_benchmark_file(
        self, redis, measure, environment, monkeypatch
    ):
        slot, token = measure(2), uuid4()
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])
        open_barrier(redis, token, Terms(2, "another plan", Counting()))

        with pytest.raises(ShardError, match="its machine has another benchmark file"):
            run_shard("LLM", "chat@c40", slot, str(token), 1)

        failure = redis.hget(f"llm-benchmark:shards:{token}", "failure")
        assert failure == b"shard 2 of 2: its machine has another benchmark file"

    def test_the_terms_are_of_all_that_is_asked_and_of_what_is_ranked(self):
        plain = measurement(shards=2)
        others = [
            replace(plain, rank_insecure=True),
            *(
                replace(plain, endpoint=replace(plain.endpoint, **changed))
                for changed in (
                    {"base_url": "http://127.0.0.1:9/v2"},
                    {"model": "n"},
                    {"extra_body": {"a": 1}},
                )
            ),
        ]

        plans = {terms(each, Counting()).plan for each in (plain, *others)}

        assert len(plans) == 1 + len(others)

    @pytest.mark.parametrize("number", [0, 2])
    def test_a_shard_that_the_level_does_not_have_is_refused(
        self, redis, measure, environment, monkeypatch, number
    ):
        slot, token = measure(2), uuid4()
        monkeypatch.setenv("BENCHMARK_FILE", environment["BENCHMARK_FILE"])
        (planned,) = read_benchmark_file(Settings.from_env(environment))
        open_barrier(redis, token, terms(planned, Counting()))

        with pytest.raises(ShardError, match="expected a shard from 2 to 2"):
            run_shard("LLM", "chat@c40", slot, str(token), number)
