"""HTTP requests in /metrics."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.web import RANKINGS, serving, wait_until
from tests.webapp.monitoring.scraping import BEARER, check_with_promtool, parse, scrape, value


def test_requests_are_counted_by_method_route_and_status(client, show_next_run):
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


def test_request_durations_are_a_histogram(client, show_next_run):
    show_next_run()
    start = time.perf_counter()
    for _ in range(3):
        client.get(RANKINGS)
    elapsed = time.perf_counter() - start
    samples = scrape(client)

    labels = {"method": "GET", "route": RANKINGS}
    name = "llm_benchmark_http_request_duration_seconds"
    assert value(samples, f"{name}_count", **labels) == 3
    assert value(samples, f"{name}_bucket", le="+Inf", **labels) == 3
    assert 0 < value(samples, f"{name}_sum", **labels) < elapsed


def test_what_clients_send_does_not_become_a_label(client):
    before = len(scrape(client))
    for number in range(30):
        client.get(f"{RANKINGS}/{number}?a={number}")
        client.get(f"/nosuch/{number}")
        client.open("/healthz", method=f"M{number}")

    assert len(scrape(client)) <= before + 3 * 18 + 4


def test_cache_hits_and_misses_are_counted(client, show_next_run):
    show_next_run()
    etag = client.get(RANKINGS).headers["ETag"]
    for _ in range(3):
        client.get(RANKINGS)
    client.get(RANKINGS, headers={"If-None-Match": etag})
    client.get(f"{RANKINGS}/ttft")
    samples = scrape(client)

    assert value(samples, "llm_benchmark_cache_misses_total") == 2
    assert value(samples, "llm_benchmark_cache_hits_total") == 4


def test_counts_cover_all_workers_including_replaced_ones(environment, folder, show_next_run):
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
