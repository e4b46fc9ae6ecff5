"""Many series are watched: which of their changes are none by chance."""

import numpy as np


def false_discoveries(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Return which series (bool) have changed, by their p-values of no change.

    At most the share `rate` of those is expected to be wrong (Benjamini and Hochberg 1995).
    """
    order = np.argsort(p_values)
    passed = np.flatnonzero(p_values[order] <= rate * np.arange(1, len(order) + 1) / max(len(order), 1))
    found = np.zeros(len(order), dtype=bool)
    if len(passed):
        found[order[: passed[-1] + 1]] = True
    return found
