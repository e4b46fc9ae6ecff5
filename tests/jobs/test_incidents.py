"""From measured endpoints to incidents and their messages: mock servers, real workers and a webhook."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import psutil
import pytest

from llm_measure.results import LevelResult
from tests.jobs.system import Blocker, Process, someone_waits_for_a_lock, until
from tests.jobs.test_scheduled_measurements import WORKER
from tests.measured import SECOND, answered, level, store_level
from tests.receiver import receiving
from tests.support import query
from webapp.ingest.publish import publish
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Measurement, tasks
from webapp.queue.enqueue import enqueue_delivery, enqueue_measurement
from webapp.settings import Settings
from webapp.store import Connection, incidents

TTFT, ITL, TOKENS = 0.1, 0.05, 2
SLOWER = {"ttft": 1.3 * TTFT, "itl": 1.3 * ITL}
SCENARIOS = {"chat@c5", "chat@c10"}
WORKLOAD = f"concurrency: [5, 10], output_tokens: {TOKENS}, requests: 10, warmup: 0, timeout: 5, interval: 1"
RULES = "notify:\n  - {target: HOOK_URL, secret_env: HOOK_KEY}\n"
# A busy machine delays what it measures, but seldom by a fifth in several runs one after another. Nothing is
# retried but what a test enqueues.
CALM = {"WATCH_MIN_CHANGE": "0.2", "MAX_RETRIES": "0"}
PAST = 40  # slots before those of a test, a minute apart


class Schedule:
    """Enqueues measurements of past slots, so that nobody waits for an interval."""

    def __init__(self, conn, redis, queue, settings: Settings):
        self._conn, self._redis, self._queue, self._settings = conn, redis, queue, settings
        self._tasks = tasks(read_benchmark_file(settings))
        self.slot = int(time.time()) // 60 * 60 - 100 * 60

    def remember(self) -> None:
        """Store and publish runs of the mock servers' times, which vary by 3 % from run to run."""
        noise = np.random.default_rng(20)
        for _ in range(PAST):
            moment = datetime.fromtimestamp(self.slot, UTC)
            for what in (what for task in self._tasks for what in task.levels):
                ttft, itl = (TTFT, ITL) * noise.normal(1, 0.03, 2)
                store_level(self._conn, self._settings, self._redis, moment, what, result(what, ttft, itl))
            self.slot += 60
        publish(self._conn, self._settings, self._redis)

    def measure(self) -> None:
        """Measure the next slot, and wait until it is published."""
        for task in self._tasks:
            enqueue_measurement(self._queue, self._settings, self.slot, task)
        until(self._has_been_published, 60)
        self.slot += 60

    def measure_until(self, condition: Callable[[], bool], most: int = 12) -> None:
        """Measure slot after slot, until the condition holds."""
        for _ in range(most):
            self.measure()
            if condition():
                return
        raise AssertionError(f"not within {most} slots: {condition.__name__}")

    def send_all(self, found: "Incidents") -> None:
        """Have every message sent, without waiting for the time of its next attempt."""
        while unsent := found.unsent():
            query(self._conn, "UPDATE messages SET due_at = now() WHERE sent_at IS NULL RETURNING id")
            enqueue_delivery(self._queue, self._settings, time.time_ns() // 10_000_000)
            until(lambda before=unsent: found.unsent() != before)
        until(self._has_no_jobs)

    def _has_no_jobs(self) -> bool:
        """Whether no job waits or runs."""
        return not self._queue.count and not self._queue.started_job_registry.count

    def _has_been_published(self) -> bool:
        """Whether every run of the slot has."""
        statement = "SELECT FROM runs WHERE slot = to_timestamp(%s) AND generation IS NOT NULL"
        return len(query(self._conn, statement, self.slot)) == sum(len(task.levels) for task in self._tasks)


def result(what: Measurement, ttft: float, itl: float) -> LevelResult:
    """A level of a mock server with these times, whose streams ask in step."""
    each = round((ttft + (TOKENS - 1) * itl) * SECOND)
    records = [
        replace(answered(0, ttft, itl, TOKENS), index=index, cached_tokens=None, reasoning_tokens=None).since(
            -(index // what.load.concurrency) * each
        )
        for index in range(what.load.requests)
    ]
    lasted = records[-1].end_ns - records[0].intended_ns
    return replace(level(records), load=what.load, duration_s=lasted / SECOND)


class Incidents:
    """The one incident that there may be, and its messages."""

    def __init__(self, conn: Connection):
        self._conn = conn

    def newest(self) -> incidents.Incident | None:
        found = incidents.read(self._conn)
        self._conn.rollback()
        assert len(found) <= 1
        return found[0] if found else None

    def both_scenarios_have_changed(self) -> bool:
        incident = self.newest()
        return incident is not None and {each.scenario for each in incident.signals} == SCENARIOS

    def is_critical(self) -> bool:
        return self.newest().severity == "critical"

    def is_resolved(self) -> bool:
        return self.newest().status == "resolved"

    def unsent(self) -> list[tuple]:
        """The events without messages, and the messages that are still to be sent."""
        return query(
            self._conn,
            "SELECT incident_id, number FROM incident_events WHERE NOT routed"
            " UNION ALL SELECT id, attempts FROM messages WHERE sent_at IS NULL",
        )

    def someone_stores_a_message(self) -> bool:
        """Whether a job has reached the lock that keeps it from that."""
        return someone_waits_for_a_lock(self._conn)


@pytest.mark.moments
@pytest.mark.timeout(300)
def test_a_server_that_slows_down_fails_and_recovers_is_one_incident_whose_states_are_received_once(
    conn, environment, processes, queue, redis, mock_servers, declare_llms
):
    slow, steady = (mock_servers.start(ttft=TTFT, itl=ITL, control=True) for _ in range(2))
    declare_llms({"Slow": slow, "Steady": steady}, WORKLOAD, RULES)
    found = Incidents(conn)
    with receiving() as hook:
        environment |= {"HOOK_URL": hook.url, "HOOK_KEY": "a-key-that-signs", **CALM}
        settings = Settings.from_env(environment)
        schedule = Schedule(conn, redis, queue, settings)
        schedule.remember()
        workers = [processes.start(*WORKER) for _ in range(2)]
        schedule.measure()
        assert found.newest() is None

        began, hook.statuses = schedule.slot, [500, 500]
        mock_servers.change(slow, **SLOWER)
        schedule.measure_until(found.both_scenarios_have_changed)
        assert_is_change_of(found.newest(), slow, began)
        schedule.send_all(found)

        mock_servers.change(slow, error_rate=1)
        schedule.measure()
        assert not found.is_critical()
        schedule.send_all(found)
        with Blocker(settings, "LOCK TABLE messages IN SHARE MODE"):
            schedule.measure()
            assert found.is_critical()
            until(found.someone_stores_a_message)
            for worker in workers:
                kill(worker)
        assert found.unsent()
        processes.start(*WORKER)
        processes.start(*WORKER)
        schedule.send_all(found)

        mock_servers.restore(slow)
        schedule.measure_until(found.is_resolved)
        schedule.send_all(found)

    incident = found.newest()
    assert (incident.resolution, incident.severity, incident.reopened) == ("recovered", "critical", 0)
    assert {each.kind for each in incident.signals} == {"change", "down"}
    assert incident.llm_names == ["Slow"]
    events = incidents.events(conn, incident.id)
    kinds = [event.kind for event in events]
    assert (kinds[0], {*kinds[1:-1]}, kinds[-1]) == ("opened", {"updated"}, "resolved")
    assert len(kinds) <= 4  # a busy machine may raise the change to a major one before the LLM is down
    first, *others = [f"incident-{incident.id}-{event.number}" for event in events]
    assert hook.keys == [first, first, first, *others]


def assert_is_change_of(incident: incidents.Incident, url: str, began: int) -> None:
    """Assert that the incident groups changes of that server, from about that slot on."""
    assert incident.subject == url.removeprefix("http://").removesuffix("/v1")
    assert incident.severity != "critical"
    assert incident.started_at.timestamp() == pytest.approx(began, abs=2 * 60)
    assert {(each.kind, each.llm_name) for each in incident.signals} == {("change", "Slow")}


def kill(worker: Process) -> None:
    """Kill a worker, and the process in which it runs a job."""
    children = psutil.Process(worker.pid).children(recursive=True)
    os.killpg(worker.pid, signal.SIGKILL)
    for child in children:
        child.kill()
