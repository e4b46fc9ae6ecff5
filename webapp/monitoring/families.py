"""What the collectors share."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.utils import floatToGoString

INFINITY = float("inf")


def dependency_up(**states: bool) -> GaugeMetricFamily:
    """The gauge that says which dependency has answered this scrape."""
    family = GaugeMetricFamily(
        "llm_benchmark_dependency_up", "Whether it answered this scrape", labels=["dependency"]
    )
    for name, up in states.items():
        family.add_metric([name], up)
    return family


def cumulative(bounds: Iterable[float], buckets: Iterable[float]) -> list[tuple[str, float]]:
    """The buckets as Prometheus has them: each with its upper bound, and counting all below it, too.

    `buckets` has one more than `bounds`, for what lies beyond the last.
    """
    return list(zip(map(floatToGoString, (*bounds, INFINITY)), accumulate(buckets), strict=True))
