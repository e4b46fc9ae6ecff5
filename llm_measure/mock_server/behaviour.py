"""How the mock server behaves: its options, and what they mean for one request."""

from dataclasses import dataclass, field
from random import Random
from typing import Literal

Fate = Literal["answer", "error", "rate_limit", "stall", "truncate"]
RATES = ("error_rate", "rate_limit_rate", "stall_rate", "truncate_rate")


@dataclass(frozen=True)
class Behaviour:
    """The options; times in seconds, rates as ratios of the requests. ValueError if one is out of range."""

    ttft: float = 0.2
    ttft_std: float = 0.0
    itl: float = 0.01  # from one token to the next
    itl_std: float = 0.0
    output_tokens: int | None = None  # at most; None: as many as are asked for
    chunk_tokens: int = 1
    role_first: bool = False  # a chunk with the role alone, immediately
    reasoning_tokens: int = 0  # how many of the output tokens, the first ones, are reasoning
    no_usage: bool = False
    error_rate: float = 0.0
    rate_limit_rate: float = 0.0
    stall_rate: float = 0.0
    truncate_rate: float = 0.0
    slowdown_per_stream: float = 0.0  # ratio by which each further stream prolongs all times
    seed: int = 20
    api_key: str | None = field(default=None, repr=False)  # required of clients if given

    def __post_init__(self) -> None:
        for name in ("ttft", "ttft_std", "itl", "itl_std", "slowdown_per_stream"):
            if not 0 <= getattr(self, name) < 1e6:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0")
        for name in RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be from 0 to 1")
        if sum(getattr(self, name) for name in RATES) > 1:
            raise ValueError(f"{', '.join(RATES)}: must not exceed 1 together")
        if self.chunk_tokens < 1:
            raise ValueError(f"chunk_tokens={self.chunk_tokens}: must be at least 1")
        if self.output_tokens is not None and self.output_tokens < 0:
            raise ValueError(f"output_tokens={self.output_tokens}: must be at least 0")
        if self.reasoning_tokens < 0:
            raise ValueError(f"reasoning_tokens={self.reasoning_tokens}: must be at least 0")


class FaultInjector:
    """Draws the faults and the times of one server's requests, in the order in which they arrive."""

    def __init__(self, behaviour: Behaviour):
        self._behaviour = behaviour
        self._random = Random(behaviour.seed)  # noqa: S311  (nothing secret)

    def fate(self) -> Fate:
        """Draw what becomes of the next request."""
        drawn = self._random.random()
        fates: tuple[Fate, ...] = ("error", "rate_limit", "stall", "truncate")
        for name, fate in zip(RATES, fates, strict=True):
            drawn -= getattr(self._behaviour, name)
            if drawn < 0:
                return fate
        return "answer"

    def moments(self, chunks: list[int], streams: int) -> list[int]:
        """Draw when each chunk is due, in ns after the request.

        `chunks` are the tokens of each; `streams` is the number of streams in flight.
        """
        behaviour = self._behaviour
        slowdown = 1 + behaviour.slowdown_per_stream * (streams - 1)
        at = self._spread(behaviour.ttft, behaviour.ttft_std) * slowdown
        moments = []
        for number, tokens in enumerate(chunks):
            if number:
                for _ in range(tokens):
                    at += self._spread(behaviour.itl, behaviour.itl_std) * slowdown
            moments.append(round(at * 1e9))
        return moments

    @property
    def is_steady(self) -> bool:
        """Whether all requests of one length have the same moments."""
        return not (
            self._behaviour.ttft_std or self._behaviour.itl_std or self._behaviour.slowdown_per_stream
        )

    def _spread(self, mean: float, deviation: float) -> float:
        return max(0.0, self._random.gauss(mean, deviation)) if deviation else mean
