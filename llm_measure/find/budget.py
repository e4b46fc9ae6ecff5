"""How many requests a capacity search needs: a level must be able to decide each objective."""

from collections.abc import Sequence
from math import ceil, floor, log, log10

from llm_measure.find.objectives import Target

LOOKS = 4  # at a level, at most: each look may err
SHARE_OF_BUDGET = 0.25  # that one level may use
SPARE = 1.3  # by which a level exceeds the fewest requests that could decide, since its end is left out


def error_of_look(confidence: float) -> float:
    """Return the probability of a wrong verdict to spend at each look at a level."""
    return (1 - confidence) / LOOKS


def fewest(target: Target, confidence: float) -> int:
    """Return after how many independent values the objective is certainly met if none exceeds its bound."""
    return ceil(log(error_of_look(confidence)) / log(1 - target.allowed))


def deciding(wanted: Sequence[Target], confidence: float) -> int:
    """Return the number of requests of a level that can meet all the objectives."""
    return ceil(SPARE * max(fewest(target, confidence) for target in wanted))


def check_budget(budget: int, wanted: Sequence[Target], confidence: float) -> None:
    """Raise ValueError if the part of the budget that a level may use is too small for an objective."""
    least = _rounded_up(deciding(wanted, confidence) / SHARE_OF_BUDGET)
    if budget < least:
        strictest = min(wanted, key=lambda target: target.allowed)
        raise ValueError(
            f"budget={budget}: too few requests for {strictest.name} at confidence {confidence:g};"
            f" expected at least {least}"
        )


def _rounded_up(number: float) -> int:
    """Return the next whole number of two significant digits."""
    unit = 10 ** max(floor(log10(number)) - 1, 0)
    return ceil(number / unit) * unit
