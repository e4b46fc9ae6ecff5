"""Chart data for the browser: values over time, and their distribution."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llm_measure.stats.histogram import LN_GAMMA, OFFSET, Histogram
from webapp.store.history import Bucket
from webapp.windows import STEPS

BARS = 40
BARS_AROUND_ONE = 21  # odd: the bar in the middle holds the value
# The axis ends at this multiple of p99: a few outliers beyond it would compress the rest.
LONGEST_TAIL = 1.25


def over_time(series: Mapping[str, Sequence[Bucket]], fields: Sequence[str], step: str) -> dict[str, Any]:
    """Return one line for each series and field; null where a bucket is missing.

    {"x": [Unix seconds], "lines": [{"label": ..., "field": ..., "values": [...]}]}
    """
    length = STEPS[step].total_seconds()
    starts = [bucket.starts_at.timestamp() for buckets in series.values() for bucket in buckets]
    grid = np.arange(min(starts), max(starts) + length, length).tolist() if starts else []
    lines = []
    for label, buckets in series.items():
        by_start = {bucket.starts_at.timestamp(): bucket for bucket in buckets}
        for field in fields:
            values = [getattr(by_start[x], field) if x in by_start else None for x in grid]
            lines.append({"label": label, "field": field, "values": [_short(value) for value in values]})
    return {"x": [int(x) for x in grid], "lines": lines}


def distribution(histogram: Histogram, least: float, p99: float, most: float) -> dict[str, Any]:
    """Return the percentage of values in each of about 40 bins, from the least value to the most.

    {"x": [bin centers], "lines": [{"label": ..., "values": [percent]}], "width": ..., "above": percent}

    `above` is the percentage beyond the last bin.
    """
    bounds = _upper_edges(histogram.low - 1 + np.arange(len(histogram.counts) + 1))
    below = np.concatenate([[0], np.cumsum(histogram.counts)]) / histogram.counts.sum()
    edges = _edges(bounds, least, min(most, p99 * LONGEST_TAIL))
    # Values are assumed to spread evenly within a bucket, which is 2 % wide.
    below_edges = np.interp(edges, bounds, below)
    # The least and the greatest value lie somewhere inside their buckets.
    below_edges[0] = 0
    if edges[-1] > bounds[-2]:
        below_edges[-1] = 1
    percentages = (np.diff(below_edges) * 100).round(3).tolist()
    return {
        "x": [_short(value) for value in (edges[:-1] + edges[1:]) / 2],
        "lines": [{"label": "Share of values", "values": percentages}],
        "width": _short((edges[-1] - edges[0]) / len(percentages)),
        "above": round(float(1 - below_edges[-1]) * 100, 2),
    }


def _edges(bounds: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the edges of the bins, none of which is narrower than a bucket of the histogram."""
    if len(bounds) == 2:  # one value, in the middle
        room = abs(low) / 2 or 0.5
        return np.linspace(low - room, low + room, BARS_AROUND_ONE + 1)
    if len(bounds) <= BARS + 1:
        return bounds
    return np.linspace(low, high, BARS + 1)


def _upper_edges(buckets: np.ndarray) -> np.ndarray:
    """Return the upper bound of each bucket of `llm_measure.stats.histogram`; negative ones are mirrored."""
    return np.where(
        buckets >= 0, np.exp((buckets - OFFSET) * LN_GAMMA), -np.exp((-buckets - 1 - OFFSET) * LN_GAMMA)
    )


def _short(value: float | None) -> float | None:
    """Round to the digits that a screen can show."""
    return None if value is None else float(f"{value:.5g}")
