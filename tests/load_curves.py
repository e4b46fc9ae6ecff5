"""Measured levels of workloads, with made-up values."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.factories import add_llm, add_scenario
from tests.webapp.api.shown_runs import finish_run, show
from webapp.store import Connection, catalogue

LEVELS = (1, 2, 4, 8, 16)


def slowed(streams: int, itl: float = 0.02, slowdown: float = 0.2) -> dict[str, Sequence[float]]:
    """The values of a server that slows down with each stream, as the mock server does.

    By throughput over latency, the knee is at (1 - slowdown) / slowdown streams.
    """
    factor = 1 + slowdown * (streams - 1)
    return {
        "ttft": [0.1 * factor] * 90 + [0.2 * factor] * 10,
        "itl": [itl * factor] * 100,
        "e2e_latency": [itl * factor * 100] * 100,
        "tps": [1 / (itl * factor)] * 100,
        "output_throughput": [streams / (itl * factor)],
        "rps": [streams / (itl * factor) / 100],
    }


def store_levels(
    conn: Connection,
    now: datetime,
    llms: Mapping[str, float],
    levels: Sequence[int] = LEVELS,
    name: Callable[[int], str] = "chat@c{}".format,
    values: Callable[..., dict[str, Sequence[float]]] = slowed,
    **definition: Any,
) -> None:
    """Store and show a run of each LLM at each level; `llms` are their inter-token latencies by name.

    LLMs and levels that are missing are added.
    """
    with conn:
        for llm in llms:
            if catalogue.llm_id(conn, llm) is None:
                add_llm(conn, llm)
        for level in levels:
            if catalogue.scenario_id(conn, name(level)) is None:
                add_scenario(conn, name(level), {"slo": {"ttft": 0.5}, "inputs": None, **definition})
    for level in levels:
        of_llms = {llm: values(level, itl) for llm, itl in llms.items()}
        finish_run(conn, now, of_llms, source="measurement", scenario=name(level))
    show(conn, now)
