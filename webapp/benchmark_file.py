"""The benchmark file: which LLMs are measured where, by which workloads and how often.

One YAML file, named by BENCHMARK_FILE and explained in benchmark.example.yml.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from marshmallow import RAISE, ValidationError

from jobs.measure.workload import Endpoint, Load
from webapp.benchmark_schema import NO_SUCH_FIELD, FileSchema, asked
from webapp.measurements import Measurement
from webapp.settings import ROOT, Settings, SettingsError
from webapp.yaml_lines import Document, YAMLError
from webapp.yaml_lines import Path as YAMLPath

LARGEST_FILE = 1 << 20
LONGEST_VALUE = 60


class BenchmarkFileError(SettingsError):
    """The file is unusable; a fault for each thing that is wrong: path, line, field, value, remedy."""

    kind = "benchmark file"


def read_benchmark_file(settings: Settings) -> tuple[Measurement, ...]:
    """What is to be measured; nothing if no file is named. Raises BenchmarkFileError with all faults."""
    if not settings.benchmark_file:
        return ()
    path = Path(settings.benchmark_file)
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    try:
        document = Document(_text(path))
    except YAMLError as error:
        raise BenchmarkFileError([f"{name}:{error.line}: {error}"]) from None
    except (OSError, ValueError) as error:
        raise BenchmarkFileError([f"{name}: cannot be read: {error}"]) from None
    try:
        declared = FileSchema(unknown=RAISE).load(document.data or {})
        return tuple(_measurements(declared, settings.schedule_interval, path.parent))
    except ValidationError as error:
        raise BenchmarkFileError(_faults(name, document, error)) from None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ValueError(f"more than {LARGEST_FILE} bytes")
    return raw.decode()


# What was declared, as what is to be done.


def _measurements(declared: dict[str, Any], default_interval: int, folder: Path) -> Iterator[Measurement]:
    _refuse_lost_datasets(declared["workloads"], folder)
    for llm in declared["llms"]:
        company = llm.get("company_name", llm.get("provider", llm["name"]))
        for workload in declared["workloads"]:
            if workload["name"] not in llm.get("workloads", [workload["name"]]):
                continue
            for load in _loads(workload):
                yield Measurement(
                    llm=llm["name"],
                    company_name=company,
                    provider=llm.get("provider", company),
                    endpoint=Endpoint(llm["base_url"], llm["model"], llm["api"]),
                    api_key_env=llm["api_key_env"],
                    workload_name=workload["name"],
                    description=workload.get("description"),
                    asks=asked(workload, folder),
                    load=load,
                    interval=round(workload["interval"] * 60) if "interval" in workload else default_interval,
                )


def _refuse_lost_datasets(workloads: list[dict[str, Any]], folder: Path) -> None:
    lost = {
        number: {"dataset": ["there is no such file"]}
        for number, workload in enumerate(workloads)
        if "dataset" in workload and not (folder / workload["dataset"]).is_file()
    }
    if lost:
        raise ValidationError({"workloads": lost})


def _loads(declared: Mapping[str, Any]) -> Iterator[Load]:
    rest = {
        "requests": declared.get("requests"),
        "duration_s": declared.get("duration"),
        "warmup": declared["warmup"],
    }
    for concurrency in declared.get("concurrency", ()):
        yield Load(concurrency=concurrency, **rest)
    for rate in declared.get("rate", ()):
        yield Load(rate=rate, arrival=declared.get("arrival", "poisson"), **rest)


# Faults, as a person can mend them.


def _faults(name: Path, document: Document, error: ValidationError) -> list[str]:
    found = sorted(_flat(error.messages, ()), key=lambda fault: document.line(fault[0]))
    return [
        f"{name}:{document.line(where)}: {_shown(document, where, message)}{message}"
        for where, message in found
    ]


def _flat(messages: Any, path: YAMLPath) -> Iterator[tuple[YAMLPath, str]]:
    """Each message and where it belongs; marshmallow calls a mapping as a whole `_schema`."""
    if isinstance(messages, dict):
        for step, inner in messages.items():
            yield from _flat(inner, path if step in ("_schema", "key", "value") else (*path, step))
    else:
        for message in messages:
            yield path, str(message)[:1].lower() + str(message)[1:]


def _shown(document: Document, path: YAMLPath, message: str) -> str:
    """Such as `llms[0].base_url='x': `; a value that may be a secret is left out."""
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    value = document.value(path)
    secret = "key" in name or message.startswith(NO_SUCH_FIELD)
    if secret or isinstance(value, dict | list) or value is None:
        return f"{name}: " if name else ""
    text = repr(value)
    return f"{name}={text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '...'}: "
