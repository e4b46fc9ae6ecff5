"""How much less successive values say than independent ones, as those of a queue's requests do."""

from collections.abc import Sequence

import numpy as np


def inflation(batches: Sequence[np.ndarray]) -> float:
    """Return by which factor the variance of the mean exceeds that of independent values; at least 1.

    `batches` are series of the same process, independent of each other. The factor is 1 plus twice the sum of
    the autocorrelations, up to where pairs of them are no longer positive, in falling order: the initial
    monotone sequence estimator (Geyer, Practical Markov Chain Monte Carlo, Statistical Science 1992).
    """
    total = sum(len(batch) for batch in batches)
    if not total:
        return 1.0
    mean = sum(float(batch.sum()) for batch in batches) / total
    longest = max(len(batch) for batch in batches)
    size = 1 << (2 * longest - 1).bit_length()
    power = sum(np.abs(np.fft.rfft(batch - mean, size)) ** 2 for batch in batches)
    covariances = np.fft.irfft(power, size)[: longest - longest % 2]
    if len(covariances) < 2 or covariances[0] <= 1e-12 * total * max(mean * mean, 1.0):
        return 1.0
    pairs = covariances.reshape(-1, 2).sum(axis=1) / covariances[0]
    ended = np.flatnonzero(pairs <= 0)
    falling = np.minimum.accumulate(pairs[: ended[0]] if len(ended) else pairs)
    return max(1.0, float(2 * falling.sum() - 1))
