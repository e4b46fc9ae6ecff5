import math
import re

import numpy as np
import pytest
from scipy import stats

from llm_measure.mock_server.behaviour import Behaviour, FaultInjector, ServiceQueue


def test_faults_have_their_rates_and_follow_the_seed():
    faulty = Behaviour(error_rate=0.1, rate_limit_rate=0.2, stall_rate=0.05, truncate_rate=0.3, seed=9)
    first, second = (
        [injector.fate() for _ in range(4000)] for injector in (FaultInjector(faulty), FaultInjector(faulty))
    )

    assert first == second
    rates = {fate: first.count(fate) / 4000 for fate in set(first)}
    expected = {"error": 0.1, "rate_limit": 0.2, "stall": 0.05, "truncate": 0.3, "answer": 0.35}
    assert rates == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ttft": -1}, "ttft=-1"),
        ({"itl_std": math.nan}, "itl_std=nan"),
        ({"error_rate": 1.5}, "error_rate=1.5"),
        ({"error_rate": 0.6, "stall_rate": 0.6}, "must not exceed 1 together"),
        ({"chunk_tokens": [1, 0]}, "chunk_tokens=[1, 0]"),
        ({"chunk_tokens": []}, "chunk_tokens=[]"),
        ({"chunk_tokens": [2], "split_tokens": True}, "chunk_tokens=[2]: must be 1 with split_tokens"),
        ({"buffer_chunks": 0}, "buffer_chunks=0: must be from 1 to"),
        ({"cached_tokens": -1}, "cached_tokens=-1"),
        ({"template_tokens": -1}, "template_tokens=-1"),
        ({"tokens_per_word": 0}, "tokens_per_word=0"),
        ({"hold_open": -0.1}, "hold_open=-0.1"),
        ({"output_tokens": -1}, "output_tokens=-1"),
        ({"reasoning_tokens": -1}, "reasoning_tokens=-1"),
        *(
            ({name: value}, f"{name}={value}: must be from 0 to {most}")
            for name, most in {
                "service_cv": "10",
                "invalid_answers": "1",
                "slowdown_per_stream": "1,000",
            }.items()
            for value in (-0.5, math.inf, math.nan)
        ),
        ({"service_cv": 1e-160}, "service_cv=1e-160: must be 0, or at least 0.001"),
        *(
            ({"servers": number}, f"servers={number}: must be from 1 to 100,000")
            for number in (0, -1, 10**30)
        ),
    ],
)
def test_an_option_out_of_range_is_refused(changes, word):
    with pytest.raises(ValueError, match=re.escape(word)):
        Behaviour(**changes)


def test_moments_are_those_of_the_tokens():
    injector = FaultInjector(Behaviour(ttft=0.1, itl=0.01, slowdown_per_stream=0.5))

    assert injector.moments([0, 1, 4], streams=1) == [100_000_000, 110_000_000, 150_000_000]
    assert injector.moments([0, 1], streams=3) == [200_000_000, 220_000_000]


def test_the_key_is_never_shown():
    assert "sesame" not in repr(Behaviour(api_key="sesame"))


def test_servers_take_who_comes_first_and_the_others_wait():
    queue = ServiceQueue(2)

    assert [queue.wait_ns(now, 100) for now in (0, 10, 20, 300)] == [0, 0, 80, 0]


def test_times_vary_by_a_factor_of_the_given_spread_around_their_mean():
    injector = FaultInjector(Behaviour(ttft=0.1, itl=0.01, service_cv=1.0))

    times = np.array([injector.moments((0, 10), 1) for _ in range(20_000)]) / 1e9

    assert times.mean(axis=0) == pytest.approx([0.1, 0.2], rel=0.03)
    assert stats.kstest(times[:, 1], "expon", args=(0, 0.2)).pvalue > 0.01
    np.testing.assert_allclose(times[:, 1], 2 * times[:, 0], atol=2e-9)
