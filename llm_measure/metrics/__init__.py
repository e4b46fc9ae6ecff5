"""Metrics: each declared once, derived from the records of a level, and derivable again from stored ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_measure.metrics.catalogue import METRICS
from llm_measure.metrics.record import Kind, Metric, Objective, Sample, Unit, kind_of
from llm_measure.metrics.spans import Span
from llm_measure.records import Record

__all__ = ["METRICS", "Kind", "Metric", "Objective", "Sample", "Span", "Unit", "derive", "kind_of"]


def derive(
    records: Sequence[Record], slo: Mapping[str, float], span: Span, inputs: int | None = None
) -> dict[str, np.ndarray]:
    """Return the values (float64, in the metric's unit) of every metric of the workload's kind by name.

    Cancelled requests are left out, and so are those of the warm-up, but for what of them lies within the
    span, over which rates are taken. A metric of which nothing is known has an empty array. `slo` holds
    bounds by metric name; KeyError for an unknown one. `inputs` is the number of each request, as in
    `Workload`.
    """
    sample = _sample(records, slo, span, inputs or 1)
    return {
        metric.name: np.array(metric.derive(sample), dtype=np.float64)
        for metric in METRICS.of(kind_of(inputs))
    }


def _sample(records: Sequence[Record], slo: Mapping[str, float], span: Span, inputs: int) -> Sample:
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
        inputs=inputs,
    )
