"""The metrics of a level, derived from its records, and derivable again from stored ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from jobs.measure.record import Record


def derive(records: Sequence[Record], slo: Mapping[str, float], duration_s: float) -> dict[str, np.ndarray]:
    """Values (float64, in the metric's unit) by metric name; warm-up requests left out.

    One value per request for ttft, tps, tpot and e2e_latency, one per gap between tokens for itl, one for
    rps, output_throughput, error_rate and, if there is an objective, goodput. A metric of which nothing is
    known has an empty array.
    """
    raise NotImplementedError
