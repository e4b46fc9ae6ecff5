"""Runs, leaderboard, queue and dependencies in /metrics."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_measure.metrics import METRICS
from tests.factories import add_failed_runs, add_run, add_scenario
from tests.measured import measurement
from tests.support import KEY, query
from tests.web import show_run, slot
from tests.webapp.api.shown_runs import finish_run, show
from tests.webapp.monitoring.scraping import scrape, value
from webapp import monitoring
from webapp.monitoring import stored
from webapp.monitoring.stored import GEN_AI_BOUNDS
from webapp.plan.measurement import Task
from webapp.queue.enqueue import enqueue_measurement, enqueue_simulation
from webapp.queue.queues import runs_queue
from webapp.store import llms, runs, self_checks, totals
from webapp.store.self_checks import SelfCheckError

# With this number, the planner prefers an index to a sequential scan, if there is one.
MANY = 20_000


def test_the_documented_metrics_are_those_that_are_served(client, show_next_run):
    show_next_run()
    documented = monitoring.__doc__.partition("Of scheduler and worker")[0]
    names = set(re.findall(r"^    (\w+)[{\s]", documented, re.MULTILINE))
    names |= {f"llm_benchmark_{metric.name}_{metric.unit.suffix}" for metric in METRICS}

    assert set(re.findall(r"^# TYPE (\S+)", client.get("/metrics").text, re.MULTILINE)) == names


class TestRuns:
    def test_are_counted_by_source_and_status_with_their_duration_and_points(
        self, client, show_next_run, conn
    ):
        show_next_run()
        started = datetime.now(UTC) - timedelta(seconds=7)
        with conn:
            for llm in llms.read_all(conn, archived=False):
                add_run(conn, slot(2), llm.name, status="running", started_at=started, job_id="broken")
            runs.fail_job(conn, "broken", "disk full")
        samples = scrape(client)

        finished = {"source": "simulation", "status": "finished"}
        failed = {"source": "simulation", "status": "failed"}
        name = "llm_benchmark_run_duration_seconds"
        assert value(samples, "llm_benchmark_runs_total", **finished) == 3
        assert value(samples, "llm_benchmark_runs_total", **failed) == 3
        assert value(samples, f"{name}_sum", **failed) == pytest.approx(21, abs=2)
        assert value(samples, f"{name}_bucket", le="5.0", **failed) == 0
        assert value(samples, f"{name}_bucket", le="10.0", **failed) == 3
        assert value(samples, f"{name}_count", **failed) == 3
        ((points,),) = query(conn, "SELECT count(*) FROM points")
        assert value(samples, "llm_benchmark_points_inserted_total", source="simulation") == points

    def test_use_the_duration_buckets_of_the_database(self, conn):
        for bound in totals.DURATION_BOUNDS:
            assert query(conn, "SELECT duration_bucket(%s)", bound) == [(bound,)]
        assert query(conn, "SELECT duration_bucket(601)") == [(float("inf"),)]

    def test_have_the_end_of_each_llms_latest_finished_one(self, client, show_next_run, conn):
        show_next_run()
        rows = query(conn, "SELECT name, finished_at FROM runs JOIN llms ON llms.id = llm_id")
        samples = scrape(client)

        assert len(rows) == 3
        for name, finished_at in rows:
            labels = {"source": "simulation", "scenario": "default", "llm": name}
            served = value(samples, "llm_benchmark_last_finished_run_timestamp_seconds", **labels)
            assert served == pytest.approx(finished_at.timestamp(), abs=0.001)

    def test_are_all_counted_when_many_end_concurrently(self, settings, redis, client):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: show_run(settings, redis, number), range(8)))

        labels = {"source": "simulation", "status": "finished"}
        assert value(scrape(client), "llm_benchmark_runs_total", **labels) == 24


class TestMetrics:
    def test_have_the_leaderboards_values(self, client, show_next_run):
        show_next_run()
        response = client.get("/api/v1/benchmarks/leaderboard?window=latest").json
        samples = scrape(client)

        compared = 0
        for metric in response["metrics"]:
            name = f"llm_benchmark_{metric['metric']}_{METRICS[metric['metric']].unit.suffix}"
            for row in metric["llms"]:
                for statistic in ("mean", "p50", "p95", "p99"):
                    labels = {"source": "simulation", "scenario": "default", "llm": row["llm_name"],
                              "window": "latest", "statistic": statistic}  # fmt: skip
                    assert value(samples, name, **labels) == row[statistic]
                    compared += 1
        assert compared == len(METRICS.simulated) * 3 * 4
        assert value(samples, "llm_benchmark_generation") == response["generation"]

    def test_have_their_formula_as_help_text(self, client):
        served = {
            family.name: family.documentation
            for family in text_string_to_metric_families(client.get("/metrics").text)
        }

        for metric in METRICS:
            assert metric.formula in served[f"llm_benchmark_{metric.name}_{metric.unit.suffix}"]

    def test_of_measurements_are_also_served_under_opentelemetrys_names(self, client, conn):
        latencies = [0.015, 0.3, 0.3, 5.0, 200.0]
        finish_run(conn, slot(1), {"GPT-4o": {"ttft": [0.005, 0.7], "e2e_latency": latencies}}, "measurement")
        finish_run(conn, slot(1), {"GPT-4o": {"ttft": [0.1], "e2e_latency": [0.1]}}, "simulation")
        show(conn, slot(1))
        samples = scrape(client)

        labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai",
                  "gen_ai_request_model": "GPT-4o", "scenario": "default"}  # fmt: skip
        name = "gen_ai_client_operation_duration_seconds"
        assert value(samples, f"{name}_count", **labels) == 5
        assert value(samples, f"{name}_sum", **labels) == pytest.approx(sum(latencies))
        for bound in GEN_AI_BOUNDS:
            below = sum(latency <= bound for latency in latencies)
            assert value(samples, f"{name}_bucket", le=str(bound), **labels) == below
        first_chunk = "gen_ai_client_operation_time_to_first_chunk_seconds"
        assert value(samples, f"{first_chunk}_bucket", le="0.01", **labels) == 1
        assert value(samples, f"{first_chunk}_count", **labels) == 2

    @pytest.mark.parametrize(
        ("scenario", "api", "operation"),
        [
            ("chat@c8", "chat", "chat"),
            ("chat@c8-completions", "completions", "text_completion"),
            ("chat@c8-messages", "messages", "chat"),
            ("chat@c8-former", "former", "former"),
        ],
    )
    def test_of_measurements_are_labelled_with_the_operation_of_the_scenarios_api(
        self, client, conn, scenario, api, operation
    ):
        with conn:
            add_scenario(conn, scenario, {"api": api})
        finish_run(conn, slot(1), {"GPT-4o": {"ttft": [0.1]}}, "measurement", scenario)
        show(conn, slot(1))
        samples = scrape(client)

        name = "gen_ai_client_operation_time_to_first_chunk_seconds_count"
        operations = {
            dict(labels)["gen_ai_operation_name"]
            for (sample, labels), _ in samples.items()
            if sample == name and dict(labels)["scenario"] == scenario
        }
        assert operations == {operation}


def test_the_errors_of_the_latest_self_check_are_served(client, conn):
    assert value(scrape(client), "llm_benchmark_self_check_timestamp_seconds") is None
    with conn:
        for number, p99 in ((1, 0.5), (2, 0.002)):
            self_checks.insert(conn, slot(number), [SelfCheckError("ttft", 100, 0.1, -0.0001, p99)])
    samples = scrape(client)

    name = "llm_benchmark_self_check_error_seconds"
    assert value(samples, name, metric="ttft", statistic="p50") == -0.0001
    assert value(samples, name, metric="ttft", statistic="p99") == 0.002
    assert value(samples, "llm_benchmark_self_check_timestamp_seconds") == slot(2).timestamp()


class TestTheQueue:
    def test_is_counted_by_state_with_the_enqueue_time_of_its_oldest_job(self, client, settings, redis):
        assert value(scrape(client), "llm_benchmark_queue_oldest_job_timestamp_seconds", queue="runs") is None
        before = time.time()
        for number in (600, 1200):
            enqueue_simulation(runs_queue(redis), settings, number)
        samples = scrape(client)

        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="queued") == 2
        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="failed") == 0
        oldest = value(samples, "llm_benchmark_queue_oldest_job_timestamp_seconds", queue="runs")
        assert before - 1 < oldest < time.time()

    def test_of_a_region_is_counted_if_it_is_planned_or_has_jobs(self, client, settings, redis):
        planned = [measurement(region="eu")]
        client.application.extensions["plan"] = SimpleNamespace(measurements=lambda: planned)
        enqueue_measurement(runs_queue(redis), settings, 600, Task("chat@@us", (measurement(region="us"),)))
        redis.sadd("rq:queues", "rq:queue:runs-left", "rq:queue:other")
        samples = scrape(client)

        for queue, waiting in (("runs", 0), ("runs-eu", 0), ("runs-us", 1), ("runs-left", None)):
            assert value(samples, "llm_benchmark_queue_jobs", queue=queue, state="queued") == waiting
            assert value(samples, "llm_benchmark_workers", queue=queue) == (None if waiting is None else 0)

    def test_is_not_changed_by_a_scrape(self, client, settings, redis):
        enqueue_simulation(runs_queue(redis), settings, 600)
        before = {key: redis.dump(key) for key in redis.keys("rq:*")}
        scrape(client)

        assert {key: redis.dump(key) for key in redis.keys("rq:*")} == before


class TestWithoutADependency:
    def test_the_metrics_from_postgresql_are_served_without_redis(self, own_client, own_redis):
        own_redis.stop()
        samples = scrape(own_client)

        assert value(samples, "llm_benchmark_dependency_up", dependency="redis") == 0
        assert value(samples, "llm_benchmark_dependency_up", dependency="postgresql") == 1
        assert value(samples, "llm_benchmark_generation") > 0
        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="queued") is None

    def test_the_metrics_from_redis_are_served_without_postgresql(self, make_app):
        client = make_app(postgres_host="/nowhere").test_client()
        client.environ_base["HTTP_X_API_KEY"] = KEY
        samples = scrape(client)

        assert value(samples, "llm_benchmark_dependency_up", dependency="redis") == 1
        assert value(samples, "llm_benchmark_dependency_up", dependency="postgresql") == 0
        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="queued") == 0
        assert value(samples, "llm_benchmark_generation") is None


def test_the_cost_of_a_scrape_does_not_grow_with_history(conn, show_next_run):
    show_next_run()
    with conn, conn.cursor() as cursor:
        add_failed_runs(conn, MANY)
        cursor.execute("ANALYZE runs")
    with conn, conn.cursor() as cursor:
        list(stored.collect(conn))
        cursor.execute("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables")
        read = dict(cursor.fetchall())

    assert read["runs"] == read["rollups"] == 0
    assert not any(number for name, number in read.items() if name.startswith("points"))
