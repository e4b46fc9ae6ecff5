"""What a level's requests are made from, read before it begins: its files may change or vanish meanwhile."""

from dataclasses import dataclass
from pathlib import Path

from llm_measure.load.datasets import count_rows
from llm_measure.load.lengths import Lengths
from llm_measure.load.traces import Trace, replayed
from llm_measure.workloads import Load, Workload


@dataclass(frozen=True)
class Sources:
    """The files of a workload, as far as its report needs them."""

    rows: int | None  # of the dataset, after which prompts repeat; None without one
    lengths: Lengths
    trace: Trace | None

    @classmethod
    def of(cls, workload: Workload, load: Load, seed: int) -> "Sources":
        """Read them; DatasetError, and ValueError for lengths or a trace that cannot be used."""
        # A request with several inputs takes as many rows.
        rows = count_rows(Path(workload.dataset)) // (workload.inputs or 1) if workload.dataset else None
        return cls(rows, Lengths.of(workload, seed), replayed(workload, load))
