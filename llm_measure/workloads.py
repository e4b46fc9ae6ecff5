"""What is asked of an endpoint, and under which load: plain data, validated when it is made."""

import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from llm_measure.json_merge import has
from llm_measure.metrics import METRICS, Kind, kind_of

UNIQUE_WORDS = 4  # the number of words at the start of a prompt that make it unique
# How long a stream pauses after a failed request, doubled with each further failure.
MIN_PAUSE_S, MAX_PAUSE_S = 0.05, 1.0
# Fields of a request's body that replace the generated prompt, and the maximum length of its response.
PROMPT_FIELDS = frozenset(("prompt", "messages", "input", "contents", "documents", "texts"))
MAXIMUM_FIELDS = (
    ("max_tokens",),
    ("max_completion_tokens",),
    ("max_output_tokens",),
    ("generationConfig", "maxOutputTokens"),
    ("inferenceConfig", "maxTokens"),
)


@dataclass(frozen=True)
class Load:
    """One load level: a concurrency or a request rate, and when it ends; ValueError if that is unclear."""

    concurrency: int | None = None  # closed loop: each response makes room for the next request
    rate: float | None = None  # open loop: requests per second, regardless of responses
    arrival: Literal["poisson", "constant"] = "poisson"  # of the open loop
    requests: int | None = None  # number of measured requests
    duration_s: float | None = None  # or for how long requests are sent
    warmup: int = 0  # requests that are sent first and left out of every metric

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
                raise ValueError(f"{name}={value}: must be greater than 0 and finite")
        if self.requests is not None and self.requests < 1:
            raise ValueError(f"requests={self.requests}: must be at least 1")
        if self.warmup < 0:
            raise ValueError(f"warmup={self.warmup}: must be at least 0")
        if self.arrival not in ("poisson", "constant"):
            raise ValueError(f"arrival={self.arrival!r}: must be poisson or constant")

    @property
    def name(self) -> str:
        """The load in words, such as `concurrency 8` or `poisson 5/s`."""
        if self.concurrency is not None:
            return f"concurrency {self.concurrency}"
        return f"{self.arrival} {self.rate:g}/s"

    @property
    def level(self) -> str:
        """The short name: c8 for concurrency 8, r2.5 for 2.5 requests/s, r2.5-constant if evenly spaced."""
        if self.concurrency is not None:
            return f"c{self.concurrency}"
        return f"r{self.rate:g}" + ("-constant" if self.arrival == "constant" else "")


@dataclass(frozen=True)
class Workload:
    """What each request asks; ValueError if it cannot be asked.

    Prompts are made of words that nearly every tokenizer takes as one token each, and differ from their
    first words on, so that no prefix cache of the server applies. The same seed gives the same prompts; None
    means a random one. Repeated measurements need different seeds, or the server's caches know the prompts.
    """

    input_tokens: int = 128
    output_tokens: int = 128  # asked for as the maximum
    dataset: str | None = None  # path of a JSONL file with prompts: prompt or messages, output_tokens
    unique_prompts: bool = True
    seed: int | None = None
    timeout_s: float = 60.0  # of a whole request, from its sending
    slo: dict[str, float] = field(default_factory=dict)  # bounds by metric, in the metric's unit
    extra_body: dict[str, Any] = field(default_factory=dict)  # merged into each request's JSON; None removes
    # Texts per request, of input_tokens each, for APIs that encode; output_tokens then mean nothing.
    inputs: int | None = None

    def __post_init__(self) -> None:
        if self.input_tokens < self.fewest_words:
            raise ValueError(f"input_tokens={self.input_tokens}: must be at least {self.fewest_words}")
        if self.output_tokens < 1:
            raise ValueError(f"output_tokens={self.output_tokens}: must be at least 1")
        if self.inputs is not None and self.inputs < 1:
            raise ValueError(f"inputs={self.inputs}: must be at least 1")
        if not 0 < self.timeout_s < float("inf"):
            raise ValueError(f"timeout_s={self.timeout_s}: must be greater than 0 and finite")
        known = METRICS.objectives(self.kind)
        for name, bound in self.slo.items():
            if name not in known:
                raise ValueError(f"slo={name}: unknown objective; expected one of {', '.join(known)}")
            if not 0 < bound < float("inf"):
                raise ValueError(f"slo={name}={bound}: must be greater than 0 and finite")

    @property
    def fewest_words(self) -> int:
        """The number of words of the shortest possible prompt."""
        return UNIQUE_WORDS if self.unique_prompts else 1

    @property
    def kind(self) -> Kind:
        """What it asks for: a generated answer, or an encoding of its inputs."""
        return kind_of(self.inputs)

    @property
    def asked_prompt_tokens(self) -> int | None:
        """The length of each prompt or of all inputs; None if a dataset or `extra_body` brings them."""
        if self.dataset or PROMPT_FIELDS & self.extra_body.keys():
            return None
        return self.input_tokens * (self.inputs or 1)

    @property
    def asked_output_tokens(self) -> int | None:
        """The maximum length of each response; None if a dataset or `extra_body` may ask for another."""
        is_replaced = any(has(self.extra_body, path) for path in MAXIMUM_FIELDS)
        return None if self.dataset or is_replaced else self.output_tokens

    def asked(self) -> dict[str, Any]:
        """Return its fields by name, but for the one that means nothing to its kind."""
        fields = asdict(self)
        del fields["inputs" if self.inputs is None else "output_tokens"]
        return fields

    def seeded(self) -> "Workload":
        """Return the workload with a seed, a random one if it has none."""
        return replace(self, seed=secrets.randbits(32)) if self.seed is None else self
