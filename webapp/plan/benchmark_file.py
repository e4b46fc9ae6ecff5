"""The benchmark file: which LLMs are measured, where, by which workloads and how often; who is notified.

A YAML file named by the setting BENCHMARK_FILE; benchmark.example.yml explains every field.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from marshmallow import RAISE, ValidationError

from llm_measure import yaml_lines
from llm_measure.client.tls import check_files
from llm_measure.endpoints import DECLARED, Endpoint
from llm_measure.files import reason
from llm_measure.load.traces import seconds_of
from llm_measure.workloads import Load
from llm_measure.yaml_lines import Document, YAMLError
from llm_measure.yaml_lines import Path as YAMLPath
from webapp.plan.fields import MESSAGES, UNKNOWN_FIELD, refused
from webapp.plan.file_schema import FileSchema
from webapp.plan.files import faults_of_files, longest_requests_s
from webapp.plan.measurement import Measurement
from webapp.plan.rules import Rule, rule
from webapp.plan.suitability import takes_part
from webapp.plan.workloads import loads, workload
from webapp.settings import ROOT, Settings, SettingsError

LONGEST_VALUE = 60


class BenchmarkFileError(SettingsError):
    """The file is invalid; each fault is one line: path, line number, field, value and what is expected."""

    kind = "benchmark file"


class Plan(NamedTuple):
    """What a benchmark file plans: measurements, and the rules of notifications."""

    measurements: tuple[Measurement, ...]
    rules: tuple[Rule, ...]


def read_benchmark_file(settings: Settings) -> tuple[Measurement, ...]:
    """Return the planned measurements, none without a file; raises BenchmarkFileError with all faults."""
    return parse(settings, read_text(settings)).measurements if settings.benchmark_file else ()


def read_text(settings: Settings) -> str:
    """Return the file's content; raises BenchmarkFileError if it cannot be read."""
    path = Path(settings.benchmark_file)
    try:
        return yaml_lines.read_text(path)
    except (OSError, ValueError) as error:
        raise BenchmarkFileError([f"{_shown_path(path)}: cannot be read: {reason(error)}"]) from None


def parse(settings: Settings, text: str) -> Plan:
    """Return what such a file plans; raises BenchmarkFileError with all faults."""
    path = Path(settings.benchmark_file)
    name = _shown_path(path)
    try:
        document = Document(text)
    except YAMLError as error:
        raise BenchmarkFileError([f"{name}:{error.line}: {error}"]) from None
    data = document.data or {}
    try:
        declared = FileSchema(unknown=RAISE).load(data)
    except ValidationError as error:
        of_files = {"workloads": faults_of_files(data, path.parent)}
        raise BenchmarkFileError(_faults(name, document, error.messages, of_files)) from None
    try:
        measurements = tuple(_measurements(declared, settings.schedule_interval, path.parent))
    except ValidationError as error:
        raise BenchmarkFileError(_faults(name, document, error.messages)) from None
    return Plan(measurements, tuple(map(rule, declared["notify"])))


def _shown_path(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


# From declarations to measurements.


def _measurements(declared: dict[str, Any], default_interval: int, folder: Path) -> Iterator[Measurement]:
    endpoints, of_llms = _endpoints(declared["llms"], folder)
    longest, of_workloads = longest_requests_s(declared["workloads"], folder)
    if of_llms or of_workloads:
        raise ValidationError({"llms": of_llms, "workloads": of_workloads})
    for llm, endpoint in zip(declared["llms"], endpoints, strict=True):
        company = llm.get("company_name", llm.get("provider", llm["name"]))
        for asked, longest_request_s in zip(declared["workloads"], longest, strict=True):
            if asked["name"] not in llm.get("workloads", [asked["name"]]):
                continue
            if not takes_part(llm, asked):
                continue
            what = workload(asked, folder)
            for region, load in product(asked.get("regions", [None]), loads(asked)):
                yield Measurement(
                    llm=llm["name"],
                    company_name=company,
                    provider=llm.get("provider", company),
                    endpoint=endpoint,
                    api_key_env=llm["api_key_env"],
                    workload_name=asked["name"],
                    description=asked.get("description"),
                    workload=what,
                    load=load,
                    rank_insecure=llm["rank_insecure"],
                    shards=asked["shards"],
                    interval=round(asked["interval"] * 60) if "interval" in asked else default_interval,
                    longest_request_s=longest_request_s,
                    trace_s=seconds_of(what, load) if what.trace and isinstance(load, Load) else 0.0,
                    region=region,
                )


def _endpoints(llms: list[dict[str, Any]], folder: Path) -> tuple[list[Endpoint], dict[int, Any]]:
    """Return the endpoint of each LLM, and the faults: options that contradict each other, and files."""
    found, faults = [], {}
    for number, llm in enumerate(llms):
        options = {each.name: llm[each.name] for each in DECLARED}
        try:
            endpoint = Endpoint(**options).within(folder)
            check_files(endpoint)
            found.append(endpoint)
        except ValueError as error:
            faults[number] = refused(error).normalized_messages()
    return found, faults


# From validation errors to faults with lines.


def _faults(name: Path, document: Document, *messages: Any) -> list[str]:
    found = [fault for each in messages for fault in _flat(each, ())]
    found.sort(key=lambda fault: document.line(fault[0]))
    return [
        f"{name}:{document.line(where)}: {_shown(document, where, message)}{message}"
        for where, message in found
    ]


def _flat(messages: Any, path: YAMLPath) -> Iterator[tuple[YAMLPath, str]]:
    """Yield each message with its path, without the steps that marshmallow adds."""
    if isinstance(messages, dict):
        for step, inner in messages.items():
            yield from _flat(inner, path if step in ("_schema", "key", "value") else (*path, step))
    else:
        for message in messages:
            yield path, MESSAGES.get(message, message)


def _shown(document: Document, path: YAMLPath, message: str) -> str:
    """Return the fault's subject, such as `llms[0].base_url='x': `, without a value that may be a secret."""
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    value = document.value(path)
    with_more = name.endswith((".base_url", ".proxy")) and re.search("[@?#]", str(value))  # than an address
    secret = (
        with_more
        or name.endswith((".token_command", ".target", ".secret_env"))
        or "key" in name
        or ".headers" in name
        or message.startswith(UNKNOWN_FIELD)
    )
    if secret or isinstance(value, dict | list) or value is None:
        return f"{name}: " if name else ""
    text = repr(value)
    return f"{name}={text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '...'}: "
