"""What is asked of an endpoint, and under which load: plain data, validated when it is made."""

import secrets
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from llm_measure import distributions
from llm_measure.distributions import Constant, Distribution
from llm_measure.json_merge import has
from llm_measure.limits import MAX_TOKENS
from llm_measure.metrics import METRICS, Kind, kind_of

Expected = Literal["text", "tool", "json"]
DISTRIBUTED = ("input_tokens", "output_tokens", "turns", "think_time")  # fields, by text or number
WHOLE_CONVERSATIONS = "all"  # as many turns as the dataset's conversations have
NOT_OF_TRACES = ("dataset", "input_tokens", "output_tokens", "inputs", "turns", "unique_prompts")
MOST_TURNS = 1000
MOST_INPUTS = 10_000
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
    """One load level: how requests are sent, and when that ends; ValueError if it is unclear.

    A closed loop has a concurrency. An open loop has a rate, or the moments of the workload's trace, which
    are passed through at a speed; its `requests` are then the most that are sent, all of the trace if None.
    With conversations, `concurrency`, `rate`, `requests` and `warmup` count conversations.
    """

    concurrency: int | None = None  # closed loop: each response makes room for the next request
    rate: float | None = None  # open loop: requests per second, regardless of responses
    speed: float | None = None  # open loop: of the trace; 2.0 replays an hour of it in half an hour
    arrival: Literal["poisson", "constant"] = "poisson"  # of the open loop
    requests: int | None = None  # number of measured requests
    duration_s: float | None = None  # or for how long requests are sent
    warmup: int = 0  # requests that are sent first and left out of every metric

    def __post_init__(self) -> None:
        if [self.concurrency, self.rate, self.speed].count(None) != 2:
            raise ValueError("load: needs either a concurrency, a rate or the speed of a trace")
        if self.speed is not None and self.duration_s is not None:
            raise ValueError(f"duration_s={self.duration_s}: does not apply to a trace; give it a window")
        if self.speed is None and (self.requests is None) == (self.duration_s is None):
            raise ValueError("load: needs either a number of requests or a duration")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency={self.concurrency}: must be at least 1")
        for name in ("rate", "speed", "duration_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name}={value}: must be greater than 0 and finite")
        if self.requests is not None and self.requests < 1:
            raise ValueError(f"requests={self.requests}: must be at least 1")
        if self.warmup < 0:
            raise ValueError(f"warmup={self.warmup}: must be at least 0")
        if self.speed is not None and self.warmup:
            raise ValueError(f"warmup={self.warmup}: does not apply to a trace")
        if self.arrival not in ("poisson", "constant"):
            raise ValueError(f"arrival={self.arrival!r}: must be poisson or constant")

    @property
    def is_open(self) -> bool:
        """Whether requests are sent at planned moments, regardless of responses."""
        return self.concurrency is None

    @property
    def name(self) -> str:
        """The load in words, such as `concurrency 8` or `poisson 5/s`."""
        if self.concurrency is not None:
            return f"concurrency {self.concurrency}"
        if self.speed is not None:
            return f"trace at {self.speed:g}x"
        return f"{self.arrival} {self.rate:g}/s"

    @property
    def level(self) -> str:
        """The short name: c8 for concurrency 8, r2.5 for 2.5 requests/s, r2.5-constant if evenly spaced.

        x2 for a trace at twice its speed.
        """
        if self.concurrency is not None:
            return f"c{self.concurrency}"
        if self.speed is not None:
            return f"x{self.speed:g}"
        return f"r{self.rate:g}" + ("-constant" if self.arrival == "constant" else "")


@dataclass(frozen=True)
class Workload:
    """What each request asks; ValueError if it cannot be asked.

    Prompts are made of words that nearly every tokenizer takes as one token each, and differ from their
    first words on, so that no prefix cache of the server applies. The same seed gives the same prompts; None
    means a random one. Repeated measurements need different seeds, or the server's caches know the prompts.
    """

    input_tokens: int | str = 128  # a number or a distribution, see `distributions`
    output_tokens: int | str = 128  # asked for as the maximum, as well
    dataset: str | None = None  # path of a file with prompts, see `load.datasets`
    unique_prompts: bool = True
    seed: int | None = None
    timeout_s: float = 60.0  # of a whole request, from its sending
    slo: dict[str, float] = field(default_factory=dict)  # bounds by metric, in the metric's unit
    extra_body: dict[str, Any] = field(default_factory=dict)  # merged into each request's JSON; None removes
    # Texts per request, of input_tokens each, for APIs that encode; output_tokens then mean nothing.
    inputs: int | None = None
    # Turns of each conversation, a number, a distribution or WHOLE_CONVERSATIONS; None: single prompts.
    turns: int | str | None = None
    think_time: float | str = 0.0  # seconds from a response to the next turn, or their distribution
    shared_prefix: float = 0.0  # ratio of each prompt that it has in common with others
    prefixes: int = 1  # number of different common beginnings
    trace: str | None = None  # path of a trace, see `load.traces`
    trace_window: tuple[float, float] | None = None  # seconds of the trace, from and to
    expects: Expected = "text"  # what an answer must be: a tool call, or JSON
    answer_schema: str | None = None  # path of the JSON schema of the tool's arguments or of the answer

    def __post_init__(self) -> None:
        for name, least in (("input_tokens", self.fewest_words), ("output_tokens", 1)):
            given = getattr(self, name)
            length = _distribution(name, given)
            if length is None:
                continue
            if isinstance(length, Constant) and length.value < least:
                raise ValueError(f"{name}={given}: must be at least {least}")
            if isinstance(length, Constant) and length.value != int(length.value):
                raise ValueError(f"{name}={given}: must be a whole number")
            if length.mean > MAX_TOKENS:
                raise ValueError(f"{name}={given}: must be at most {MAX_TOKENS} on average")
        self._check_inputs()
        if not 0 < self.timeout_s < float("inf"):
            raise ValueError(f"timeout_s={self.timeout_s}: must be greater than 0 and finite")
        known = METRICS.objectives(self.kind)
        for name, bound in self.slo.items():
            if name not in known:
                raise ValueError(f"slo={name}: unknown objective; expected one of {', '.join(known)}")
            if not 0 < bound < float("inf"):
                raise ValueError(f"slo={name}={bound}: must be greater than 0 and finite")
        self._check_conversations()
        self._check_prefixes()
        self._check_trace()
        if self.expects not in get_args(Expected):
            raise ValueError(f"expects={self.expects!r}: must be one of {', '.join(get_args(Expected))}")
        if self.inputs is not None and self.expects != "text":
            raise ValueError(f"expects={self.expects}: does not apply to a workload with inputs")
        if self.answer_schema and self.expects == "text":
            raise ValueError("answer_schema: needs expects: tool or json")

    def _check_inputs(self) -> None:
        number, length = self.inputs, _distribution("input_tokens", self.input_tokens)
        if number is not None and not 1 <= number <= MOST_INPUTS:
            raise ValueError(f"inputs={number}: must be from 1 to {MOST_INPUTS}")
        if number and length and number * length.mean > MAX_TOKENS:
            raise ValueError(f"inputs={number}: must have at most {MAX_TOKENS} input_tokens together")

    def _check_conversations(self) -> None:
        _distribution("think_time", self.think_time)
        if self.turns is None:
            if self.think_time not in (0, "0"):
                raise ValueError(f"think_time={self.think_time}: needs turns")
            return
        if self.inputs is not None:
            raise ValueError(f"turns={self.turns}: does not apply to a workload with inputs")
        if brought := sorted(PROMPT_FIELDS & self.extra_body.keys()):
            raise ValueError(f"turns={self.turns}: bring {brought[0]}; leave it out of extra_body")
        if self.turns == WHOLE_CONVERSATIONS:
            if self.dataset is None:
                raise ValueError(f"turns={self.turns}: needs a dataset of conversations")
            return
        length = _distribution("turns", self.turns)
        if length and not 1 <= length.most <= MOST_TURNS:
            raise ValueError(f"turns={self.turns}: must be from 1 to {MOST_TURNS}")

    def _check_prefixes(self) -> None:
        if not 0 <= self.shared_prefix <= 1:
            raise ValueError(f"shared_prefix={self.shared_prefix}: must be from 0 to 1")
        if self.prefixes < 1:
            raise ValueError(f"prefixes={self.prefixes}: must be at least 1")
        if self.prefixes > 1 and not self.shared_prefix:
            raise ValueError(f"prefixes={self.prefixes}: needs shared_prefix")
        if self.shared_prefix and (self.dataset or self.trace or not self.unique_prompts):
            raise ValueError(f"shared_prefix={self.shared_prefix}: applies only to unique, generated prompts")

    def _check_trace(self) -> None:
        if self.trace is None:
            if self.trace_window:
                raise ValueError("trace_window: needs a trace")
            return
        for name in NOT_OF_TRACES:
            if getattr(self, name) != getattr(Workload, name):  # the default
                raise ValueError(f"trace: brings its requests; leave out {name}")
        if self.trace_window and not 0 <= self.trace_window[0] < self.trace_window[1] < float("inf"):
            raise ValueError(
                f"trace_window={self.trace_window}: must be two moments, the second one later, both finite"
            )

    @property
    def input_length(self) -> Distribution:
        """The distribution of the prompts' lengths in tokens, of at least `fewest_words`."""
        return distributions.parse(self.input_tokens)

    @property
    def output_length(self) -> Distribution:
        """The distribution of the maximum lengths of responses in tokens, of at least 1."""
        return distributions.parse(self.output_tokens)

    @property
    def files(self) -> dict[str, str]:
        """The paths of its files, by the field that names each."""
        named = {name: getattr(self, name) for name in ("dataset", "trace", "answer_schema")}
        drawn = {name: distributions.file_of(getattr(self, name)) for name in DISTRIBUTED}
        return {name: path for name, path in (named | drawn).items() if path}

    @property
    def fewest_words(self) -> int:
        """The number of words of the shortest possible prompt."""
        return UNIQUE_WORDS if self.unique_prompts else 1

    @property
    def kind(self) -> Kind:
        """What it asks for: a generated answer, or an encoding of its inputs."""
        return kind_of(self.inputs)

    @property
    def generates_prompts(self) -> bool:
        """Whether prompts are made of words, and neither a dataset nor `extra_body` brings them."""
        return not (self.dataset or PROMPT_FIELDS & self.extra_body.keys())

    @property
    def asks_for_length(self) -> bool:
        """Whether each prompt, or each input, has a length of `input_tokens`."""
        return self.generates_prompts and not (self.trace or self.turns)

    @property
    def asked_prompt_tokens(self) -> int | None:
        """The length of each prompt or of all inputs; None if it varies, or something else brings them."""
        length = _constant(self.input_tokens) if self.asks_for_length else None
        return None if length is None else length * (self.inputs or 1)

    @property
    def asks_for_maximum(self) -> bool:
        """Whether output_tokens are what each response is asked to have at most."""
        is_replaced = any(has(self.extra_body, path) for path in MAXIMUM_FIELDS)
        return not (self.dataset or self.trace or is_replaced)

    @property
    def asked_output_tokens(self) -> int | None:
        """The maximum length of each response; None if it varies, or something else may ask for another."""
        return _constant(self.output_tokens) if self.asks_for_maximum else None

    def asked(self) -> dict[str, Any]:
        """Return its fields by name, but for those that mean nothing to it.

        Those of SELDOM are left out at their defaults.
        """
        asked = asdict(self)
        del asked["inputs" if self.inputs is None else "output_tokens"]
        if self.trace:
            del asked["input_tokens"], asked["output_tokens"]
        for name, default in SELDOM.items():
            if asked[name] == default:
                del asked[name]
        return asked

    def seeded(self) -> "Workload":
        """Return the workload with a seed, a random one if it has none."""
        return replace(self, seed=secrets.randbits(32)) if self.seed is None else self


# Fields that few workloads have; they came later than scenarios that are stored without them.
SELDOM = {
    each.name: each.default
    for each in fields(Workload)
    if each.default is not MISSING
    and each.name
    not in ("input_tokens", "output_tokens", "dataset", "unique_prompts", "seed", "timeout_s", "inputs")
}


def _distribution(name: str, given: float | str) -> Distribution | None:
    """Return the distribution; None for one of a file, which may be elsewhere. ValueError names the field."""
    if distributions.file_of(given):
        return None
    try:
        return distributions.parse(given)
    except ValueError as error:
        raise ValueError(f"{name}={given}: {error}") from None


def _constant(given: float | str) -> int | None:
    """Return the length that all have; None if they vary."""
    length = None if distributions.file_of(given) else distributions.parse(given)
    return int(length.value) if isinstance(length, Constant) else None
