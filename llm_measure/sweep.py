"""Finding an endpoint's capacity: double the concurrency until throughput stops growing."""

from collections.abc import Callable, Iterator

from llm_measure.metrics import derive
from llm_measure.results import LevelResult

MAX_CONCURRENCY = 1024
MIN_GAIN = 1.05
MAX_ERRORS = 0.1


def sweep(
    measure: Callable[[int], LevelResult], on_limit: Callable[[], None] = lambda: None
) -> Iterator[LevelResult]:
    """Yield levels of concurrency 1, 2, 4, ... up to the first that is invalid, fails or gains nothing.

    Calls `on_limit` if throughput still grows at MAX_CONCURRENCY, where the sweep ends.
    """
    best, concurrency = 0.0, 1
    while concurrency <= MAX_CONCURRENCY:
        result = measure(concurrency)
        yield result
        values = derive(result.records, {}, result.span)
        rate = max(values["rps"], default=0.0)
        if not result.valid or rate < best * MIN_GAIN or max(values["error_rate"], default=1) > MAX_ERRORS:
            return
        best, concurrency = max(best, rate), 2 * concurrency
    on_limit()
