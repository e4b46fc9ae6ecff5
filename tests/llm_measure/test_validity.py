import pytest

from llm_measure.results import SendLag
from llm_measure.validity import why_invalid
from llm_measure.workloads import Load
from tests.measured import SECOND, answered, failed

ON_TIME = SendLag(p50=0.1, p99=1.0, max=5.0)


def in_a_row(n: int, streams: int = 1, pause_s: float = 0.0):
    """Requests of a second each, by several streams, with pauses in between."""
    records = []
    for number in range(n):
        record = answered(number)
        record.intended_ns = record.sent_ns = round((number // streams) * (1 + pause_s) * SECOND)
        record.end_ns = record.sent_ns + SECOND
        records.append(record)
    return records


def test_a_level_whose_load_was_held_is_valid():
    assert why_invalid(Load(concurrency=4, requests=40), in_a_row(40, 4), ON_TIME, 0.3) is None
    assert why_invalid(Load(rate=1, requests=40), in_a_row(40), ON_TIME, 0.3) is None


@pytest.mark.parametrize(
    ("load", "records", "lag", "busiest", "word"),
    [
        (Load(concurrency=1, requests=9), [], ON_TIME, 0.1, "no request"),
        (Load(concurrency=1, requests=9), [failed(0, "cancelled")], ON_TIME, 0.1, "no request"),
        (Load(concurrency=1, requests=9), [answered(0, warmup=True)], ON_TIME, 0.1, "no request"),
        (Load(concurrency=1, requests=9), in_a_row(9), ON_TIME, 0.95, "95% of a processor"),
        (Load(concurrency=1, requests=9), in_a_row(9), SendLag(1, 50, 60), 0.1, "50 ms late"),
        (Load(concurrency=8, requests=4), in_a_row(4, 8), ON_TIME, 0.1, "never reached by 4"),
        (Load(concurrency=4, requests=40), in_a_row(40, 4, pause_s=0.5), ON_TIME, 0.1, "not held: 2.7"),
    ],
)
def test_a_level_that_is_not_valid_has_a_reason(load, records, lag, busiest, word):
    assert word in why_invalid(load, records, lag, busiest)


def test_a_rate_that_was_not_held_is_not_valid():
    records = in_a_row(40)
    for record in records:
        record.sent_ns *= 2

    assert "was not held: it was 50%" in why_invalid(Load(rate=1, requests=40), records, ON_TIME, 0.1)


def test_pauses_after_failures_do_not_make_a_level_invalid():
    records = in_a_row(40, 4, pause_s=0.5)
    assert why_invalid(Load(concurrency=4, requests=40), records, ON_TIME, 0.1)

    for record in records:
        record.error = "http_5xx"
    assert why_invalid(Load(concurrency=4, requests=40), records, ON_TIME, 0.1) is None
