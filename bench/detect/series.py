"""Series of runs whose level changes are known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEVEL = 0.4  # s, as of a TTFT
START = 1_750_000_000  # Unix seconds, on a Sunday
HOUR, DAY, WEEK = 3600, 86_400, 604_800
RHYTHM = 0.15
LONG_GAP = 3 * DAY
KNOWN_RUNS = 500  # before the first look, or before the change

Noise = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Series:
    """Runs, oldest first: `times` in Unix seconds, `values` in seconds."""

    times: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Condition:
    """How runs differ while the level is steady.

    `noise` returns the relative deviations of N runs; `rhythm` the factor by Unix seconds; `missing` is the
    share of runs that are missing, in addition to those of a gap of 3 days.
    """

    name: str
    noise: Noise
    rhythm: Callable[[np.ndarray], np.ndarray] | None = None
    interval: int = HOUR
    missing: float = 0


@dataclass(frozen=True)
class Shift:
    """A change of level by the factor 1 + `size` from run `at` on, reached over `over` runs."""

    size: float
    at: int = KNOWN_RUNS
    over: int = 1

    def factors(self, runs: int) -> np.ndarray:
        """Return the factor of each run."""
        progress = np.clip((np.arange(runs) - self.at + 1) / self.over, 0, 1)
        return 1 + self.size * progress


STEADY = Shift(0)


def generate(condition: Condition, seed: int, runs: int, shift: Shift = STEADY) -> Series:
    """Return a series of `runs` runs."""
    rng = np.random.default_rng(seed)
    times = _times(rng, condition, runs)
    values = LEVEL * shift.factors(runs) * np.maximum(1 + condition.noise(rng, runs), 0.01)
    if condition.rhythm:
        values = values * condition.rhythm(times)
    return Series(times, values)


def _times(rng: np.random.Generator, condition: Condition, runs: int) -> np.ndarray:
    distances = np.full(runs, float(condition.interval))
    if condition.missing:
        distances *= rng.geometric(1 - condition.missing, runs)
        distances[rng.integers(1, runs)] += LONG_GAP
    # A rhythm has any phase, or all series would have their changes at the same hour.
    start = START + HOUR * rng.integers(WEEK // HOUR) if condition.rhythm else START
    return start + np.cumsum(distances)


def gaussian(spread: float) -> Noise:
    """Return normal noise with this standard deviation."""
    return lambda rng, runs: rng.normal(0, spread, runs)


def outliers(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return normal noise of 5 %, where 1 % of the runs are 1.5 to 3 times as large."""
    factors = np.where(rng.random(runs) < 0.01, rng.uniform(1.5, 3, runs), 1)
    return factors * (1 + rng.normal(0, 0.05, runs)) - 1


def heavy_tails(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return noise by Student's t with 3 degrees of freedom, with a standard deviation of 5 %."""
    return 0.05 * rng.standard_t(3, runs) / np.sqrt(3)


def skewed(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return noise by a log-normal law with sigma 0.5, with mean 0 and a standard deviation of 5 %."""
    variance = 0.5**2
    mean, deviation = np.exp(variance / 2), np.sqrt(np.expm1(variance) * np.exp(variance))
    return 0.05 * (rng.lognormal(0, 0.5, runs) - mean) / deviation


def growing(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return normal noise whose standard deviation grows from 3 % to 12 %."""
    return rng.normal(0, np.linspace(0.03, 0.12, runs))


def autocorrelated(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Return noise with a standard deviation of 5 % that is autoregressive of first order, 0.3."""
    found = rng.normal(0, 0.05, runs)
    for index in range(1, runs):
        found[index] = 0.3 * found[index - 1] + np.sqrt(1 - 0.3**2) * found[index]
    return found


def sinusoid(times: np.ndarray) -> np.ndarray:
    """Return factors that rise and fall by 15 % over each day."""
    return 1 + RHYTHM * np.sin(2 * np.pi * times / DAY)


def office_hours(times: np.ndarray) -> np.ndarray:
    """Return 1.15 from 9:00 to 17:00 of Monday to Friday, and 0.85 otherwise."""
    hours, weekdays = times % DAY / HOUR, (times // DAY + 4) % 7  # 1 January 1970 was a Thursday; 0: Sunday
    is_busy = (hours >= 9) & (hours < 17) & (weekdays >= 1) & (weekdays <= 5)
    return np.where(is_busy, 1 + RHYTHM, 1 - RHYTHM)


QUIET = Condition("2 % spread", gaussian(0.02))
USUAL = Condition("5 % spread", gaussian(0.05))
HARD = (
    Condition("single outliers", outliers),
    Condition("day rhythm, hourly", gaussian(0.05), sinusoid),
    Condition("day rhythm, 10 min", gaussian(0.05), sinusoid, 600),
    Condition("office hours, hourly", gaussian(0.05), office_hours),
    Condition("office hours, 10 min", gaussian(0.05), office_hours, 600),
    Condition("heavier tails", heavy_tails),
    Condition("skew", skewed),
    Condition("growing variance", growing),
    Condition("gaps", gaussian(0.05), missing=0.2),
    Condition("autocorrelation", autocorrelated),
)
CONDITIONS = (USUAL, QUIET, *HARD)
DRIFT = Shift(0.2, over=100)
