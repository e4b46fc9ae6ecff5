"""Metric families and buckets that several collectors use."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.utils import floatToGoString

INFINITY = float("inf")


def dependency_up(**states: bool) -> GaugeMetricFamily:
    """Return a gauge of the dependencies' states: 1 for one that responded during this scrape, else 0."""
    family = GaugeMetricFamily(
        "llm_benchmark_dependency_up",
        "Whether the dependency responded during this scrape",
        labels=["dependency"],
    )
    for name, up in states.items():
        family.add_metric([name], up)
    return family


def cumulative(bounds: Iterable[float], buckets: Iterable[float]) -> list[tuple[str, float]]:
    """Return Prometheus buckets: pairs of an upper bound and the number of values up to it.

    `buckets` has one more entry than `bounds`, for the values above the last bound.
    """
    return list(zip(map(floatToGoString, (*bounds, INFINITY)), accumulate(buckets), strict=True))
