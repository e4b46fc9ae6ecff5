"""Simulated values: seeded, so that everyone sees the same rankings until they set another seed."""

import hashlib

import numpy as np

from llm_measure.metrics import Metric


def simulate(llm_name: str, metric: Metric, seed: int | None, n: int) -> np.ndarray:
    """Return `n` values (float64, in the metric's unit, two decimals), uniform in its simulated range.

    The same LLM, metric and seed always give the same values: NumPy promises that the stream of the legacy
    RandomState never changes (NEP 19). Without a seed each call gives different values. Raises ValueError if
    the metric is not simulated.
    """
    if metric.simulated_range is None:
        raise ValueError(f"metric {metric.name}: not simulated")
    low, high = metric.simulated_range
    generator = np.random.RandomState(_state(llm_name, metric, seed))
    return generator.uniform(low, high, n).round(2)


def _state(llm_name: str, metric: Metric, seed: int | None) -> int | None:
    if seed is None:
        return None
    # md5 spreads the names over the 32 bits that RandomState takes; it protects nothing.
    digest = hashlib.md5(f"{llm_name}_{metric.name}_{seed}".encode(), usedforsecurity=False).hexdigest()
    return int(digest, 16) % 2**32
