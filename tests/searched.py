"""Made-up searches for the capacity, stored as a worker stores them."""

from dataclasses import replace
from datetime import datetime

from llm_measure.capacity import Attained, Capacity, Search, Step
from llm_measure.records import Record
from llm_measure.results import LevelResult
from llm_measure.workloads import Load
from tests.measured import answered, level, measurement
from webapp.ingest.attempt import claimed
from webapp.ingest.persist_search import persist_search
from webapp.ingest.register import register
from webapp.plan.measurement import Measurement
from webapp.store import Connection

SLO = {"ttft:p95": 0.5, "error_rate": 0.01}
SEARCH = Search("rate", SLO)
EACH = 3  # requests of a level


def searched(llm: str = "Measured", search: Search = SEARCH, **changes: object) -> Measurement:
    """A planned search of an endpoint that nobody asks."""
    return measurement(
        llm, **{"workload": replace(measurement().workload, slo={}), "load": search, **changes}
    )


def step(load: float, verdict: str, search: Search = SEARCH, throughput: float | None = None) -> Step:
    """A level whose TTFT grows with its load."""
    ttft = {"met": 0.3, "missed": 0.8, "undecided": 0.5}[verdict]
    return Step(
        load=load, requests=EACH, verdict=verdict, throughput=load if throughput is None else throughput,
        attained={
            "ttft:p95": Attained(ttft, ttft - 0.1, ttft + 0.1, verdict),
            "error_rate": Attained(0.0, 0.0, 0.004, "met"),
        },
    )  # fmt: skip


def found(
    low: float | None = 12.0,
    high: float | None = 13.0,
    *,
    search: Search = SEARCH,
    decided: bool = True,
    path: list[Step] | None = None,
    turns: bool = False,
    **changes: object,
) -> Capacity:
    """What a search found: the capacity is `low`; each level has a few correct responses, or turns."""
    if path is None:
        path = [step(load, verdict, search) for load, verdict in ((low, "met"), (high, "missed")) if load]
    levels = [_level(search, each.load, number, turns) for number, each in enumerate(path)]
    parts = {"capacity": low, "low": low, "high": high, "decided": decided, "requests": EACH * len(path)}
    return Capacity(search, **{**parts, "path": path, "levels": levels, **changes})


def _level(search: Search, load: float, number: int, turns: bool) -> LevelResult:
    records: list[Record] = [answered(EACH * number + index) for index in range(EACH)]
    if turns:
        records = [
            replace(record, conversation=number, turn=turn) for turn, record in enumerate(records, start=1)
        ]
    loads = Load(rate=load, requests=EACH) if search.kind == "rate" else Load(int(load), requests=EACH)
    return replace(level(records), load=loads)


def store_search(
    conn: Connection,
    settings,
    redis,
    slot: datetime,
    result: Capacity,
    what: Measurement | None = None,
    job_id: str = "job",
) -> str | None:
    """Store the search as the run of that slot; the failure, if it is one."""
    what = what or searched(search=result.search)
    register(conn, settings, redis, what)
    with claimed(
        conn, settings, source="measurement", scenario=what.scenario, slot=slot, job_id=job_id, llm=what.llm
    ) as attempt:
        return persist_search(conn, attempt, what.workload, result, what.rank_insecure, server=what.server)
