"""Distributions of lengths and times, written as texts, and drawn from by a request's number."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Literal

from llm_measure.files import reason

FORMS = "N, A..B, normal:MEAN,STDDEV, lognormal:MEAN,STDDEV or file:PATH"
# What is drawn for one request is independent of what else is drawn for it.
Purpose = Literal["input", "output", "prefix", "turns", "think"]
PURPOSES: dict[Purpose, int] = {"input": 1, "output": 2, "prefix": 3, "turns": 4, "think": 5}
LEAST, MOST = 1e-6, 1e9  # of means and deviations, so that what is drawn is finite
HIGHEST_DRAW = 1 - 2**-53
WORD = 2**64 - 1


class Distribution(ABC):
    """A distribution of numbers of at least 0; its values are functions of a draw from 0 up to 1."""

    @abstractmethod
    def real(self, draw: float) -> float:
        """Return the value whose probability of not being exceeded is `draw`."""

    def whole(self, draw: float) -> int:
        """Return the nearest whole number, at least 1."""
        return max(1, round(self.real(draw)))

    @property
    def least(self) -> float:
        """The smallest value."""
        return self.real(0.0)

    @property
    def most(self) -> float:
        """The largest value; of an unbounded distribution, the largest that is ever drawn."""
        return self.real(HIGHEST_DRAW)

    @property
    @abstractmethod
    def mean(self) -> float:
        """The mean."""


@dataclass(frozen=True)
class Constant(Distribution):
    """Always the same value."""

    value: float

    def real(self, draw: float) -> float:
        """Return the value."""
        return self.value

    @property
    def mean(self) -> float:
        """The value."""
        return self.value


@dataclass(frozen=True)
class Uniform(Distribution):
    """Every value between two equally often; of whole numbers, both ends included."""

    low: float
    high: float

    def real(self, draw: float) -> float:
        """Return a value between the ends."""
        return self.low + draw * (self.high - self.low)

    def whole(self, draw: float) -> int:
        """Return a whole number; each is equally likely."""
        # The highest draws are rounded up to the next number.
        return max(1, min(math.floor(self.low + draw * (self.high - self.low + 1)), math.floor(self.high)))

    @property
    def mean(self) -> float:
        """The middle."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Normal(Distribution):
    """The normal distribution without what is below 0."""

    mu: float
    sigma: float

    def real(self, draw: float) -> float:
        """Return a value of at least 0."""
        normal = NormalDist(self.mu, self.sigma)
        below = normal.cdf(0.0)
        return max(0.0, normal.inv_cdf(min(max(below + draw * (1 - below), 2**-60), HIGHEST_DRAW)))

    @property
    def mean(self) -> float:
        """The mean of what is left."""
        standard = NormalDist()
        alpha = -self.mu / self.sigma
        return self.mu + self.sigma * standard.pdf(alpha) / (1 - standard.cdf(alpha))


@dataclass(frozen=True)
class LogNormal(Distribution):
    """The lognormal distribution with this mean and standard deviation of its values."""

    mu: float
    sigma: float

    def real(self, draw: float) -> float:
        """Return a value above 0."""
        variance = math.log1p((self.sigma / self.mu) ** 2)
        median = self.mu / math.exp(variance / 2)
        standard = NormalDist().inv_cdf(min(max(draw, 2**-60), HIGHEST_DRAW))
        return median * math.exp(math.sqrt(variance) * standard)

    @property
    def mean(self) -> float:
        """The mean."""
        return self.mu


@dataclass(frozen=True)
class Empirical(Distribution):
    """The values of a file, each equally often."""

    values: tuple[float, ...]  # ascending

    def real(self, draw: float) -> float:
        """Return one of the values."""
        return self.values[min(int(draw * len(self.values)), len(self.values) - 1)]

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return math.fsum(self.values) / len(self.values)


def parse(text: float | str) -> Distribution:
    """Return the distribution that the text or number describes, see FORMS; raises ValueError."""
    kind, colon, rest = str(text).partition(":")
    if colon and kind == "file":
        return Empirical(_values_of(rest))
    makers: dict[str, Callable[[float, float], Distribution]] = {"normal": Normal, "lognormal": LogNormal}
    try:
        if colon:
            mean, deviation = map(_number, rest.split(","))
            if not (mean >= LEAST and deviation >= LEAST):
                raise ValueError
            return makers[kind](mean, deviation)
        ends = [_number(part) for part in kind.split("..")]
        low, high = ends if len(ends) > 1 else ends * 2
        if min(ends) < 0 or "..." in kind:  # 1...2 has the ends 1 and .2
            raise ValueError
    except (ValueError, KeyError):
        raise ValueError(f"must be one of {FORMS}") from None
    if low > high:
        raise ValueError(f"must be A..B with A at most B, such as {high:g}..{low:g}")
    return Constant(low) if low == high else Uniform(low, high)


def file_of(text: float | str) -> str | None:
    """Return the path of the file that a distribution is read from; None if there is none."""
    kind, _, path = str(text).partition(":")
    return path if kind == "file" else None


def _number(text: str) -> float:
    number = float(text)
    if not abs(number) <= MOST:
        raise ValueError
    return number


def shown(text: float | str) -> str:
    """Return the text of a distribution with the name of its file alone."""
    path = file_of(text)
    return f"file:{Path(path).name}" if path else str(text)


def _values_of(path: str) -> tuple[float, ...]:
    """Return the numbers of a file, one per line, ascending; ValueError with the line of a wrong one."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {reason(error)}") from None
    return _read_values(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)  # of a workload's few distributions, which are parsed again and again
def _read_values(path: str, changed_ns: int, size: int) -> tuple[float, ...]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {reason(error)}") from None
    values = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _number(line)
            if value < 0:
                raise ValueError
        except ValueError:
            raise ValueError(f"{path}:{number}: must be a number of at least 0") from None
        values.append(value)
    if not values:
        raise ValueError(f"{path}: empty; expected a number per line")
    return tuple(sorted(values))


def draw(seed: int, index: int, purpose: Purpose) -> float:
    """Return a number from 0 up to 1 that depends on all three alone, as if drawn at random.

    So every process knows what each request has. Source: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    """
    mixed = (_mixed(_mixed(seed) ^ PURPOSES[purpose]) + index * 0x9E3779B97F4A7C15) & WORD
    return (_mixed(mixed) >> 11) * 2**-53


def _mixed(state: int) -> int:
    state = (state + 0x9E3779B97F4A7C15) & WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & WORD
    return state ^ (state >> 31)
