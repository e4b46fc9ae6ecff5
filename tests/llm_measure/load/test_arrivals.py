import numpy as np
import pytest
from scipy import stats

from bench.traces import FOLDER
from llm_measure.load.arrivals import SECOND_NS, starts
from llm_measure.load.traces import trace_of
from llm_measure.workloads import Load, Workload


@pytest.mark.parametrize("rate", [0.5, 20, 3000])
def test_gaps_of_poisson_arrivals_are_exponential(rate):
    gaps = np.diff(starts(Load(rate=rate, requests=20_000), seed=11)) / SECOND_NS

    assert stats.kstest(gaps, "expon", args=(0, 1 / rate)).pvalue > 0.01


def test_gaps_of_constant_arrivals_are_equal():
    gaps = np.diff(starts(Load(rate=20, requests=20_000, arrival="constant"), seed=11)) / SECOND_NS

    assert stats.kstest(gaps, "expon", args=(0, 1 / 20)).pvalue < 1e-9
    np.testing.assert_allclose(gaps, 0.05)


def test_the_seed_decides_the_arrivals():
    load = Load(rate=5, requests=100)

    np.testing.assert_array_equal(starts(load, 1), starts(load, 1))
    assert not np.array_equal(starts(load, 1), starts(load, 2))


def test_requests_are_added_to_the_warm_up_and_begin_immediately():
    plan = starts(Load(rate=5, requests=100, warmup=7), 1)

    assert len(plan) == 107
    assert plan[0] == 0
    assert np.all(np.diff(plan) >= 0)


@pytest.mark.parametrize("arrival", ["poisson", "constant"])
@pytest.mark.parametrize("seed", range(5))
def test_requests_at_a_rate_take_their_number_over_the_rate(arrival, seed):
    plan = starts(Load(rate=2, requests=24, warmup=6, arrival=arrival), seed) / SECOND_NS

    assert plan[6] == pytest.approx(6 / 2)  # the warm-up
    assert plan[-1] - plan[6] == pytest.approx(23 / 2)  # and a mean gap after the last one


def test_moments_of_poisson_arrivals_are_uniform_between_the_first_and_the_last():
    plans = [starts(Load(rate=2, requests=24), seed)[1:-1] / SECOND_NS for seed in range(500)]

    assert stats.kstest(np.concatenate(plans), "uniform", args=(0, 23 / 2)).pvalue > 0.01


@pytest.mark.parametrize("arrival", ["poisson", "constant"])
def test_a_duration_means_as_many_requests_as_the_rate_gives(arrival):
    plan = starts(Load(rate=100, duration_s=10, warmup=50, arrival=arrival), 3)

    assert len(plan) == 50 + 1000
    assert plan[-1] < plan[50] + 10 * SECOND_NS
    assert len(starts(Load(rate=0.1, duration_s=1, arrival=arrival), 3)) == 1


def test_streams_of_a_closed_loop_begin_one_after_another():
    plan = starts(Load(concurrency=100, requests=1000), 1)

    assert len(plan) == 100
    assert np.all(np.diff(plan) > 0)
    assert plan[-1] <= SECOND_NS
    assert starts(Load(concurrency=100_000, requests=1), 1)[-1] <= SECOND_NS


@pytest.mark.parametrize("requests", [None, 20, 1000])
def test_a_trace_begins_with_its_first_request_and_keeps_its_gaps_at_its_speed(requests):
    trace = trace_of(Workload(trace=str(FOLDER / "mooncake.jsonl"), trace_window=(3, 8)))

    plan = starts(Load(speed=2.5, requests=requests), 1, trace)

    assert plan[0] == 0
    np.testing.assert_allclose(plan, trace.moments_ns[:requests] / 2.5, atol=1)
