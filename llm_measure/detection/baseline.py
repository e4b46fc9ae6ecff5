"""The recent past of a series, as its newest values are compared with it."""

from dataclasses import dataclass

import numpy as np

# Deviations count up to this number of spreads, so that a single outlier is never a change.
CLIP = 3.2
# The last values, whose spread may be greater than that of the whole past.
LATEST = 90
# What is added to the past at the clip: its tails may only not have been seen yet.
UNSEEN = 1.0
# A clock and a scheduler vary that much, however steady the rest is: 0.2 %.
LEAST_SPREAD = 0.002
MOST_CORRELATION = 0.8
NONE = np.empty(0)


def robust_deviation(differences: np.ndarray) -> float:
    """Return the standard deviation that a normal law around 0 with the same median deviation has."""
    return 1.4826 * float(np.median(np.abs(differences)))


@dataclass(frozen=True)
class Baseline:
    """The level and the noise of past log values.

    `center` is their median; `scale` their robust spread, in which deviations are counted; `past` the clipped
    deviations from their mean, `mean`. `inflation` is how much greater the spread of a sum is than that of
    independent values, since one run resembles the next; what `of` is given is one more reason.
    """

    center: float
    scale: float
    mean: float
    past: np.ndarray
    inflation: float

    @classmethod
    def of(cls, logs: np.ndarray, newest: np.ndarray = NONE, inflation: float = 1.0) -> "Baseline":
        """Return that of these values, at least two, which `newest` will be compared with."""
        center = float(np.median(logs))
        scale = max(robust_deviation(logs - center), LEAST_SPREAD)
        # By differences, of which a change of level affects one alone.
        steps = np.diff(np.concatenate([logs, newest])[-LATEST:]) / np.sqrt(2) / scale
        scale *= max(1.0, float(np.std(np.clip(steps, -CLIP, CLIP))))
        clipped = np.clip((logs - center) / scale, -CLIP, CLIP)
        mean = float(clipped.mean())
        past = clipped - mean
        variance = float(past @ past)
        correlation = float(past[1:] @ past[:-1]) / variance if variance else 0.0
        # An estimate; what may be chance does not count.
        correlation = min(max(correlation - 1 / np.sqrt(len(past)), 0.0), MOST_CORRELATION)
        inflation *= float(np.sqrt((1 + correlation) / (1 - correlation)))
        return cls(center, scale, mean, past, inflation)

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.past)

    @property
    def level(self) -> float:
        """The mean of the log values, outliers clipped."""
        return self.center + self.mean * self.scale

    def deviations(self, logs: np.ndarray) -> np.ndarray:
        """Return how far values are from the level, in spreads, clipped."""
        return np.clip((logs - self.center) / self.scale, -CLIP, CLIP) - self.mean

    def error(self, size: int) -> float:
        """Return the standard error of the difference between the level and the mean of `size` values."""
        deviation = max(float(self.past.std()), 0.5) * self.scale * self.inflation
        return deviation * float(np.sqrt(1 / size + 1 / self.size))

    def cumulant(self, tilt: float) -> float:
        """Return the cumulant generating function of a deviation, but at least that of a normal law."""
        unseen = UNSEEN * np.exp(abs(tilt) * CLIP)
        mean = (np.exp(tilt * self.past).sum() + unseen) / (self.size + UNSEEN)
        return max(float(np.log(mean)), tilt * tilt / 2)
