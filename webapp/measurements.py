"""What is measured again and again: one LLM at its endpoint, by one workload at one level."""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobs.measure.workload import Endpoint, Load, Workload

LONGEST_SLUG = 60
# What a level needs besides the answers, to pause and to connect.
SLACK_SECONDS = 60


@dataclass(frozen=True)
class Measurement:
    """One LLM, one workload, one level: a schedule entry, and a run in each of its slots."""

    llm: str
    company_name: str
    provider: str
    endpoint: Endpoint  # without its key
    api_key_env: str | None  # the environment variable that holds it
    workload_name: str  # without the level
    description: str | None
    asks: Workload
    load: Load
    interval: int  # seconds

    @property
    def workload(self) -> str:
        """The workload's name in the database, such as chat@c8 or chat@r2.5: a workload for each level."""
        return f"{self.workload_name}@{level(self.load)}"

    @property
    def slug(self) -> str:
        """LLM and workload in the characters that a job's id may have; unlike any other's."""
        words = re.sub(r"[^a-z0-9]+", "-", f"{self.llm} {self.workload}".lower()).strip("-")
        digest = hashlib.sha256(f"{self.llm}\0{self.workload}".encode()).hexdigest()[:8]
        return f"{words[:LONGEST_SLUG].strip('-')}-{digest}".lstrip("-")

    @property
    def server(self) -> str:
        """Host and port of the endpoint, which no two measurements may load at once."""
        url = urlsplit(self.endpoint.base_url)
        return f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def longest_s(self) -> int:
        """Seconds that the level may take if every request takes as long as it may."""
        load, timeout = self.load, self.asks.timeout_s

        def for_requests(n: int) -> float:
            if load.rate is None or not n:
                return math.ceil(n / (load.concurrency or 1)) * timeout
            # Poisson arrivals take longer by five standard deviations once in millions.
            return (n + 5 * math.sqrt(n) + 5) / load.rate

        lasting = for_requests(load.requests or 0) if load.duration_s is None else load.duration_s
        return math.ceil(for_requests(load.warmup) + lasting + timeout) + SLACK_SECONDS


def level(load: Load) -> str:
    """The level's short name: c8 for 8 at once, r2.5 for 2.5 a second, r2.5-constant if evenly spaced."""
    if load.concurrency is not None:
        return f"c{load.concurrency}"
    return f"r{load.rate:g}" + ("-constant" if load.arrival == "constant" else "")


def definition(asks: Workload, load: Load) -> dict[str, Any]:
    """What makes two measurements alike; not how many requests there were, nor the seed."""
    asked = asdict(asks)
    del asked["seed"]
    if asks.dataset:
        del asked["input_tokens"]
        asked["dataset"] = hashlib.sha256(Path(asks.dataset).read_bytes()).hexdigest()
    kept = ("concurrency",) if load.concurrency is not None else ("rate", "arrival")
    return json.loads(json.dumps({**asked, **{name: getattr(load, name) for name in kept}}))


def described(asks: Workload, load: Load) -> str:
    """The workload in words."""
    prompt = f"prompts of {Path(asks.dataset).name}" if asks.dataset else f"{asks.input_tokens} input tokens"
    return f"{prompt}, {asks.output_tokens} output tokens, {load.name}"
