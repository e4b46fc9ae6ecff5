"""The knee of a load curve: the level from which more load costs more latency than it brings throughput."""

from collections.abc import Sequence

FEWEST_LEVELS = 3


def knee(throughputs: Sequence[float], latencies: Sequence[float]) -> int | None:
    """Return the index of the level of greatest power, throughput / latency; None if it cannot be seen.

    Levels are in the order of their load. Up to the knee, more load raises throughput by a greater factor
    than latency; from there on, by a smaller one. It cannot be seen with fewer than 3 levels, with values
    that are not above 0, or if the power is greatest at the first or the last level: the knee may then lie
    beyond it.

    Power has no unit, no threshold and nothing to smooth, so that it suits the 4 to 10 levels that are
    usual: another level does not move the knee unless it has more power itself. Kneedle (Satopaa et al.,
    ICDCSW 2011) scales a curve to its extremes, by which a single overloaded level moves its knee.
    Source: Kleinrock, Power and Deterministic Rules of Thumb for Probabilistic Problems in Computer
    Communications, ICC 1979.
    """
    if len(throughputs) < FEWEST_LEVELS or min(*throughputs, *latencies) <= 0:
        return None
    powers = [throughput / latency for throughput, latency in zip(throughputs, latencies, strict=True)]
    best = powers.index(max(powers))
    return best if 0 < best < len(powers) - 1 else None
