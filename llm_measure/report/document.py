"""The JSON document of a measurement: what was asked, and each level with its metrics; a stable format."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from msgspec import to_builtins

from llm_measure.endpoints import Endpoint
from llm_measure.files import reason
from llm_measure.load.datasets import DatasetError
from llm_measure.metrics import METRICS, derive
from llm_measure.metrics.derivations import latencies_from_intended
from llm_measure.records import SECOND_NS
from llm_measure.report.facts import facts
from llm_measure.report.loads import stated
from llm_measure.results import LevelResult
from llm_measure.stats.summary import Figures
from llm_measure.workloads import Workload


def document(
    endpoint: Endpoint,
    workload: Workload,
    results: Sequence[LevelResult],
    records: bool = False,
    digests: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the whole document, with every request if `records`; it holds no secret of the endpoint.

    `digests` are the `file_digests` of the workload, taken before the measurement, since a file may have
    changed meanwhile.
    """
    asked = endpoint.asked(workload)
    return {
        "endpoint": {part.name: getattr(endpoint, part.name) for part in fields(endpoint) if part.repr},
        "workload": {**workload.asked(), "file_sha256": dict(digests or {})},
        "levels": [level(result, asked, records) for result in results],
    }


def as_json(content: Mapping[str, Any], indent: int | None = 2) -> str:
    """Return the document as JSON; None: on one line, which is much smaller with records."""
    return json.dumps(content, indent=indent) + "\n"


def level(result: LevelResult, workload: Workload, records: bool = False) -> dict[str, Any]:
    """Return one level of the document."""
    load, figures = result.load, summaries(result, workload)
    described: dict[str, Any] = {
        **stated(load),
        "warmup": load.warmup,
        **facts(workload, result),
        "error_details": _details(result),
        "span_s": [
            (moment - result.start_ns) / SECOND_NS for moment in (result.span.begin_ns, result.span.end_ns)
        ],
        "valid": result.valid,
        "invalid_reason": result.invalid_reason,
        "not_ranked": result.not_ranked,
        "metrics": {name: summary.to_dict() for name, summary in figures.items()},
        "from_intended": {
            name: Figures.of(late, METRICS[name].unit.symbol).to_dict()
            for name, late in latencies_from_intended(result.records).items()
            if name in figures
        },
    }
    if records:
        described["load"] = asdict(load)
        described["records"] = [to_builtins(record.since(result.start_ns)) for record in result.records]
    return described


def summaries(result: LevelResult, workload: Workload) -> dict[str, Figures]:
    """Return the figures of every metric of the workload's kind by name."""
    values = derive(result.records, workload.slo, result.span, workload.inputs)
    return {
        name: Figures.of(found, METRICS[name].unit.symbol, METRICS[name].independent)
        for name, found in values.items()
    }


def file_digests(workload: Workload) -> dict[str, str]:
    """Return the SHA-256 of each file of the workload, which identifies it anywhere, by the field's name.

    Raises DatasetError.
    """
    return {name: _sha256(path) for name, path in workload.files.items()}


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from None


def _details(result: LevelResult) -> dict[str, str]:
    """Return the first detail of each class of error."""
    details: dict[str, str] = {}
    for record in result.records:
        if record.error and record.error_detail:
            details.setdefault(record.error, record.error_detail)
    return details
