"""How a request ended, as its stream goes by it."""

from typing import NamedTuple

from llm_measure.records import Record


class Outcome(NamedTuple):
    """How a request ended."""

    record: Record
    ended_ns: int | None  # when a right response ended; None if it failed
    wait_s: float | None = None  # what a Retry-After asks for
