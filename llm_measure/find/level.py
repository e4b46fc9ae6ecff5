"""One level of a capacity search: its batches, and what they show so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from llm_measure.capacity import Search, Step, Verdict
from llm_measure.find.judging import Errors, Growth, attained, growth
from llm_measure.find.objectives import Target, Values, targets
from llm_measure.records import SECOND_NS, Record
from llm_measure.results import LevelResult

LOOKS = 4  # at a level, at most: each look may err
HOPE = 2  # looks, before a level is given up
MUCH = 0.6
MOST_TAIL = 0.2  # of a batch, which is left out at its end


@dataclass
class Level:
    """A load, and the batches of requests that were measured under it."""

    load: float
    results: list[LevelResult] = field(default_factory=list)
    step: Step | None = None
    is_closed: bool = False  # whether it is not to be prolonged any more
    _values: dict[str, list[Values]] = field(default_factory=dict)
    _requests: int = 0

    @property
    def verdict(self) -> Verdict:
        """The verdict so far."""
        return self.step.verdict if self.step else "undecided"

    @property
    def is_open(self) -> bool:
        """Whether more requests may decide it."""
        return self.verdict == "undecided" and not self.is_closed

    def is_hopeless(self, search: Search, most: float) -> bool:
        """Return whether that many requests in all would hardly decide it.

        They would if every share that is close to its limit came to lie beyond its standard error.
        """
        if self.step is None or len(self.results) < HOPE or not self.step.requests:
            return False
        reach = -NormalDist().inv_cdf(errors_of(search, 1).met) * (self.step.requests / most) ** 0.5
        open_ones = [
            each for each in targets(search.slo) if self.step.attained[each.name].verdict == "undecided"
        ]
        return bool(open_ones) and all(
            abs(found.share - each.allowed) < MUCH * reach * (each.allowed / max(found.effective, 1)) ** 0.5
            for each in open_ones
            for found in [self.step.attained[each.name]]
        )

    @property
    def stay_s(self) -> float:
        """How long a request, or a conversation, of the newest batch lasted on average."""
        return stay_s(self.results[-1].records)

    def add(self, result: LevelResult, search: Search) -> None:
        """Take another batch into account."""
        self.results.append(result)
        records = steady(result.records)
        self._requests += len(records)
        wanted = targets(search.slo)
        for target in wanted:
            self._values.setdefault(target.name, []).append(target.values(records))
        self.step = self._judged(search, wanted, records)

    def _judged(self, search: Search, wanted: Sequence[Target], newest: Sequence[Record]) -> Step:
        errors = errors_of(search, len(wanted))
        found = {each.name: attained(each, self._values[each.name], errors) for each in wanted}
        trend = growth(newest, errors) if search.kind == "rate" else Growth(None, "met")
        verdicts = [each.verdict for each in found.values()]
        grown = None
        if trend.verdict == "missed":
            grown = f"the load was not sustained: latency grew by {trend.value:.2g} s per second"
        return Step(
            load=self.load,
            requests=self._requests,
            attained=found,
            verdict=_together([*verdicts, trend.verdict]),
            throughput=_throughput(self.results),
            growth=trend.value,
            reason=grown,
        )


def errors_of(search: Search, objectives: int) -> Errors:
    """Return the probabilities of error to spend at each look, which together stay below the whole.

    Every objective must be met, but any one is enough to miss.
    """
    each = (1 - search.confidence) / LOOKS
    return Errors(met=each, missed=each / objectives)


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


def _throughput(results: Sequence[LevelResult]) -> float | None:
    """Return the successful requests per second of all batches."""
    seconds = sum(result.span.seconds for result in results)
    number = sum(
        result.span.share(record) for result in results for record in result.records if record.error is None
    )
    return number / seconds if seconds > 0 else None
