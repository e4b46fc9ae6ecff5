"""A planned measurement: an LLM at its endpoint, by one workload at one level."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llm_measure.endpoints import Endpoint
from llm_measure.report.document import dataset_sha256
from llm_measure.workloads import Load, Workload

LONGEST_SLUG = 60
# Any other API is part of a scenario's name, since only like is ranked with like.
UNMARKED_API = "chat"


@dataclass(frozen=True)
class Measurement:
    """One LLM, workload and level: one entry of the schedule, with one run per slot."""

    llm: str
    company_name: str
    provider: str
    endpoint: Endpoint  # without its key
    api_key_env: str | None  # the environment variable that holds the key
    workload_name: str
    description: str | None
    workload: Workload
    load: Load
    interval: int  # seconds
    overhead_s: int = 60  # time of a level apart from its requests: pauses, connecting

    @property
    def scenario(self) -> str:
        """The scenario's name, see `scenario_name`."""
        return scenario_name(self.workload_name, self.load, self.endpoint.api)

    @property
    def definition(self) -> dict[str, Any]:
        """What identifies the scenario, see `definition`."""
        return definition(self.workload, self.load, self.endpoint.api)

    @property
    def slug(self) -> str:
        """A unique name of LLM and scenario, made of the characters that a job's id may have."""
        words = re.sub(r"[^a-z0-9]+", "-", f"{self.llm} {self.scenario}".lower()).strip("-")
        digest = hashlib.sha256(f"{self.llm}\0{self.scenario}".encode()).hexdigest()[:8]
        return f"{words[:LONGEST_SLUG].strip('-')}-{digest}".lstrip("-")

    @property
    def server(self) -> str:
        """Host and port of the endpoint, which is measured by one job at a time."""
        url = urlsplit(self.endpoint.base_url)
        return f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def longest_s(self) -> int:
        """Maximum duration of the level in seconds: every request takes its whole timeout."""
        load, timeout = self.load, self.workload.timeout_s

        def for_requests(n: int) -> float:
            if load.rate is None or not n:
                return math.ceil(n / (load.concurrency or 1)) * timeout
            # Poisson arrivals exceed five standard deviations once in millions of runs.
            return (n + 5 * math.sqrt(n) + 5) / load.rate

        lasting = for_requests(load.requests or 0) if load.duration_s is None else load.duration_s
        return math.ceil(for_requests(load.warmup) + lasting + timeout) + self.overhead_s


def scenario_name(workload_name: str, load: Load, api: str) -> str:
    """Return the name of a workload at a level, such as chat@c8, chat@r2.5 or chat@c8-completions."""
    return f"{workload_name}@{load.level}" + ("" if api == UNMARKED_API else f"-{api}")


def definition(workload: Workload, load: Load, api: str, dataset_digest: str | None = None) -> dict[str, Any]:
    """Return what identifies a scenario: the API, all that is asked, and the level.

    Neither the number of requests nor the seed is part of it. A dataset is represented by its SHA-256, which
    is computed from the file if it is not given.
    """
    asked = workload.asked()
    del asked["seed"]
    if workload.dataset:
        del asked["input_tokens"]
        asked["dataset"] = dataset_digest or dataset_sha256(workload)
    kept = ("concurrency",) if load.concurrency is not None else ("rate", "arrival")
    return json.loads(json.dumps({"api": api, **asked, **{name: getattr(load, name) for name in kept}}))


def description(workload: Workload, load: Load) -> str:
    """Return the scenario in words."""
    dataset = Path(workload.dataset).name if workload.dataset else None
    if workload.inputs is not None:
        inputs = f"of {dataset}" if dataset else f"of {workload.input_tokens} tokens"
        return f"{workload.inputs} inputs {inputs}, {load.name}"
    prompts = f"prompts of {dataset}" if dataset else f"{workload.input_tokens} input tokens"
    return f"{prompts}, {workload.output_tokens} output tokens, {load.name}"
