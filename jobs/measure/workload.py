"""What is asked of an endpoint, and under which load: plain data, checked when it is made."""

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

# An objective's bound is in the metric's own unit, which is seconds for each of them.
SLO_METRICS = ("ttft", "tpot", "itl", "e2e_latency")
UNIQUE_WORDS = 4  # so many words at the beginning of a prompt make it unlike every other


@dataclass(frozen=True)
class Endpoint:
    """Where an LLM is served; ValueError if the URL is unusable."""

    base_url: str  # up to the API's version, such as http://localhost:8000/v1
    model: str
    api: Literal["chat", "completions"] = "chat"
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        try:
            usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
        except ValueError:
            usable = False
        if not usable or url.username is not None or url.query or url.fragment or not url.path.isascii():
            raise ValueError(
                f"base_url={self.base_url!r}: must be an http or https URL up to the API's version, such as"
                " http://localhost:8000/v1"
            )
        if self.api not in ("chat", "completions"):
            raise ValueError(f"api={self.api!r}: must be chat or completions")
        if not self.model or not self.model.isprintable():
            raise ValueError(f"model={self.model!r}: must be a name")
        # A header can hold nothing else, and the value is a secret that no message may show.
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("api_key: must be printable ASCII")


@dataclass(frozen=True)
class Load:
    """One load level: so many requests under way at once, or so many sent a second; ValueError if unclear."""

    concurrency: int | None = None  # closed loop: each answer makes room for the next request
    rate: float | None = None  # open loop: requests per second, whether answers come or not
    arrival: Literal["poisson", "constant"] = "poisson"  # of the open loop
    requests: int | None = None  # how many are measured
    duration_s: float | None = None  # or how long requests are sent
    warmup: int = 0  # so many are sent first and kept out of every metric

    def __post_init__(self) -> None:
        if (self.concurrency is None) == (self.rate is None):
            raise ValueError("load: needs either a concurrency or a rate")
        if (self.requests is None) == (self.duration_s is None):
            raise ValueError("load: needs either a number of requests or a duration")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency={self.concurrency}: must be at least 1")
        for name in ("rate", "duration_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name}={value}: must be more than 0, and finite")
        if self.requests is not None and self.requests < 1:
            raise ValueError(f"requests={self.requests}: must be at least 1")
        if self.warmup < 0:
            raise ValueError(f"warmup={self.warmup}: must be at least 0")
        if self.arrival not in ("poisson", "constant"):
            raise ValueError(f"arrival={self.arrival!r}: must be poisson or constant")

    @property
    def name(self) -> str:
        """Such as `concurrency 8` or `poisson 5/s`."""
        if self.concurrency is not None:
            return f"concurrency {self.concurrency}"
        return f"{self.arrival} {self.rate:g}/s"


@dataclass(frozen=True)
class Workload:
    """What each request asks; ValueError if it cannot be asked.

    Prompts are made of words that nearly every tokenizer takes as one token each, and differ from their
    first words on, so that no cache of the server answers. The same seed gives the same prompts; None
    draws one. Whoever measures again and again must change the seed, else the caches know the prompts.
    """

    input_tokens: int = 128
    output_tokens: int = 128  # asked for as max_tokens
    dataset: str | None = None  # a JSONL file in the prompts' place: prompt or messages, output_tokens
    unique_prompts: bool = True
    seed: int | None = None
    timeout_s: float = 60.0  # of a whole request, from its sending
    slo: dict[str, float] = field(default_factory=dict)  # bounds by metric, in seconds
    extra_body: dict[str, Any] = field(default_factory=dict)  # joins each request's JSON; None takes out

    def __post_init__(self) -> None:
        least = UNIQUE_WORDS if self.unique_prompts else 1
        if self.input_tokens < least:
            raise ValueError(f"input_tokens={self.input_tokens}: must be at least {least}")
        if self.output_tokens < 1:
            raise ValueError(f"output_tokens={self.output_tokens}: must be at least 1")
        if not 0 < self.timeout_s < float("inf"):
            raise ValueError(f"timeout_s={self.timeout_s}: must be more than 0, and finite")
        for name, bound in self.slo.items():
            if name not in SLO_METRICS:
                raise ValueError(f"slo={name}: must be one of {', '.join(SLO_METRICS)}")
            if not 0 < bound < float("inf"):
                raise ValueError(f"slo={name}={bound}: must be more than 0, and finite")
