"""The self-check: the error of the measuring client on a mock server whose times are known."""

from dataclasses import replace

from jobs.schedule import schedule
from jobs.self_check import KNOWN_S
from tests.jobs.system import now_slot, until
from tests.support import query
from webapp.queue.enqueue import enqueue_self_check
from webapp.settings import Settings


def test_it_is_scheduled_only_if_an_interval_is_set(settings, environment):
    with_interval = Settings.from_env({**environment, "SELF_CHECK_INTERVAL": "60"})

    assert "every-self-check" not in {entry.name for entry in schedule(settings)}
    assert {entry.interval for entry in schedule(with_interval) if entry.name == "every-self-check"} == {3600}


def test_a_worker_stores_the_errors_of_every_request(processes, conn, queue, settings, client):
    slot = now_slot()
    enqueue_self_check(queue, replace(settings, self_check_interval=3600), slot)

    processes.worker()

    until(lambda: query(conn, "SELECT FROM self_checks"), 60)
    (check,) = client.get("/api/v1/benchmarks/self-checks").json["checks"]
    found = {error["metric"]: error for error in check["errors"]}
    assert {metric: error["known_s"] for metric, error in found.items()} == KNOWN_S
    assert {metric: error["n"] for metric, error in found.items()} == {
        "ttft": 250,
        "itl": 250 * 49,
        "e2e_latency": 250,
    }
    # Wide bounds, since this machine may be busy; all errors would be zero if nothing was measured.
    for error in found.values():
        assert -0.01 < error["p50_s"] < 1
        assert 0 < error["p99_s"] < 5
