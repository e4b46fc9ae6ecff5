"""When requests are meant to be sent: absolute moments, planned before the first one is sent."""

from collections.abc import Sequence

import numpy as np

from llm_measure.load.traces import Trace
from llm_measure.records import SECOND_NS
from llm_measure.workloads import Load

# Streams of a closed loop start one after another, so that endpoint and client see no burst.
RAMP_S_PER_STREAM, MAX_RAMP_S = 0.0005, 1.0


def starts(load: Load, seed: int | Sequence[int], trace: Trace | None = None) -> np.ndarray:
    """Return the planned moments of the load in ns (int64) after its start, ascending.

    Open loop: of each request. n requests take n / rate: the last one is (n - 1) / rate after the first, and
    poisson arrivals draw the gaps in between from the exponential distribution, under that condition. The
    warm-up has a plan of the same kind in front. A duration means rate x duration requests, at least one.
    Trace: of each of its requests, up to the load's number, at its distance from the first one.
    Closed loop: of each stream's first request; the others follow the responses.
    """
    if load.speed is not None and trace is not None:
        return _ns(trace.moments_ns[: load.requests] / (load.speed * SECOND_NS))
    if load.rate is None:
        streams = load.concurrency or 1
        ramp = min(streams * RAMP_S_PER_STREAM, MAX_RAMP_S)
        return _ns(np.arange(streams) * (ramp / streams))
    n = load.requests or max(1, round(load.rate * (load.duration_s or 0)))
    random = np.random.default_rng(seed)
    # The gap after the warm-up is part of it.
    warmup, measured = (_gaps(load, random, number) for number in (load.warmup, n - 1))
    return _ns(np.concatenate(([0.0], np.cumsum(np.concatenate((warmup, measured))))))


def _gaps(load: Load, random: np.random.Generator, n: int) -> np.ndarray:
    """Return n gaps in s whose mean is that of the rate."""
    mean = 1 / (load.rate or 1)
    if load.arrival == "constant" or n < 1:
        return np.full(n, mean)
    gaps = random.exponential(size=n)
    return gaps * (n * mean / gaps.sum())


def _ns(seconds: np.ndarray) -> np.ndarray:
    return np.rint(seconds * SECOND_NS).astype(np.int64)
