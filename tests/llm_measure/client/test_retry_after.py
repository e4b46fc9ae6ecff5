"""Pauses that an endpoint asks for with Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from llm_measure.client.level import measure_level
from llm_measure.client.retry_after import asked_wait_s
from llm_measure.endpoints import Endpoint
from llm_measure.records import SECOND_NS
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import STREAM
from tests.llm_measure.scripted import ScriptedServer, whole
from tests.llm_measure.streams import exchange

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("2", 2),
        (" 1.5 ", 1.5),
        ("3600", 60),
        ("9" * 500, 60),
        (format_datetime(NOW + timedelta(seconds=7), usegmt=True), 7),
        ("Thu, 26 Nov 2026 12:00:07 -0000", 7),
        ("Thursday, 26-Nov-26 12:00:07 GMT", 7),
        (format_datetime(NOW + timedelta(days=7)), 60),
        (format_datetime(NOW - timedelta(seconds=7)), 0),
        *((odd, None) for odd in ("", "soon", "-5", "1e3", "٣", "Thu, 99 Nov 2026 12:00:07 GMT")),
    ],
)
def test_a_header_asks_for_seconds_or_a_date(header, seconds):
    asked = exchange([], [])
    asked.status, asked.retry_after = 429, header.encode()

    assert asked_wait_s(asked, NOW) == seconds


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [("0", 0), ("1250", 1.25), (" 20.5 ", 0.0205), ("900000", 60), ("soon", 2), ("-5", 2), ("", 2)],
)
def test_milliseconds_as_azure_sends_them_come_first(milliseconds, seconds):
    asked = exchange([], [])
    asked.status, asked.retry_after, asked.retry_after_ms = 429, b"2", milliseconds.encode()

    assert asked_wait_s(asked, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "seconds"), [(503, 2), (529, 2), (200, None), (500, None), (301, None), (None, None)]
)
def test_only_a_429_a_503_or_a_529_asks_to_wait(status, seconds):
    asked = exchange([], [])
    asked.status, asked.retry_after = status, b"2"

    assert asked_wait_s(asked, NOW) == seconds


class LimitingServer(ScriptedServer):
    """Refuses the first requests, a number of them, with a Retry-After."""

    def __init__(self, refused: int, retry_after: str, status: str = "429 Too Many Requests"):
        self._refused = refused
        self._refusal = whole(b"{}", status, "application/json", f"Retry-After: {retry_after}")
        super().__init__([0.01, whole(STREAM)], keep=True, tls=None)

    def _take(self, steps, connection):
        refused, self._refused = self._refused > 0, self._refused - 1
        super()._take([self._refusal] if refused else steps, connection)


@pytest.fixture
def limiting():
    servers = []

    def start(*arguments) -> str:
        servers.append(LimitingServer(*arguments))
        return servers[-1].url

    yield start
    for server in servers:
        server.close()


def measured(url: str, **load):
    return measure_level(Endpoint(url, "m"), Workload(), Load(**load))


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("0.4", "429 Too Many Requests"),
        ("0.4", "503 Service Unavailable"),
        ("9\r\nretry-after-ms: 400", "429 Too Many Requests"),
    ],
)
def test_a_stream_waits_for_as_long_as_it_is_asked_to_and_the_level_counts_it(limiting, header, status):
    result = measured(limiting(1, header, status), concurrency=1, requests=3)

    refused, then, last = result.records
    assert (refused.error is None, then.error, last.error) == (False, None, None)
    assert 0.39 <= (then.sent_ns - refused.end_ns) / SECOND_NS < 2
    assert (refused.pause_ns / SECOND_NS, then.pause_ns) == (pytest.approx(0.4, abs=0.3), None)
    assert result.retry_after.requests == 1
    assert result.retry_after.waited_s == refused.pause_ns / SECOND_NS


def test_a_level_does_not_outlast_its_duration_for_a_pause(limiting):
    result = measured(limiting(1, "30"), concurrency=1, duration_s=0.5)

    assert len(result.records) == 1
    assert result.retry_after.requests == 1
    assert 0.4 < result.retry_after.waited_s < 5


def test_a_level_does_not_outlast_its_requests_for_a_pause(limiting):
    result = measured(limiting(1, "30"), concurrency=2, requests=6)

    assert [record.error for record in result.records].count(None) == 5
    assert result.retry_after.waited_s < 5


def test_stopping_does_not_wait_for_a_pause(limiting):
    class Stop:
        refused = False

        def watch(self, progress):
            self.refused = progress.failed > 0

        def is_set(self):
            return self.refused

    stop = Stop()
    result = measure_level(
        Endpoint(limiting(9, "30"), "m"), Workload(), Load(concurrency=1, requests=9),
        on_progress=stop.watch, stop=stop,
    )  # fmt: skip

    assert result.duration_s < 5
    assert result.retry_after.waited_s < 5


def test_a_rate_counts_the_requests_and_does_not_wait(limiting):
    result = measured(limiting(2, "30"), rate=50, requests=6)

    assert (result.retry_after.requests, result.retry_after.waited_s) == (2, 0)
    assert result.duration_s < 5


def test_a_failure_that_asks_for_no_pause_is_not_counted(limiting):
    result = measured(limiting(1, "soon"), concurrency=1, requests=2)

    assert (result.retry_after.requests, result.records[0].pause_ns) == (0, None)
