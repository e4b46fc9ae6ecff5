"""The search: doubling, then bisection, over levels that are prolonged until they are decided."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, inf, log, sqrt

from llm_measure.capacity import Capacity, Search
from llm_measure.find.level import LOOKS, Level, errors_of, failure, stay_s
from llm_measure.find.objectives import targets
from llm_measure.find.point import crossing, misses_always
from llm_measure.results import LevelResult
from llm_measure.workloads import Load

Measure = Callable[[Load], LevelResult]

TOLERANCE = 1.1  # of high / low: the point between them is then within 5 % of both
STEP = sqrt(TOLERANCE)
PROBE_REQUESTS = 8  # one after another; their rate is the first load of a search without a start
LEAST_REQUESTS = 64  # of a batch
LEAST_S = 1.0  # that a batch of a rate lasts, unless that exceeds its part of the budget
STAYS = 8  # how many times as long as a request a batch lasts at least
WARMUP = 0.15  # of a batch's measured requests, before them
FIRST_SHARE = 0.05  # of the budget, that a level near the capacity needs at least
SHARE_OF_BUDGET = 0.25  # that one level may use
NEARLY = 0.9  # of that, since the end of each batch is left out
SPARE = 1.3  # by which the first batches exceed the fewest requests that could decide


def find_capacity(
    search: Search, measure: Measure, on_progress: Callable[[Capacity], None] | None = None
) -> Capacity:
    """Search for the capacity, and return it with the path of levels that led to it.

    `measure` puts a load on the endpoint and returns the level; each call asks other prompts at other moments
    than those before. It is called again with the same load where a level is prolonged. `on_progress` gets
    what is known after each call, see `searching`.
    """
    for capacity in searching(search, measure):
        if on_progress:
            on_progress(capacity)
    return capacity


def searching(search: Search, measure: Measure) -> Iterator[Capacity]:
    """Yield what is known of the capacity after each call of `measure`, until the search ends.

    Whoever stops asking ends the search early.
    """
    return _Searcher(search, measure).run()


class _Searcher:
    def __init__(self, search: Search, measure: Measure):
        self._search, self._measure = search, measure
        self._levels: list[Level] = []
        self._results: list[LevelResult] = []
        self._spent = 0
        self._stay_s = 0.0  # of a request, or conversation, at the greatest load that is not missed
        self._turns = 1.0  # requests of a conversation on average; 1 without conversations
        self._is_limited = False  # whether the client could not hold a load
        self._reason: str | None = None  # why it ends without a result
        self._factor = 2.0 if search.start is None else TOLERANCE

    def run(self) -> Iterator[Capacity]:
        load = self._first()
        while load is not None and not self._reason and self._batch(load):
            found = self._found()
            yield found
            if found.decided and found.capacity is None:
                return
            load = self._next()
        if not self._levels:
            self._reason = (
                self._reason or f"budget={self._search.budget}: not enough for the turns of a level"
            )
            yield self._found()

    # What is known

    @property
    def _low(self) -> float | None:
        """The greatest load that was met; one above a missed load was met by chance."""
        high = self._high or inf
        met = (level.load for level in self._levels if level.verdict == "met" and level.load < high)
        return max(met, default=None)

    @property
    def _high(self) -> float | None:
        return min((level.load for level in self._levels if level.verdict == "missed"), default=None)

    def _is_narrow(self) -> bool:
        low, high = self._low, self._high
        if low is None or high is None:
            return False
        is_next = self._search.kind == "concurrency" and high - low <= 1
        return is_next or high / low <= TOLERANCE * (1 + 1e-9)

    def _found(self) -> Capacity:
        steps = [level.step for level in self._levels if level.step]
        low, high = self._low, self._high
        found = Capacity(
            search=self._search,
            capacity=None if self._reason else crossing(self._search, steps, low, high),
            low=low,
            high=high,
            decided=self._is_narrow() and not self._reason,
            requests=self._spent,
            reason=self._reason,
            path=steps,
            levels=list(self._results),
        )
        return replace(found, capacity=None, decided=True) if misses_always(found) else found

    # What is next

    def _first(self) -> float | None:
        search = self._search
        if search.kind == "concurrency":
            return self._rounded(search.start or 1)
        probe = self._measured(Load(concurrency=1, requests=PROBE_REQUESTS))
        self._stay_s = stay_s(probe.records)
        if search.start is not None:
            return search.start / STEP
        return 1 / self._stay_s if self._stay_s else 1.0

    def _next(self) -> float | None:
        """Return the load of the next batch, which prolongs a level or is a new one; None at the end."""
        low, high = self._low, self._high
        if high is None and not self._is_limited:
            return self._upwards()
        below = [level for level in self._levels if high is None or level.load < high]
        undecided = [level for level in below if low is None or level.load > low]
        is_open = [level.load for level in undecided if level.is_open]
        if is_open:
            return max(is_open)
        if high is None or self._is_limited or self._is_narrow():
            return None
        if low is None:
            return self._downwards()
        return self._between(low, high, sorted(undecided, key=lambda level: level.load))

    def _upwards(self) -> float:
        top = max(self._levels, key=lambda level: level.load)
        if top.is_open and (self._search.start is not None or self._seems_missed(top)):
            return top.load
        if top.is_closed:
            return self._rounded(top.load * STEP, up=True)
        return self._rounded(top.load * self._grown(), up=True)

    def _downwards(self) -> float | None:
        bottom = min(self._levels, key=lambda level: level.load)
        if self._search.kind == "concurrency" and bottom.load <= 1:
            return None
        return self._rounded(bottom.load / (STEP if bottom.is_closed else self._grown()))

    def _grown(self) -> float:
        """Return the factor to the next load, which grows up to doubling."""
        factor, self._factor = self._factor, min(self._factor**2, 2.0)
        return factor

    def _between(self, low: float, high: float, undecided: list[Level]) -> float | None:
        """Return a load within the bracket, next to levels that the budget could not decide."""
        if not undecided:
            return self._new(sqrt(low * high), up=True)
        lowest, highest = undecided[0], undecided[-1]
        below = above = None
        if lowest.load / low > STEP:
            below = self._new(max(lowest.load / STEP, sqrt(low * lowest.load)))
        if high / highest.load > STEP:
            above = self._new(min(highest.load * STEP, sqrt(high * highest.load)), up=True)
        return below or above if self._seems_missed(highest) else above or below

    def _new(self, load: float, up: bool = False) -> float | None:
        load = self._rounded(load, up)
        return None if any(level.load == load for level in self._levels) else load

    def _rounded(self, load: float, up: bool = False) -> float:
        if self._search.kind == "rate":
            return load
        return ceil(load - 1e-9) if up else max(1, int(load + 1e-9))

    def _seems_missed(self, level: Level) -> bool:
        wanted, found = targets(self._search.slo), level.step.attained if level.step else {}
        return any(found[target.name].share > target.allowed for target in wanted if target.name in found)

    # Measuring

    def _batch(self, load: float) -> bool:
        """Measure a batch at the load; return whether there were enough requests left for it."""
        level = next((level for level in self._levels if level.load == load), None) or Level(load)
        left = int((self._search.budget - self._spent) / (1 + WARMUP))
        requests = min(self._requests(level), left)
        if requests < LEAST_REQUESTS:
            return False
        begun = max(int(requests / self._turns), 1)
        asked = Load(
            **({"rate": load} if self._search.kind == "rate" else {"concurrency": int(load)}),
            requests=begun,
            warmup=int(begun * WARMUP),
        )
        result = self._measured(asked)
        others = [other for other in self._levels if other is not level]
        self._levels = self._levels if level in self._levels else [*self._levels, level]
        level.add(result, self._search, others)
        most = int(self._search.budget * SHARE_OF_BUDGET)
        if self._reason:
            level.give_up(self._reason)
        elif not result.valid:
            self._is_limited = True
            level.give_up(result.invalid_reason)
        elif level.is_open and self._is_enough(level, most):
            level.give_up("too close to the capacity for the budget")
        if level.verdict != "missed":
            self._stay_s = level.stay_s
        return True

    def _is_enough(self, level: Level, most: int) -> bool:
        """Return whether to prolong the level no further."""
        measured = level.step.requests if level.step else 0
        return (
            len(level.results) >= LOOKS or measured >= NEARLY * most or level.is_hopeless(self._search, most)
        )

    def _measured(self, load: Load) -> LevelResult:
        """Return the level, measured once more if something other than its load may have decided it.

        That is another program that disturbed the client, or an outage of the endpoint. One that lasts ends
        the search, since the levels that follow would be missed at any load.
        """
        result = self._run(load)
        is_disturbed = not result.valid and not _is_stopped(result)
        again = ((load.requests or 0) + load.warmup) * self._turns
        if (failure(result) or is_disturbed) and self._spent + again <= self._search.budget:
            result = self._run(load)
        if failed := failure(result):
            has_answered = any(record.error is None for each in self._results for record in each.records)
            self._reason = (
                f"the endpoint {'stopped answering' if has_answered else 'does not answer'}: {failed}"
            )
        return result

    def _run(self, load: Load) -> LevelResult:
        result = self._measure(load)
        self._results.append(result)
        self._spent += len(result.records)
        self._turns = max(len(result.records) / max(_begun(result), 1), 1.0)
        return result

    def _requests(self, level: Level) -> int:
        """Return the number of requests of the level's next batch, which makes it three times as long."""
        in_flight = level.load * self._stay_s if self._search.kind == "rate" else level.load
        first = int(self._search.budget * FIRST_SHARE)
        lasting = level.load * LEAST_S if self._search.kind == "rate" else 0
        least = max(LEAST_REQUESTS, ceil(STAYS * in_flight * self._turns), min(ceil(lasting), first))
        known = level.step.requests if level.step else 0
        if not known and self._high is None and self._search.start is None:
            return least
        error = errors_of(self._search).met
        deciding = SPARE * -log(error) / min(target.allowed for target in targets(self._search.slo))
        most = int(self._search.budget * SHARE_OF_BUDGET)
        requests = max(ceil(deciding), first, 3 * known) - known
        return max(least, min(requests, most - known))


def _is_stopped(result: LevelResult) -> bool:
    """Return whether the level ended before all of it was sent."""
    return _begun(result) < (result.load.requests or 0) + result.load.warmup


def _begun(result: LevelResult) -> int:
    """Return the number of requests or, with turns, of conversations."""
    return sum(record.turn in (None, 1) for record in result.records)
