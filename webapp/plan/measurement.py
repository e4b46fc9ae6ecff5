"""A planned measurement: an LLM at its endpoint, by one workload at one level; and what one job measures."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llm_measure.capacity import Search
from llm_measure.distributions import shown
from llm_measure.endpoints import Endpoint
from llm_measure.report.document import file_digests
from llm_measure.workloads import Load, Workload
from webapp.scenarios import ScenarioName

LONGEST_SLUG = 60
# Of a search for the capacity, whose number of levels nobody knows ahead.
LONGEST_SEARCH_S = 3_600
# Any other API is part of a scenario's name, since only like is ranked with like.
UNMARKED_API = "chat"
LEVEL_FIELDS = ("concurrency", "rate", "arrival", "speed")  # of a load, that identify a level


@dataclass(frozen=True)
class Measurement:
    """One LLM, workload and level, or search of one, from one region if there are some: one run per slot."""

    llm: str
    company_name: str
    provider: str
    endpoint: Endpoint  # without its key
    api_key_env: str | None  # the environment variable that holds the key
    workload_name: str
    description: str | None
    workload: Workload
    load: Load | Search
    interval: int  # seconds
    overhead_s: int = 60  # time of a level apart from its requests: pauses, connecting
    rank_insecure: bool = False  # whether runs without verified TLS are ranked
    shards: int = 1  # number of workers that share the level, no part of what identifies the scenario
    longest_request_s: float | None = None  # of a conversation: of all its turns; None: the timeout
    trace_s: float = 0.0  # of a trace: how long its requests are sent, at the load's speed
    region: str | None = None  # of the workers that measure it; None: of those without one

    @property
    def level(self) -> Load:
        """The load of a measurement that is no search; TypeError if it is one."""
        if isinstance(self.load, Search):
            raise TypeError(f"{self.scenario}: a search has no level")
        return self.load

    @property
    def scenario(self) -> str:
        """The scenario's name, see `scenario_name`."""
        return scenario_name(self.workload_name, self.load, self.endpoint.api, self.region)

    @property
    def task_name(self) -> str:
        """The name of what one job measures: the workload, in its region."""
        return str(ScenarioName(self.workload_name, "", self.region))

    @property
    def definition(self) -> dict[str, Any]:
        """What identifies the scenario, see `definition`, with the region if there is one."""
        asked = definition(self.workload, self.load, self.endpoint.api)
        return asked | ({"region": self.region} if self.region else {})

    @property
    def slug(self) -> str:
        """A unique name of LLM and scenario, see `slug`."""
        return slug(self.llm, self.scenario)

    @property
    def server(self) -> str:
        """Host and port of the endpoint, or its Unix socket, which is measured by one job at a time."""
        if self.endpoint.socket_path:
            return f"unix:{self.endpoint.socket_path}"
        url = urlsplit(self.endpoint.base_url)
        return f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def longest_s(self) -> int:
        """Maximum duration in seconds: every request of the level takes its whole timeout."""
        load, timeout = self.load, self.workload.timeout_s
        if isinstance(load, Search):
            return LONGEST_SEARCH_S
        each = self.longest_request_s or timeout

        def for_requests(n: int) -> float:
            if load.rate is None or not n:
                return math.ceil(n / (load.concurrency or 1)) * each
            # Poisson arrivals exceed five standard deviations once in millions of runs.
            return (n + 5 * math.sqrt(n) + 5) / load.rate

        if load.speed is not None:
            return math.ceil(self.trace_s + timeout) + self.overhead_s
        lasting = for_requests(load.requests or 0) if load.duration_s is None else load.duration_s
        return math.ceil(for_requests(load.warmup) + lasting + each) + self.overhead_s


@dataclass(frozen=True)
class Task:
    """What one job measures: an LLM by a workload, its levels one after another; on demand, one level."""

    name: str  # of the workload in its region, or of the scenario
    levels: tuple[Measurement, ...]  # of one LLM, at least one

    @property
    def llm(self) -> str:
        """The measured LLM."""
        return self.levels[0].llm

    @property
    def slug(self) -> str:
        """A unique name of LLM and workload or scenario, see `slug`."""
        return slug(self.llm, self.name)

    @property
    def server(self) -> str:
        """Host and port of the endpoint, which is measured by one job at a time."""
        return self.levels[0].server

    @property
    def interval(self) -> int:
        """The seconds between two slots."""
        return self.levels[0].interval

    @property
    def region(self) -> str | None:
        """The region of the workers that measure it; None: of those without one."""
        return self.levels[0].region


def tasks(measurements: Iterable[Measurement]) -> tuple[Task, ...]:
    """Return the tasks of the schedule: a plan has the levels of an LLM, workload and region together."""
    grouped = groupby(measurements, lambda measurement: (measurement.llm, measurement.task_name))
    return tuple(Task(name, tuple(levels)) for (_, name), levels in grouped)


def task(measurements: Iterable[Measurement], llm: str, name: str) -> Task | None:
    """Return what a job measures: the LLM by the task or in the scenario of that name; None if unplanned.

    A scenario's name has a level, and a task's has none.
    """
    levels = tuple(
        measurement
        for measurement in measurements
        if measurement.llm == llm and name in (measurement.task_name, measurement.scenario)
    )
    return Task(name, levels) if levels else None


def slug(llm: str, name: str) -> str:
    """Return a unique name for the LLM and a workload or scenario, of characters that a job's id may have."""
    words = re.sub(r"[^a-z0-9]+", "-", f"{llm} {name}".lower()).strip("-")
    digest = hashlib.sha256(f"{llm}\0{name}".encode()).hexdigest()[:8]
    return f"{words[:LONGEST_SLUG].strip('-')}-{digest}".lstrip("-")


def scenario_name(workload_name: str, load: Load | Search, api: str, region: str | None = None) -> str:
    """Return the name of a workload at a level, as chat@c8, chat@r2.5, chat@c8-completions or chat@c8@eu.

    That of a search for the capacity is chat@max, or chat@max-concurrency.
    """
    level = load.level + ("" if api == UNMARKED_API else f"-{api}")
    return str(ScenarioName(workload_name, level, region))


def definition(
    workload: Workload, load: Load | Search, api: str, digests: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what identifies a scenario: the API, all that is asked, and the level, or what is searched for.

    Neither the number of requests nor the seed is part of it. A file is represented by its SHA-256, by the
    name of the field; they are computed from the files if they are not given.
    """
    asked = workload.asked()
    del asked["seed"]
    if workload.dataset:
        del asked["input_tokens"]
    asked |= file_digests(workload) if digests is None else digests
    return json.loads(json.dumps({"api": api, **asked, **_identifying(load)}))


def _identifying(load: Load | Search) -> dict[str, Any]:
    if isinstance(load, Search):
        return {"find": load.kind, "slo": load.slo, "confidence": load.confidence}
    level = {name: getattr(load, name) for name in LEVEL_FIELDS if getattr(load, name) is not None}
    if load.rate is None:
        del level["arrival"]
    return level


def description(workload: Workload, load: Load | Search) -> str:
    """Return the scenario in words."""
    if workload.trace:
        begin, end = workload.trace_window or (None, None)
        window = "" if begin is None else f" from {begin:g} s to {end:g} s"
        return f"requests of {Path(workload.trace).name}{window}, {load.name}"
    dataset = Path(workload.dataset).name if workload.dataset else None
    input_tokens, output_tokens = shown(workload.input_tokens), shown(workload.output_tokens)
    if workload.inputs is not None:
        inputs = f"of {dataset}" if dataset else f"of {input_tokens} tokens"
        return f"{workload.inputs} inputs {inputs}, {load.name}"
    prompts = f"prompts of {dataset}" if dataset else f"{input_tokens} input tokens"
    if workload.shared_prefix:
        prompts += f" with {workload.shared_prefix:.0%} in common ({workload.prefixes} prefixes)"
    if workload.turns is not None:
        prompts = f"conversations of {shown(workload.turns)} turns, {prompts}"
    return f"{prompts}, {output_tokens} output tokens, {load.name}"
