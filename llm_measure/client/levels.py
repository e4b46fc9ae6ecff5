"""The levels of one measurement, one after another."""

from collections.abc import Callable
from dataclasses import dataclass

from llm_measure.client.level import FIRST, measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.progress import Progress, Stop
from llm_measure.records import Numbers
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload


@dataclass
class Levels:
    """Measures levels whose prompts and arrivals differ from those before; the workload has a seed."""

    endpoint: Endpoint
    workload: Workload
    counting: Counting = WORD_BY_WORD
    processes: int = 1
    next: Numbers = FIRST  # from which the next level numbers its requests and conversations

    def measure(
        self,
        load: Load,
        on_progress: Callable[[Progress], None] | None = None,
        stop: Stop | None = None,
    ) -> LevelResult:
        """Return the next level, see `measure_level`."""
        result = measure_level(
            self.endpoint,
            self.workload,
            load,
            first=self.next,
            processes=self.processes,
            on_progress=on_progress,
            stop=stop,
            counting=self.counting,
        )
        self.next = self.next.after(result.records)
        return result
