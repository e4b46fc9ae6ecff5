"""Metrics: each declared once, derived from the records of a level, and derivable again from stored ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_measure.metrics.catalogue import METRICS
from llm_measure.metrics.record import Metric, Objective, Sample, Unit
from llm_measure.metrics.spans import Span
from llm_measure.records import Record

__all__ = ["METRICS", "Metric", "Objective", "Sample", "Span", "Unit", "derive"]


def derive(records: Sequence[Record], slo: Mapping[str, float], span: Span) -> dict[str, np.ndarray]:
    """Return the values (float64, in the metric's unit) of every registered metric by name.

    Cancelled requests are left out, and so are those of the warm-up, but for what of them lies within the
    span, over which rates are taken. A metric of which nothing is known has an empty array. `slo` holds
    bounds by metric name; KeyError for an unknown one.
    """
    requests = _sample(records, slo, span)
    return {metric.name: np.array(metric.derive(requests), dtype=np.float64) for metric in METRICS}


def _sample(records: Sequence[Record], slo: Mapping[str, float], span: Span) -> Sample:
    requests = [record for record in records if not record.warmup and record.error != "cancelled"]
    bounds = [(METRICS[name].objective, bound) for name, bound in slo.items()]
    return Sample(
        requests=requests,
        successful=[record for record in requests if record.error is None],
        objectives=[(objective, bound) for objective, bound in bounds if objective],
        span=span,
        within=[
            (record, part) for record in records if record.error is None and (part := span.share(record))
        ],
    )
