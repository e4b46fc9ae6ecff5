"""GET /metrics, by Prometheus' own parser, and by promtool where there is one."""

import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_measure.metrics import METRICS
from tests.support import KEY, query
from tests.web import RANKINGS, assert_error, serving, show_run, slot, wait_until
from tests.webapp.api.shown_runs import finish_run, show
from webapp.auth import WRONG_KEYS_PER_MINUTE
from webapp.monitoring import stored
from webapp.monitoring.stored import GEN_AI_BOUNDS
from webapp.queue import enqueue_simulation, runs_queue
from webapp.store import self_checks, totals
from webapp.store.self_checks import SelfCheckError

# So many that the planner would rather use an index, if there is one to use.
MANY_RUNS = """
INSERT INTO runs (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at)
SELECT 'simulation', 1, 1, '2020-01-01'::timestamptz + number * interval '1 s', 'failed', 1,
    gen_random_uuid(), 'job', now()
FROM generate_series(1, 20000) AS number
RETURNING 1
"""
BEARER = {"Authorization": f"Bearer {KEY}"}
QUICK_SECONDS = 5


def parse(text):
    """{(name, labels as a frozenset): value} of all samples, of which none may come twice."""
    samples = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert len(dict(samples)) == len(samples)
    return dict(samples)


def scrape(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return parse(answer.text)


def value(samples, name, **labels):
    return samples.get((name, frozenset(labels.items())))


class TestWhoMayRead:
    @pytest.fixture
    def environment(self, without_database):
        return without_database

    def test_needs_a_key(self, stranger):
        response = stranger.get("/metrics")

        assert_error(response, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("headers", [BEARER, {"x-api-key": KEY}, {"Authorization": f"bearer {KEY}"}])
    def test_takes_the_key_as_a_bearer_token_or_in_its_usual_header(self, stranger, headers):
        assert stranger.get("/metrics", headers=headers).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [{"Authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"Authorization": "Basic eDp5"}],
    )
    def test_refuses_any_other(self, stranger, headers):
        assert_error(stranger.get("/metrics", headers=headers), 401)

    def test_slows_down_who_guesses(self, stranger):
        codes = [
            stranger.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code
            for _ in range(WRONG_KEYS_PER_MINUTE + 1)
        ]

        assert codes == [401] * WRONG_KEYS_PER_MINUTE + [429]
        assert stranger.get("/metrics", headers=BEARER).status_code == 200

    def test_is_open_when_it_is_set_so(self, make_app):
        assert make_app(metrics_public=True).test_client().get("/metrics").status_code == 200


class TestRequests:
    def test_are_counted_by_method_route_and_status(self, client, show_next_run):
        show_next_run()
        for path in ("", "", "/ttft", "/tps", "/nosuch"):
            client.get(RANKINGS + path)
        client.get("/nosuch")
        client.put(RANKINGS)
        client.open(RANKINGS, method="BREW")
        samples = scrape(client)

        route = f"{RANKINGS}/<metric_name>"
        name = "llm_benchmark_http_requests_total"
        assert value(samples, name, method="GET", route=RANKINGS, status="200") == 2
        assert value(samples, name, method="GET", route=route, status="200") == 2
        assert value(samples, name, method="GET", route=route, status="404") == 1
        assert value(samples, name, method="other", route="unmatched", status="404") == 1
        assert value(samples, name, method="other", route="unmatched", status="405") == 2

    def test_have_a_histogram_of_their_latency(self, client, show_next_run):
        show_next_run()
        start = time.perf_counter()
        for _ in range(3):
            client.get(RANKINGS)
        took = time.perf_counter() - start
        samples = scrape(client)

        labels = {"method": "GET", "route": RANKINGS}
        name = "llm_benchmark_http_request_duration_seconds"
        assert value(samples, f"{name}_count", **labels) == 3
        assert value(samples, f"{name}_bucket", le="+Inf", **labels) == 3
        assert 0 < value(samples, f"{name}_sum", **labels) < took

    def test_make_no_label_of_what_is_sent(self, client):
        before = len(scrape(client))
        for number in range(30):
            client.get(f"/api/v1/benchmarks/rankings/{number}?a={number}")
            client.get(f"/nosuch/{number}")
            client.open("/healthz", method=f"M{number}")

        assert len(scrape(client)) <= before + 3 * 18 + 4

    def test_tell_hits_of_the_cache_from_misses(self, client, show_next_run):
        show_next_run()
        etag = client.get(RANKINGS).headers["ETag"]
        for _ in range(3):
            client.get(RANKINGS)
        client.get(RANKINGS, headers={"If-None-Match": etag})
        client.get(f"{RANKINGS}/ttft")
        samples = scrape(client)

        assert value(samples, "llm_benchmark_cache_misses_total") == 2
        assert value(samples, "llm_benchmark_cache_hits_total") == 4

    def test_of_all_workers_are_counted_once_each_even_of_those_that_were_replaced(
        self, environment, folder, show_next_run
    ):
        show_next_run()
        options = ("--max-requests", "150", "--max-requests-jitter", "10")
        with serving(environment, folder, *options) as server:
            with ThreadPoolExecutor(8) as pool:
                statuses = Counter(pool.map(lambda _: server.request(RANKINGS).status, range(600)))
            psutil.Process(server.process.pid).children()[0].kill()
            wait_until(lambda: "Booting worker" in server.log.partition("SIGKILL")[2])
            text = server.request("/metrics", headers=BEARER).body.decode()

        assert statuses == {200: 600}
        assert server.log.count("Booting worker") >= 5
        samples = parse(text)
        name = "llm_benchmark_http_requests_total"
        assert value(samples, name, method="GET", route=RANKINGS, status="200") == 600
        hits, misses = (value(samples, f"llm_benchmark_cache_{kind}_total") for kind in ("hits", "misses"))
        assert hits + misses == 600
        count = "llm_benchmark_http_request_duration_seconds_count"
        assert value(samples, count, method="GET", route=RANKINGS) == 600
        check_with_promtool(text)


class TestRuns:
    def test_are_counted_by_source_and_status_with_their_duration_and_points(
        self, client, show_next_run, conn
    ):
        show_next_run()
        show_next_run()
        query(conn, "UPDATE runs SET status = 'running' WHERE slot = %s RETURNING id", slot(2))
        query(
            conn,
            "UPDATE runs SET status = 'failed', points = NULL, started_at = finished_at - interval '7 s'"
            " WHERE slot = %s RETURNING id",
            slot(2),
        )
        samples = scrape(client)

        finished = {"source": "simulation", "status": "finished"}
        failed = {"source": "simulation", "status": "failed"}
        name = "llm_benchmark_run_duration_seconds"
        assert value(samples, "llm_benchmark_runs_total", **finished) == 6
        assert value(samples, "llm_benchmark_runs_total", **failed) == 3
        assert value(samples, f"{name}_sum", **failed) == pytest.approx(21)
        assert value(samples, f"{name}_bucket", le="5.0", **failed) == 0
        assert value(samples, f"{name}_bucket", le="10.0", **failed) == 3
        assert value(samples, f"{name}_count", **failed) == 3
        ((points,),) = query(conn, "SELECT count(*) FROM points")
        assert value(samples, "llm_benchmark_points_inserted_total", source="simulation") == points

    def test_have_the_buckets_that_the_database_counts_in(self, conn):
        for bound in totals.DURATION_BOUNDS:
            assert query(conn, "SELECT duration_bucket(%s)", bound) == [(bound,)]
        assert query(conn, "SELECT duration_bucket(601)") == [(float("inf"),)]

    def test_tell_when_each_llm_was_last_finished(self, client, show_next_run, conn):
        show_next_run()
        rows = query(conn, "SELECT name, finished_at FROM runs JOIN llms ON llms.id = llm_id")
        samples = scrape(client)

        assert len(rows) == 3
        for name, finished_at in rows:
            labels = {"source": "simulation", "scenario": "default", "llm": name}
            shown = value(samples, "llm_benchmark_last_finished_run_timestamp_seconds", **labels)
            assert shown == pytest.approx(finished_at.timestamp(), abs=0.001)

    def test_of_many_at_once_are_all_counted(self, settings, redis, client):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: show_run(settings, redis, number), range(8)))

        labels = {"source": "simulation", "status": "finished"}
        assert value(scrape(client), "llm_benchmark_runs_total", **labels) == 24


class TestFigures:
    def test_are_the_leaderboards_own(self, client, show_next_run):
        show_next_run()
        answer = client.get("/api/v1/benchmarks/leaderboard?window=latest").json
        samples = scrape(client)

        compared = 0
        for metric in answer["metrics"]:
            name = f"llm_benchmark_{metric['metric']}_{UNITS[metric['unit']]}"
            for row in metric["llms"]:
                for statistic in ("mean", "p50", "p95", "p99"):
                    labels = {"source": "simulation", "scenario": "default", "llm": row["llm_name"],
                              "window": "latest", "statistic": statistic}  # fmt: skip
                    assert value(samples, name, **labels) == row[statistic]
                    compared += 1
        assert compared == 4 * 3 * 4
        assert value(samples, "llm_benchmark_generation") == answer["generation"]

    def test_have_a_unit_for_every_metric(self):
        assert {metric.unit for metric in METRICS} <= set(UNITS)

    def test_of_measurements_stand_under_opentelemetrys_names_too(self, client, conn):
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


class TestTheHarness:
    def test_tells_how_far_off_it_was_at_its_newest_self_check(self, client, conn):
        assert value(scrape(client), "llm_benchmark_self_check_timestamp_seconds") is None
        with conn:
            for number, p99 in ((1, 0.5), (2, 0.002)):
                self_checks.insert(conn, slot(number), [SelfCheckError("ttft", 100, 0.1, -0.0001, p99)])
        samples = scrape(client)

        name = "llm_benchmark_self_check_error_seconds"
        assert value(samples, name, metric="ttft", statistic="p50") == -0.0001
        assert value(samples, name, metric="ttft", statistic="p99") == 0.002
        shown = value(samples, "llm_benchmark_self_check_timestamp_seconds")
        assert shown == slot(2).timestamp()


class TestTheQueue:
    def test_is_told_by_state_with_its_oldest_job(self, client, settings, redis):
        assert value(scrape(client), "llm_benchmark_queue_oldest_job_timestamp_seconds", queue="runs") is None
        before = time.time()
        for number in (600, 1200):
            enqueue_simulation(runs_queue(redis), settings, number)
        samples = scrape(client)

        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="queued") == 2
        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="failed") == 0
        oldest = value(samples, "llm_benchmark_queue_oldest_job_timestamp_seconds", queue="runs")
        assert before - 1 < oldest < time.time()

    def test_is_not_changed_by_looking(self, client, settings, redis):
        enqueue_simulation(runs_queue(redis), settings, 600)
        before = {key: redis.dump(key) for key in redis.keys("rq:*")}
        scrape(client)

        assert {key: redis.dump(key) for key in redis.keys("rq:*")} == before


class TestWithoutADependency:
    def test_tells_what_postgresql_knows_while_redis_is_away(self, own_client, own_redis):
        own_redis.stop()
        samples = scrape(own_client)

        assert value(samples, "llm_benchmark_dependency_up", dependency="redis") == 0
        assert value(samples, "llm_benchmark_dependency_up", dependency="postgresql") == 1
        assert value(samples, "llm_benchmark_generation") > 0
        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="queued") is None

    def test_tells_what_redis_knows_while_postgresql_is_away(self, make_app):
        client = make_app(postgres_host="/nowhere").test_client()
        client.environ_base["HTTP_X_API_KEY"] = KEY
        start = time.monotonic()
        samples = scrape(client)

        assert time.monotonic() - start < QUICK_SECONDS
        assert value(samples, "llm_benchmark_dependency_up", dependency="redis") == 1
        assert value(samples, "llm_benchmark_dependency_up", dependency="postgresql") == 0
        assert value(samples, "llm_benchmark_queue_jobs", queue="runs", state="queued") == 0
        assert value(samples, "llm_benchmark_generation") is None


def test_the_cost_of_a_scrape_does_not_follow_the_history(conn, show_next_run):
    show_next_run()
    query(conn, MANY_RUNS)
    with conn, conn.cursor() as cursor:
        cursor.execute("ANALYZE runs")
    with conn, conn.cursor() as cursor:
        list(stored.collect(conn))
        cursor.execute("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables")
        read = dict(cursor.fetchall())

    assert read["runs"] == read["rollups"] == 0
    assert not any(number for name, number in read.items() if name.startswith("points"))


def check_with_promtool(text):
    """Where Prometheus is installed; elsewhere its Python parser has checked the text."""
    promtool = shutil.which("promtool")
    if promtool:
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
