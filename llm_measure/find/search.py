"""The search: doubling, then bisection, over levels that are prolonged until they are decided."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil

from llm_measure.capacity import Capacity, Search
from llm_measure.find.budget import SHARE_OF_BUDGET, deciding
from llm_measure.find.course import STEP, Course
from llm_measure.find.level import Level, failure, stay_s
from llm_measure.find.objectives import targets
from llm_measure.find.point import crossing, misses_always
from llm_measure.results import LevelResult
from llm_measure.workloads import Load

Measure = Callable[[Load], LevelResult]

PROBE_REQUESTS = 8  # one after another; their rate is the first load of a search without a start
LEAST_REQUESTS = 64  # of a batch
LEAST_S = 1.0  # that a batch of a rate lasts, unless that exceeds its part of the budget
STAYS = 8  # how many times as long as a request a batch lasts at least
WARMUP = 0.15  # of a batch's measured requests, before them
FIRST_SHARE = 0.05  # of the budget, that a level near the capacity needs at least
CLOSE_TO_START = 2  # levels
CLIENT_LIMIT = "the client was the limit"


def find_capacity(search: Search, measure: Measure) -> Capacity:
    """Search for the capacity, and return it with the path of levels that led to it, see `searching`."""
    *_, capacity = searching(search, measure)
    return capacity


def searching(search: Search, measure: Measure) -> Iterator[Capacity]:
    """Yield what is known of the capacity after each level, until the search ends.

    `measure` puts a load on the endpoint and returns the level; each call asks other prompts at other moments
    than those before. It is called again with the same load where a level is prolonged. Whoever stops asking
    ends the search early.
    """
    return _Searcher(search, measure).run()


class _Searcher:
    def __init__(self, search: Search, measure: Measure):
        self._search, self._measure = search, measure
        self._course = Course(search)
        self._results: list[LevelResult] = []
        self._spent = 0
        self._stay_s = 0.0  # of a request, or conversation, at the greatest load that is not missed
        self._turns = 1.0  # requests of a conversation on average; 1 without conversations
        self._is_stopped = False  # whether a level was stopped before all of it was sent
        self._reason: str | None = None  # why it ends without a result

    def run(self) -> Iterator[Capacity]:
        load = self._first()
        while load is not None and not self._reason and self._batch(load):
            found = self._found()
            yield found
            if found.decided and found.capacity is None:
                return
            load = None if self._is_stopped else self._course.next_load()
        if not self._course.levels:
            self._reason = (
                self._reason or f"budget={self._search.budget}: not enough for the turns of a level"
            )
            yield self._found()

    def _found(self) -> Capacity:
        course = self._course
        valid = [level.step for level in course.levels if level.step and not level.is_disturbed]
        low, high = course.low, course.high
        found = Capacity(
            search=self._search,
            capacity=None if self._reason else crossing(self._search, valid, low, high),
            low=low,
            high=high,
            decided=course.is_narrow and not self._reason,
            requests=self._spent,
            reason=self._reason or self._client_limit(),
            path=[level.step for level in course.levels if level.step],
            levels=list(self._results),
        )
        return replace(found, capacity=None, decided=True) if misses_always(found) else found

    def _client_limit(self) -> str | None:
        """Return at which load the client was the limit, and why, if the search lacks that level."""
        level = self._course.disturbed()
        if level is None or level.step is None or level.step.reason is None:
            return None
        return f"{CLIENT_LIMIT} at {level.load:.4g}: {level.step.reason.removeprefix(f'{CLIENT_LIMIT}: ')}"

    def _first(self) -> float | None:
        search = self._search
        if search.kind == "concurrency":
            return max(1, int(search.start or 1))
        probe = self._measured(Load(concurrency=1, requests=PROBE_REQUESTS))
        self._stay_s = stay_s(probe.records)
        if search.start is not None:
            return search.start / STEP
        return 1 / self._stay_s if self._stay_s else 1.0

    def _batch(self, load: float) -> bool:
        """Measure a batch at the load; return whether there were enough requests left for it."""
        level = self._course.at(load) or Level(load)
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
        if level not in self._course.levels:
            self._course.levels.append(level)
        self._is_stopped = not result.valid and _is_stopped(result)
        level.is_disturbed = not (result.valid or self._is_stopped or self._reason)
        if level.step is None or not level.is_disturbed:
            others = [each for each in self._course.levels if each is not level and not each.is_disturbed]
            level.add(result, self._search, others)
        self._close(level, result)
        if level.verdict != "missed":
            self._stay_s = level.stay_s
        return True

    def _close(self, level: Level, result: LevelResult) -> None:
        """Give up a level of which more requests would say no more, or that ends the search."""
        if name := level.valueless():
            self._reason = f"slo={name}: no response has a value"
        most = int(self._search.budget * SHARE_OF_BUDGET)
        if self._reason or not result.valid:
            level.give_up(self._reason or result.invalid_reason)
        elif level.is_open and (reason := level.why_enough(self._search, most)):
            level.give_up(reason)

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
        if not known and self._course.high is None:
            # The first levels from a start are probably close to the capacity, where short ones mislead.
            is_close = self._search.start is not None and len(self._course.levels) < CLOSE_TO_START
            return max(least, first) if is_close else least
        enough = deciding(targets(self._search.slo), self._search.confidence)
        most = int(self._search.budget * SHARE_OF_BUDGET)
        requests = max(enough, first, 3 * known) - known
        return max(least, min(requests, most - known))


def _is_stopped(result: LevelResult) -> bool:
    """Return whether the level ended before all of it was sent."""
    return _begun(result) < (result.load.requests or 0) + result.load.warmup


def _begun(result: LevelResult) -> int:
    """Return the number of requests or, with turns, of conversations."""
    return sum(record.turn in (None, 1) for record in result.records)
