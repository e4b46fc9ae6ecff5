"""The files that workloads of a benchmark file name: whether they are there, and can be used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import RAISE, ValidationError

from llm_measure import distributions
from llm_measure.expectations import expectation
from llm_measure.load.conversations import longest_conversation_s
from llm_measure.load.datasets import DatasetError, check_dataset
from llm_measure.load.traces import TraceError, seconds_of
from llm_measure.workloads import DISTRIBUTED, Load, Workload
from webapp.plan.fields import refused
from webapp.plan.workload_schema import WorkloadSchema
from webapp.plan.workloads import FILES, workload

Faults = dict[int, Any]  # of the workloads at these places of their list


def longest_requests_s(workloads: list[dict[str, Any]], folder: Path) -> tuple[list[float], Faults]:
    """Return how long a request or conversation of each workload may take, in seconds, and what is faulty.

    Faulty are files that are missing, and those that cannot be used.
    """
    longest, faults = [], {}
    for number, asked in enumerate(workloads):
        try:
            longest.append(_longest_request_s(asked, folder))
        except ValidationError as error:
            faults[number] = error.normalized_messages()
    return longest, faults


def faults_of_files(data: Any, folder: Path) -> Faults:
    """Return the faults of the files that workloads name, in a benchmark file that has other faults, too.

    Of a workload with other faults, only those that are missing.
    """
    workloads = data.get("workloads") if isinstance(data, dict) else None
    faults: Faults = {}
    for number, written in enumerate(workloads if isinstance(workloads, list) else ()):
        try:
            asked = WorkloadSchema(unknown=RAISE).load(written)
        except ValidationError:
            faults[number] = _missing(written, folder) if isinstance(written, dict) else {}
        else:
            _, found = longest_requests_s([asked], folder)
            faults[number] = found.get(0, {})
    return faults


def _longest_request_s(asked: Mapping[str, Any], folder: Path) -> float:
    if lost := _missing(asked, folder):
        raise ValidationError(lost)
    found = workload(asked, folder)
    if faulty := _faulty_lengths(found):
        raise ValidationError(faulty)
    try:
        expectation(found)
        if found.trace:
            seconds_of(found, Load(speed=1.0, requests=asked.get("requests")))
        if found.dataset:
            check_dataset(Path(found.dataset))
        return longest_conversation_s(found)
    except DatasetError as error:
        raise ValidationError(str(error), "trace" if isinstance(error, TraceError) else "dataset") from None
    except ValueError as error:
        raise refused(error) from None


def _missing(asked: Mapping[str, Any], folder: Path) -> dict[str, list[str]]:
    """Return the faults of files that are not there, by the field; `asked` may have any other faults."""
    paths = {name: asked.get(name) for name in FILES}
    paths |= {name: distributions.file_of(asked.get(name, "")) for name in DISTRIBUTED}
    return {
        name: ["file not found"]
        for name, path in paths.items()
        if isinstance(path, str) and path and not (folder / path).is_file()
    }


def _faulty_lengths(asked: Workload) -> dict[str, list[str]]:
    """Return the faults of the files that lengths are drawn from, by the field."""
    faults = {}
    for name in asked.files.keys() & set(DISTRIBUTED):
        try:
            distributions.parse(getattr(asked, name))
        except ValueError as error:
            faults[name] = [str(error)]
    return faults
