"""The choice of an LLM, and the reason for it in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from llm_measure.metrics import Metric
from llm_measure.stats.ranks import rank_intervals
from webapp.api.recommendation.candidates import Candidate
from webapp.windows import LATEST, WINDOWS_BY_NAME


@dataclass(frozen=True)
class Limits:
    """What a candidate must not exceed at the moment `now`; `stale_after` None: no values are scheduled."""

    now: datetime
    stale_after: timedelta | None
    max_error_rate: float

    def excludes(self, candidate: Candidate) -> str | None:
        """Return why the candidate should not be used; None if it can be."""
        last = datetime.fromisoformat(candidate.last_measured)
        if candidate.down_since:
            return f"down since {candidate.down_since}"
        if self.stale_after is not None and self.now > last + self.stale_after:
            return f"stale: no new values since {candidate.last_measured}"
        if (candidate.error_rate or 0) > self.max_error_rate:
            return f"error rate {candidate.error_rate:.3g}; expected at most {self.max_error_rate:g}"
        return None


def best_first(candidates: Sequence[Candidate], metric: Metric) -> list[Candidate]:
    """Return the candidates by value in the metric's direction; equal ones by name."""
    sign = 1 if metric.better == "lower" else -1
    return sorted(candidates, key=lambda each: (sign * each.value, each.llm_name))


def tied_with_best(ordered: Sequence[Candidate], metric: Metric) -> list[Candidate]:
    """Return those, after the first, that share rank 1 with it."""
    intervals = [None if each.low is None or each.high is None else (each.low, each.high) for each in ordered]
    ranks = rank_intervals(intervals, metric.better)
    return [each for each, rank in zip(ordered[1:], ranks[1:], strict=True) if rank.low == 1]


def reason(
    ordered: Sequence[Candidate], tied: Sequence[Candidate], metric: Metric, statistic: str, window: str
) -> str:
    """Return why the first of the candidates was chosen, in words."""
    what = f"{statistic} {metric.inline_title}"
    extreme = "lowest" if metric.better == "lower" else "highest"
    if len(ordered) == 1:
        parts = [f"only usable LLM with a {what} {_reach(window, 'in its latest run')}"]
    else:
        reach = _reach(window, "in their latest runs")
        parts = [f"{extreme} {what} of {len(ordered)} LLMs {reach}", _comparison(ordered, tied)]
    severity = ordered[0].incident
    return "; ".join([*parts, f"with an open {severity} incident" if severity else "no open incident"])


def _reach(name: str, latest: str) -> str:
    window = WINDOWS_BY_NAME[name]
    if window is LATEST:
        return latest
    return f"in the {window.title.lower()}" if window.reach else "of all time"


def _comparison(ordered: Sequence[Candidate], tied: Sequence[Candidate]) -> str:
    """Return how the first compares with the others."""
    if tied:
        return f"not distinguishable from {' and '.join(each.llm_name for each in tied)}"
    best, second = ordered[:2]
    side = "below" if best.value < second.value else "above"
    if not second.value:
        return f"{side} {second.llm_name}"
    percent = 100 * abs(best.value - second.value) / second.value
    return f"{percent:.{0 if percent >= 1 else 1}f} % {side} {second.llm_name}"
