"""Whether an endpoint misses its objectives however low the load is."""

from llm_measure.capacity import Capacity
from llm_measure.find.level import Level


def misses_always(found: Capacity) -> bool:
    """Return whether even the least load misses the objectives: one request after another.

    A search by rate begins with a few of them. Without this, it would look for ever lower rates.
    """
    if found.low is not None or found.high is None:
        return False
    if found.search.kind == "concurrency":
        return found.high <= 1
    alone = Level(load=1)
    alone.add(found.levels[0], found.search, others=())
    return alone.verdict == "missed"
