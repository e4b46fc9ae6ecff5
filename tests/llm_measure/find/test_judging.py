import numpy as np
import pytest

from llm_measure.find.judging import Errors, attained, growth
from llm_measure.find.objectives import Values, targets
from llm_measure.workloads import Load
from tests.llm_measure.find.queues import Queue

ERRORS = Errors(0.0125, 0.0125)
(TTFT,) = targets({"ttft:p95": 1.0})
(ITL,) = targets({"itl:p95": 1.0})


def independent(share: float, n: int, seed: int = 1) -> list[Values]:
    values = np.where(np.random.default_rng(seed).random(n) < share, 2.0, 0.5)
    return [Values(values, np.ones(n, dtype=np.int64))]


def test_a_share_clearly_on_one_side_decides_and_a_close_one_does_not():
    verdicts = [attained(TTFT, independent(share, 1000), ERRORS).verdict for share in (0.01, 0.05, 0.15)]

    assert verdicts == ["met", "undecided", "missed"]


def test_too_few_values_decide_nothing():
    found = attained(TTFT, independent(0.0, 50), ERRORS)

    assert (found.verdict, found.high) == ("undecided", None)


def test_independent_values_are_wrongly_met_or_missed_as_seldom_as_was_asked():
    verdicts = [attained(TTFT, independent(0.05, 600, seed), ERRORS).verdict for seed in range(400)]

    assert verdicts.count("met") <= 12
    assert verdicts.count("missed") <= 12


def test_a_run_of_equal_values_counts_as_few():
    series = np.repeat(np.where(np.random.default_rng(1).random(100) < 0.05, 2.0, 0.5), 50)
    found = attained(TTFT, [Values(series, np.ones(5000, dtype=np.int64))], ERRORS)

    assert 50 < found.effective < 250
    assert found.verdict == "undecided"


def test_the_gaps_of_a_response_that_are_alike_count_as_few():
    slow = np.random.default_rng(1).random(200) < 0.1
    values = np.repeat(np.where(slow, 2.0, 0.5), 50)
    found = attained(ITL, [Values(values, np.full(200, 50))], ERRORS)

    assert found.effective < 400  # of 10,000 gaps


def test_failed_requests_are_a_share_with_its_bounds():
    (errors,) = targets({"error_rate": 0.05})
    failed = np.where(np.arange(1000) % 100 == 0, np.inf, 0.0)

    found = attained(errors, [Values(failed, np.ones(1000, dtype=np.int64))], ERRORS)

    assert found.value == pytest.approx(0.01)
    assert found.low < 0.01 < found.high < 0.05
    assert found.verdict == "met"


@pytest.mark.parametrize(("rate", "verdict"), [(100.0, "met"), (400.0, "missed")])
def test_latency_grows_above_saturation_and_not_below(rate, verdict):
    result = Queue(1, 16, 0.08)(Load(rate=rate, requests=2000, warmup=300))

    assert growth(result.records[300:], ERRORS).verdict == verdict
