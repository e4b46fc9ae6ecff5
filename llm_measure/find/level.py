"""One level of a capacity search: its batches, and what they show so far."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, log
from statistics import NormalDist

import numpy as np

from llm_measure.capacity import Search, Step, Verdict
from llm_measure.find.budget import LOOKS, error_of_look, fewest
from llm_measure.find.judging import Errors, Growth, attained, growth
from llm_measure.find.objectives import Values, targets
from llm_measure.records import SECOND_NS, Record
from llm_measure.results import LevelResult
from llm_measure.text import printable

# A level is given up after this many looks if the distance of its shares from what is allowed is below this
# part of what the remaining requests could resolve.
HOPE_LOOKS, HOPE = 2, 0.6
MOST_TAIL = 0.2  # of a batch, which is left out at its end
NEARLY = 0.9  # of the requests that a level may have, since the end of each batch is left out


@dataclass(eq=False)
class Level:
    """A load, and the batches of requests that were measured under it."""

    load: float
    results: list[LevelResult] = field(default_factory=list)
    step: Step | None = None
    is_closed: bool = False  # whether it is not to be prolonged any more
    is_disturbed: bool = False  # whether the client, and not the endpoint, was the limit
    _values: dict[str, list[Values]] = field(default_factory=dict)
    _requests: int = 0
    _seconds: float = 0.0
    _successful: float = 0.0  # requests within those seconds

    @property
    def verdict(self) -> Verdict:
        """The verdict so far."""
        return self.step.verdict if self.step else "undecided"

    @property
    def is_open(self) -> bool:
        """Whether more requests may decide it."""
        return self.verdict == "undecided" and not self.is_closed

    def seems_missed(self, search: Search) -> bool:
        """Return whether more values exceed an objective's bound than may."""
        found = self.step.attained if self.step else {}
        return any(
            found[each.name].share > each.allowed for each in targets(search.slo) if each.name in found
        )

    def valueless(self) -> str | None:
        """Return an objective of which no response has a value; None if there is none."""
        if not self.step or not self._successful:
            return None
        return next((name for name, each in self.step.attained.items() if not each.effective), None)

    def why_enough(self, search: Search, most: int) -> str | None:
        """Return why to prolong it no further, of at most that many requests in all; None to prolong it."""
        if self.step is None:
            return None
        measured = self.step.requests
        if self._is_hopeless(search, most):
            return self._why_never_met(search, most) or "too close to the capacity for the budget"
        if measured >= NEARLY * most or len(self.results) >= LOOKS:
            most_used = f"undecided after {measured:,} requests, the most that the budget has for one level"
            return self._why_never_met(search, measured) or most_used
        return None

    def _why_never_met(self, search: Search, most: int) -> str | None:
        """Return why that many requests in all, which depend on each other, cannot show that it is met."""
        if self.step is None:
            return None
        for target in targets(search.slo):
            found, measured = self.step.attained[target.name], self.step.requests
            is_within = found.verdict == "undecided" and found.share <= target.allowed
            least = fewest(target, search.confidence)
            if is_within and found.effective * most < least * measured:
                return (
                    f"too few requests for {target.name}: {measured:,} that depend on each other say as much"
                    f" as {found.effective:,} independent ones, of {least:,} at least"
                )
        return None

    def _is_hopeless(self, search: Search, most: int) -> bool:
        """Return whether that many requests in all would hardly decide it, so close to the capacity."""
        step = self.step
        if step is None or len(self.results) < HOPE_LOOKS or not step.requests:
            return False
        wanted = targets(search.slo)
        reach = -NormalDist().inv_cdf(errors_of(search).met) * (step.requests / most) ** 0.5
        pairs = [(each.allowed, step.attained[each.name]) for each in wanted]
        undecided = [(allowed, found) for allowed, found in pairs if found.verdict == "undecided"]
        return bool(undecided) and all(
            abs(found.share - allowed) < HOPE * reach * (allowed / max(found.effective, 1)) ** 0.5
            for allowed, found in undecided
        )

    @property
    def stay_s(self) -> float:
        """How long a request, or a conversation, of the newest batch lasted on average."""
        return stay_s(self.results[-1].records)

    def add(self, result: LevelResult, search: Search, others: Sequence["Level"]) -> None:
        """Take another batch into account; what is known of other levels bounds what it can say."""
        self.results.append(result)
        records = steady(result.records)
        self._requests += len(records)
        self._seconds += result.span.seconds
        self._successful += sum(result.span.share(each) for each in result.records if each.error is None)
        for target in targets(search.slo):
            self._values.setdefault(target.name, []).append(target.values(records))
        self.step = self._judged(search, records, others)

    def give_up(self, reason: str | None) -> None:
        """Leave it undecided, for the reason, which also explains what seems missed."""
        self.is_closed = True
        if self.step:
            found = {
                name: replace(each, verdict="undecided") if each.verdict == "missed" else each
                for name, each in self.step.attained.items()
            }
            self.step = replace(self.step, verdict="undecided", attained=found, reason=reason)

    def _judged(self, search: Search, newest: Sequence[Record], others: Sequence["Level"]) -> Step:
        wanted = targets(search.slo)
        errors = errors_of(search)
        found = {
            target.name: attained(
                target, self._values[target.name], errors, self._most_effective(target.name, others)
            )
            for target in wanted
        }
        trend = growth(newest, errors) if search.kind == "rate" else Growth(None, "met")
        reason = None
        if trend.verdict == "missed":
            reason = f"the load was not sustained: latency grew by {trend.value:.2g} s per second"
        return Step(
            load=self.load,
            requests=self._requests,
            attained=found,
            verdict=_together([*(each.verdict for each in found.values()), trend.verdict]),
            throughput=self._successful / self._seconds if self._seconds else None,
            growth=trend.value,
            reason=reason,
        )

    def _most_effective(self, objective: str, others: Sequence["Level"]) -> float:
        """Return the ratio of independent values to requests that is to be expected between its neighbours.

        Dependence grows with the load. A short level may not have met the long queues that show it; a longer
        one than its neighbours shows more than they do.
        """
        known = sorted(
            (log(step.load), log(step.attained[objective].effective / step.requests))
            for step in (level.step for level in others)
            if step and step.requests >= max(self._requests / 2, 1) and step.attained[objective].effective
        )
        at = log(self.load)
        if not known or at < known[0][0]:
            return inf
        loads, ratios = np.array(known).T
        return exp(float(np.interp(at, loads, ratios)))


def errors_of(search: Search) -> Errors:
    """Return the probabilities of error to spend at each look, which together stay below the whole.

    Every objective must be met, but any one is enough to miss, and so is latency that grows at a rate.
    """
    each = error_of_look(search.confidence)
    return Errors(met=each, missed=each / (len(search.slo) + (search.kind == "rate")))


def failure(result: LevelResult) -> str | None:
    """Return how all requests failed, with the most frequent error; None if one succeeded or none ended."""
    failed = [record for record in result.records if record.error not in (None, "cancelled")]
    if not failed or any(record.error is None for record in result.records):
        return None
    ((error, number),) = Counter(record.error for record in failed).most_common(1)
    detail = next(record.error_detail for record in failed if record.error == error)
    those = " with" if number == len(failed) else f", {number} of them with"
    return f"all {len(failed)} requests failed{those} {error}" + (f": {printable(detail)}" if detail else "")


def steady(records: Sequence[Record]) -> list[Record]:
    """Return the measured requests, by planned moment, without those sent while the load faded.

    After the last sending, responses share the endpoint with fewer and fewer others.
    """
    ended = [record for record in records if not record.warmup and record.error != "cancelled"]
    ended.sort(key=lambda record: record.intended_ns)
    if not ended:
        return []
    begin, end = ended[0].intended_ns, ended[-1].intended_ns
    stay = sum(record.end_ns - record.intended_ns for record in ended) / len(ended)
    tail = min(stay, MOST_TAIL * (end - begin))
    return [record for record in ended if record.intended_ns <= end - tail]


def stay_s(records: Sequence[Record]) -> float:
    """Return the mean seconds from the planned sending of a request, or conversation, to its end; 0: none."""
    spans: dict[tuple[bool, int], tuple[int, int]] = {}
    for record in records:
        if record.error is None:
            key = (
                record.conversation is None,
                record.index if record.conversation is None else record.conversation,
            )
            begin, end = spans.get(key, (record.intended_ns, record.end_ns))
            spans[key] = (min(begin, record.intended_ns), max(end, record.end_ns))
    return sum(end - begin for begin, end in spans.values()) / SECOND_NS / len(spans) if spans else 0.0


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    if "missed" in verdicts:
        return "missed"
    return "undecided" if "undecided" in verdicts else "met"
