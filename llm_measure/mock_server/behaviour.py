"""How the mock server behaves: its options, and what they mean for one request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapreplace
from random import Random
from typing import Literal

from llm_measure.limits import MAX_TOKENS

Fate = Literal["answer", "error", "rate_limit", "stall", "truncate"]
Reasoning = Literal["streamed", "hidden", "uncounted"]
SplitCharacters = Literal["withheld", "empty", "replaced"]
UsageReport = Literal["requested", "zeros", "none"]
FATES = ("error_rate", "rate_limit_rate", "stall_rate", "truncate_rate")
TIMES = ("ttft", "ttft_std", "itl", "itl_std", "hold_open")
TOKENS = ("output_tokens", "reasoning_tokens", "cached_tokens", "template_tokens")
LEAST_CV = 0.001
# Beyond these, options make no sense or harm: each of the servers takes memory, and floating point loses the
# mean of a gamma distribution at large coefficients of variation, and draws without end at tiny ones.
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(TIMES, (0, 86_400)),
    **dict.fromkeys(TOKENS, (0, MAX_TOKENS)),
    **dict.fromkeys((*FATES, "invalid_answers"), (0, 1)),
    "buffer_chunks": (1, MAX_TOKENS),
    "tokens_per_word": (0.001, 100),
    "servers": (1, 100_000),
    "service_cv": (0, 10),
    "slowdown_per_stream": (0, 1_000),
}


@dataclass(frozen=True)
class Behaviour:
    """The options; times in seconds, rates as ratios of the requests. ValueError if one is out of range."""

    ttft: float = 0.2
    ttft_std: float = 0.0
    itl: float = 0.01  # from one token to the next
    itl_std: float = 0.0
    output_tokens: int | None = None  # at most; None: as many as are asked for
    chunk_tokens: Sequence[int] = (1,)  # of each chunk in turn
    split_tokens: bool = False  # each in two chunks, half a gap apart
    split_characters: SplitCharacters | None = None  # some have two tokens; how the first one is sent
    buffer_chunks: int = 1  # how many are held back and sent together
    role_first: bool = False  # a chunk with the role alone, immediately
    reasoning_tokens: int = 0  # how many of the output tokens, the first ones, are reasoning
    reasoning: Reasoning = "streamed"  # hidden: it is counted and takes no time after the first token
    count_eos: bool = False  # where the server ends the answer, a step after the last text
    usage: UsageReport = "requested"  # zeros: those are in each chunk before the last one
    template_tokens: int = 0  # that a chat template adds to each prompt
    tokens_per_word: float = 1.0  # of a prompt
    invalid_answers: float = 0.0  # ratio of the answers in JSON, and calls of tools, that are cut short
    cached_tokens: int = 0  # how many of the prompt's tokens are reported as cached
    hold_open: float = 0.0  # how long the body stays open after the stream's last event
    error_rate: float = 0.0
    rate_limit_rate: float = 0.0
    stall_rate: float = 0.0
    truncate_rate: float = 0.0
    servers: int | None = None  # how many requests are served at a time, the others in order; None: all
    service_cv: float = 0.0  # coefficient of variation of the factor by which a request's times differ
    slowdown_per_stream: float = 0.0  # ratio by which each further stream prolongs all times
    seed: int = 20
    api_key: str | None = field(default=None, repr=False)  # required of clients if given
    control: bool = False  # whether clients may change this behaviour

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name}={value}: must be from {least:,} to {most:,}")
        if 0 < self.service_cv < LEAST_CV:
            raise ValueError(f"service_cv={self.service_cv}: must be 0, or at least {LEAST_CV}")
        if sum(getattr(self, name) for name in FATES) > 1:
            raise ValueError(f"{', '.join(FATES)}: must not exceed 1 together")
        if not self.chunk_tokens or min(self.chunk_tokens) < 1:
            raise ValueError(f"chunk_tokens={self.chunk_tokens}: must be at least 1 each")
        if self.split_tokens and max(self.chunk_tokens) > 1:
            raise ValueError(f"chunk_tokens={self.chunk_tokens}: must be 1 with split_tokens")

    @property
    def parts_per_token(self) -> int:
        """The number of steps from one token to the next."""
        return 2 if self.split_tokens else 1

    def prompt_tokens(self, words: int, prompts: int = 1) -> int:
        """Return the number of tokens of that number of prompts which have that many words together."""
        return prompts * self.template_tokens + round(self.tokens_per_word * words)

    def reasoning_of(self, tokens: int) -> tuple[int, int]:
        """Return how many of that many output tokens are reasoning: streamed, and hidden."""
        reasoning = min(self.reasoning_tokens, tokens)
        return (0, reasoning) if self.reasoning == "hidden" else (reasoning, 0)


class ServiceQueue:
    """The servers, each with the moment from which it is free; whoever comes first is served first.

    Since a request's time of service is known when it arrives, so is when it begins.
    """

    def __init__(self, servers: int):
        self._free_ns = [0] * servers

    def wait_ns(self, now_ns: int, service_ns: int) -> int:
        """Return how long a request that arrives now waits, and keep a server for it."""
        begin_ns = max(now_ns, self._free_ns[0])
        heapreplace(self._free_ns, begin_ns + service_ns)
        return begin_ns - now_ns


class FaultInjector:
    """Draws the faults and the times of one server's requests, in the order in which they arrive."""

    def __init__(self, behaviour: Behaviour):
        self._behaviour = behaviour
        self._random = Random(behaviour.seed)  # noqa: S311  (nothing secret)

    def fate(self) -> Fate:
        """Draw what becomes of the next request."""
        drawn = self._random.random()
        fates: tuple[Fate, ...] = ("error", "rate_limit", "stall", "truncate")
        for name, fate in zip(FATES, fates, strict=True):
            drawn -= getattr(self._behaviour, name)
            if drawn < 0:
                return fate
        return "answer"

    def moments(self, steps: Sequence[int], streams: int) -> list[int]:
        """Draw when each piece is due, in ns after the request.

        `steps` is the number of gaps between the tokens, or their parts, since the piece before; `streams` is
        the number of streams in flight.
        """
        behaviour = self._behaviour
        served = streams if behaviour.servers is None else min(streams, behaviour.servers)
        slowdown = (1 + behaviour.slowdown_per_stream * (served - 1)) * self._factor()
        parts = behaviour.parts_per_token
        step, deviation = behaviour.itl / parts, behaviour.itl_std / parts**0.5
        at = self._spread(behaviour.ttft, behaviour.ttft_std) * slowdown
        moments = []
        for number in steps:
            for _ in range(number):
                at += self._spread(step, deviation) * slowdown
            moments.append(round(at * 1e9))
        return moments

    @property
    def is_steady(self) -> bool:
        """Whether all requests of one length have the same moments."""
        return not (
            self._behaviour.ttft_std
            or self._behaviour.itl_std
            or self._behaviour.slowdown_per_stream
            or self._behaviour.service_cv
        )

    def _factor(self) -> float:
        """Draw the factor of a request's times, of a gamma distribution with mean 1; 1 is exponential."""
        variance = self._behaviour.service_cv**2
        return self._random.gammavariate(1 / variance, variance) if variance else 1.0

    def _spread(self, mean: float, deviation: float) -> float:
        return max(0.0, self._random.gauss(mean, deviation)) if deviation else mean
