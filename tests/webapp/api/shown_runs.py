"""Finished runs with chosen values, published as of a chosen time."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tests.factories import add_rollups, add_run
from webapp.store import Connection, views


def finish_run(
    conn: Connection,
    slot: datetime,
    values: Mapping[str, Mapping[str, Sequence[float]]],
    source: str = "simulation",
    scenario: str = "default",
) -> None:
    """Finish a run of each named LLM with these values of each named metric, without publishing it."""
    with conn:
        for llm, by_metric in values.items():
            add_rollups(conn, add_run(conn, slot, llm, source, scenario), by_metric)


def show(conn: Connection, now: datetime) -> int:
    """Refresh the views as of `now` and return the generation."""
    number = views.raise_generation(conn)
    views.refresh(conn, now, number)
    conn.commit()
    return number
