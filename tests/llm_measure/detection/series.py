"""Series of runs for tests."""

import numpy as np

HOUR, DAY = 3600, 86_400
MONDAY = 1_750_032_000  # 16 June 2025, 00:00 UTC


def noisy(runs: int, spread: float = 0.05, seed: int = 1) -> np.ndarray:
    """Return values around 1."""
    return np.exp(np.random.default_rng(seed).normal(0, spread, runs))


def hourly(runs: int, interval: int = HOUR) -> np.ndarray:
    """Return the times of that many runs."""
    return MONDAY + interval * np.arange(runs, dtype=float)
