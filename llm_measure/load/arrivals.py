"""When requests are meant to be sent: absolute moments, planned before the first one is sent."""

import numpy as np

from llm_measure.records import SECOND_NS
from llm_measure.workloads import Load

# Streams of a closed loop start one after another, so that endpoint and client see no burst.
RAMP_S_PER_STREAM, MAX_RAMP_S = 0.0005, 1.0


def starts(load: Load, seed: int) -> np.ndarray:
    """Return the planned moments of the load in ns (int64) after its start, ascending.

    Open loop: of each request; poisson arrivals draw their gaps from the exponential distribution.
    Closed loop: of each stream's first request; the others follow the responses.
    """
    if load.rate is None:
        streams = load.concurrency or 1
        ramp = min(streams * RAMP_S_PER_STREAM, MAX_RAMP_S)
        return _ns(np.arange(streams) * (ramp / streams))
    if load.requests is not None:
        return _ns(_arrivals(load, seed, load.warmup + load.requests))
    # Enough for any draw: 10 standard deviations above the expected number.
    expected = load.rate * (load.duration_s or 0)
    moments = _arrivals(load, seed, load.warmup + int(expected + 10 * expected**0.5 + 10))
    first = moments[load.warmup]
    return _ns(moments[moments < first + (load.duration_s or 0)])


def _arrivals(load: Load, seed: int, n: int) -> np.ndarray:
    mean_gap = 1 / (load.rate or 1)
    if load.arrival == "constant":
        return np.arange(n) * mean_gap
    gaps = np.random.default_rng(seed).exponential(mean_gap, n)
    return np.cumsum(gaps) - gaps[0]


def _ns(seconds: np.ndarray) -> np.ndarray:
    return np.rint(seconds * SECOND_NS).astype(np.int64)
