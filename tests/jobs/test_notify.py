"""The jobs of notifications: nothing is lost with a worker, and nothing is sent twice to a reader."""

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.measurement_run import fill_slot
from jobs.notify import DeliveryError, ring, ringing, run_delivery, run_digest
from jobs.schedule import schedule
from jobs.simulation_run import run_simulation
from tests.jobs.system import now_slot, until
from tests.measured import measurement
from tests.support import query
from webapp.plan.rules import Rule
from webapp.plan.shared import PLAN
from webapp.queue.enqueue import enqueue_delivery
from webapp.redis import cache_redis
from webapp.settings import Settings

FILE = "notify: [{ target: HOOK, secret_env: HOOK_KEY }]\n"


@pytest.fixture
def file(environment, tmp_path):
    """The benchmark file of the test's processes, with one rule."""
    path = tmp_path / "benchmark.yml"
    path.write_text(FILE)
    environment["BENCHMARK_FILE"] = str(path)
    return path


@pytest.fixture
def own(file, hook, own_environment):
    """The settings of jobs that run in the tests' process, with a target."""
    return Settings.from_env()


@pytest.fixture
def news(store_event):
    """An incident that has just opened, the message about which nobody has stored: its worker was killed."""
    store_event(7, 1, "opened", datetime.now(UTC))


def deliveries(queue) -> list[str]:
    return [job_id for job_id in queue.job_ids if job_id.startswith("delivery-")]


def test_the_next_delivery_sends_what_a_killed_worker_has_left(own, news, hook):
    run_delivery(0)
    run_delivery(60)

    assert hook.keys == ["incident-7-1"]


def test_a_failure_fails_the_job_and_the_message_is_sent_when_its_pause_is_over(own, news, hook, conn):
    hook.statuses[:] = [500]
    with pytest.raises(DeliveryError, match="1 of 1 targets failed: HOOK: responded with status 500"):
        run_delivery(0)
    run_delivery(60)
    assert hook.keys == ["incident-7-1"]

    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE messages SET due_at = now()")
    run_delivery(120)
    assert hook.keys == ["incident-7-1"] * 2
    assert query(conn, "SELECT attempts, error, sent_at IS NULL FROM messages") == [(2, None, False)]


def test_a_message_is_sent_again_with_its_key_after_its_worker_was_killed(
    processes, own, hook, news, queue, conn
):
    hook.may_answer.clear()
    enqueue_delivery(queue, own, 1)
    worker = processes.worker()
    horse = processes.work_horse(worker)
    until(lambda: hook.requests)
    os.kill(worker.pid, signal.SIGKILL)
    horse.kill()
    hook.may_answer.set()
    until(lambda: not query(conn, "SELECT FROM pg_locks WHERE relation = 'messages'::regclass"))
    assert query(conn, "SELECT sent_at, attempts FROM messages") == [(None, 0)]

    run_delivery(2)

    assert hook.keys == ["incident-7-1"] * 2
    assert query(conn, "SELECT attempts FROM messages WHERE sent_at IS NOT NULL") == [(1,)]


def test_news_ring_for_their_delivery_before_all_that_waits(own, redis, queue, slot, store_event):
    ring(own, redis)
    assert deliveries(queue) == []

    store_event(7, 1, "opened")
    ring(own, redis)
    ring(own, redis)

    assert 1 <= len(deliveries(queue)) <= 2  # one in each second
    assert queue.job_ids[-1] == f"simulation-{slot}"


def test_a_message_rings_when_it_is_due(own, redis, queue, conn):
    insert = (
        "INSERT INTO messages (target, key, body, created_at, due_at)"
        " VALUES ('HOOK', %s, '{}', now(), now() + %s) RETURNING id"
    )
    query(conn, insert, "later", timedelta(minutes=1))
    ring(own, redis)
    assert deliveries(queue) == []

    query(conn, insert, "now", timedelta(seconds=-1))
    ring(own, redis)
    assert deliveries(queue)


def test_a_run_rings_whether_it_ends_well_or_not(own, news, redis, queue, conn):
    run_simulation(now_slot())
    assert deliveries(queue)

    queue.empty()
    with pytest.raises(ValueError, match="wrong"), ringing(own, redis):
        raise ValueError("wrong")
    assert deliveries(queue)


def test_a_measurement_rings(own, news, redis, queue):
    with pytest.raises(Exception, match="requests failed"):
        fill_slot(own, redis, measurement(), now_slot(), "job")

    assert deliveries(queue)


def test_ringing_never_fails_a_run(own, news, redis, caplog):
    ring(own, cache_redis(replace(own, redis_host="/nowhere")))
    ring(replace(own, postgres_host="/nowhere"), redis)

    assert caplog.text.count("delivery of messages: left to the next minute's job: ") == 2


def test_a_worker_whose_file_is_older_than_the_plan_leaves_messages_to_others(own, news, hook, redis, conn):
    redis.set(PLAN, FILE.replace("HOOK,", "NEWER,"))

    with pytest.raises(DeliveryError, match="has not yet reached this machine's benchmark file"):
        run_delivery(0)

    assert not hook.requests
    assert query(conn, "SELECT routed FROM incident_events") == [(False,)]


def test_a_worker_without_the_file_leaves_messages_to_others(own, news, hook, monkeypatch, conn):
    monkeypatch.setenv("BENCHMARK_FILE", "")

    with pytest.raises(DeliveryError, match="BENCHMARK_FILE: not set"):
        run_delivery(0)

    assert not hook.requests
    assert query(conn, "SELECT routed FROM incident_events") == [(False,)]


def test_a_digest_is_sent_once(own, file, hook, redis, queue):
    hour = datetime.now(UTC).hour
    file.write_text(
        f"notify: [{{ target: HOOK, secret_env: HOOK_KEY, digest: daily, digest_hour: {hour} }}]\n"
    )
    run_digest(0)
    run_digest(3600)
    assert deliveries(queue)

    run_delivery(0)
    run_delivery(60)

    (request,) = hook.requests
    assert (request.key, request.json["event"]) == (f"digest-{datetime.now(UTC):%Y-%m-%d}", "digest")
    assert request.json["digest"]["period"] == "daily"


def test_entries_exist_as_long_as_there_are_rules(settings):
    def names(*rules: Rule) -> set[str]:
        return {entry.name for entry in schedule(settings, rules=rules)} & {"every-delivery", "every-digest"}

    assert names() == set()
    assert names(Rule("A")) == {"every-delivery"}
    assert names(Rule("A"), Rule("B", digest="weekly")) == {"every-delivery", "every-digest"}


def test_the_scheduler_enqueues_deliveries_where_the_file_has_rules(processes, file, queue):
    processes.scheduler()

    until(lambda: deliveries(queue))
