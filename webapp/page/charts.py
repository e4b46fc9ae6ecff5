"""Chart data for the browser: values over time, and their distribution."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from llm_measure.stats.histogram import LN_GAMMA, OFFSET, Histogram
from webapp.store.history import Bucket
from webapp.store.incidents import Signal
from webapp.windows import STEPS

BARS = 40
BARS_AROUND_ONE = 21  # odd: the bar in the middle holds the value
# The axis ends at this multiple of p99: a few outliers beyond it would compress the rest.
LONGEST_TAIL = 1.25
# A line breaks where the next value comes later than this number of usual distances after the one before.
LONGEST_DISTANCE = 1.5
# Of more runs, a chart over time shows hours.
MOST_RUNS = 1440


def over_time(series: Mapping[str, Sequence[Bucket]], fields: Sequence[str], step: str) -> dict[str, Any]:
    """Return one line for each series and field; a null breaks the line where values are missing.

    {"lines": [{"label": ..., "field": ..., "x": [Unix seconds], "values": [...]}]}
    """
    lines = []
    for label, buckets in series.items():
        points = list(_with_gaps(buckets, step))
        x = [int(start) for start, _ in points]
        for field in fields:
            values = [bucket and _short(getattr(bucket, field)) for _, bucket in points]
            lines.append({"label": label, "field": field, "x": x, "values": values})
    return {"lines": lines}


def levels(signal: Signal, buckets: Sequence[Bucket]) -> list[dict[str, Any]]:
    """Return the lines of a change's levels before and after; of another signal, that of its bound."""
    if signal.kind == "change":
        parts = {
            "Before": (signal.before, [bucket for bucket in buckets if bucket.starts_at < signal.started_at]),
            "After": (
                signal.after,
                [
                    bucket
                    for bucket in buckets
                    if signal.started_at <= bucket.starts_at
                    and (signal.ended_at is None or bucket.starts_at <= signal.ended_at)
                ],
            ),
        }
    else:
        parts = {"Bound": (signal.before, list(buckets))}
    return [
        {
            "label": label,
            "field": label.lower(),
            "x": [int(bucket.starts_at.timestamp()) for bucket in found],
            "values": [_short(level)] * len(found),
        }
        for label, (level, found) in parts.items()
        if level is not None and found
    ]


def _with_gaps(buckets: Sequence[Bucket], step: str) -> Iterator[tuple[float, Bucket | None]]:
    """Yield each bucket with its start in Unix seconds, and None where the next one is missing."""
    starts = [bucket.starts_at.timestamp() for bucket in buckets]
    distances = [later - earlier for earlier, later in pairwise(starts)]
    usual = STEPS[step].total_seconds() if step in STEPS else median(distances or [0])
    for bucket, start, distance in zip(buckets, starts, [0, *distances], strict=False):
        if distance > LONGEST_DISTANCE * usual:
            yield start - distance + usual, None
        yield start, bucket


def distribution(histogram: Histogram, least: float, p99: float, most: float) -> dict[str, Any]:
    """Return the percentage of values in each of about 40 bins, from the least value to the most.

    {"lines": [{"label": ..., "x": [bin centers], "values": [percent]}], "width": ..., "above": percent}

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
        "lines": [
            {
                "label": "Share of values",
                "x": [_short(value) for value in (edges[:-1] + edges[1:]) / 2],
                "values": percentages,
            }
        ],
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
