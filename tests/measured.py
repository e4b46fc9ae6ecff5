"""Made-up levels, stored as a worker stores measured ones."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from llm_measure.endpoints import Endpoint
from llm_measure.records import Record
from llm_measure.results import LevelResult, SendLag
from llm_measure.workloads import Load, Workload
from webapp.ingest.attempt import claimed
from webapp.ingest.persist import persist
from webapp.ingest.register import register
from webapp.plan.measurement import Measurement
from webapp.store import Connection

SECOND = 1_000_000_000
START = 77 * SECOND
NUMBERS = st.integers(-(2**80), 2**80)
MAYBE = st.none() | NUMBERS
# Requests with any numbers, true or not.
ANY_RECORDS = st.builds(
    Record,
    index=st.integers(0, 2**31 - 1), warmup=st.booleans(), intended_ns=NUMBERS, sent_ns=NUMBERS,
    end_ns=NUMBERS, connect_ns=NUMBERS, first_byte_ns=MAYBE, first_token_ns=MAYBE, last_token_ns=MAYBE,
    chunk_offsets_ns=st.lists(NUMBERS, max_size=3), chunk_tokens=st.lists(NUMBERS, max_size=3),
    late_chunks=NUMBERS, first_token_unsure_ns=NUMBERS,
    first_answer_ns=MAYBE, prompt_tokens=MAYBE, cached_tokens=MAYBE, output_tokens=MAYBE,
    reasoning_tokens=MAYBE, status=MAYBE, conversation=MAYBE, turn=MAYBE,
)  # fmt: skip


def measurement(llm: str = "Measured", **changes: object) -> Measurement:
    """A planned measurement of an endpoint that nobody asks."""
    parts = {
        "llm": llm,
        "company_name": "us",
        "provider": "us",
        "endpoint": Endpoint("http://127.0.0.1:9/v1", "m"),
        "api_key_env": None,
        "workload_name": "chat",
        "description": None,
        "workload": Workload(slo={"ttft": 0.5}),
        "load": Load(concurrency=8, requests=4),
        "interval": 600,
    }
    return Measurement(**{**parts, **changes})


def answered(
    index: int, ttft: float = 0.2, itl: float = 0.01, tokens: int = 5, warmup: bool = False
) -> Record:
    """A successful request with `tokens` tokens, one per chunk."""
    sent = START + index * SECOND
    offsets = [round((ttft + gap * itl) * SECOND) for gap in range(tokens)]
    return Record(
        index=index, warmup=warmup, intended_ns=sent - 1000, sent_ns=sent, end_ns=sent + offsets[-1] + 500,
        first_byte_ns=sent + offsets[0] - 100, first_token_ns=sent + offsets[0],
        first_answer_ns=sent + offsets[0], last_token_ns=sent + offsets[-1], chunk_offsets_ns=offsets,
        chunk_tokens=[1] * tokens, prompt_tokens=128, cached_tokens=64, output_tokens=tokens,
        reasoning_tokens=0, token_source="usage", finish_reason="length", answered_by="another", status=200,
    )  # fmt: skip


def failed(index: int, error: str = "timeout", detail: str = "no answer within 60 s") -> Record:
    """A request that was not answered."""
    sent = START + index * SECOND
    return Record(
        index=index, warmup=False, intended_ns=sent, sent_ns=sent, end_ns=sent + SECOND,
        error=error, error_detail=detail,
    )  # fmt: skip


def level(records: list[Record], invalid_reason: str | None = None) -> LevelResult:
    """A level of concurrency 8, which was never held, with these requests."""
    start_ns = next((record.intended_ns for record in records if not record.warmup), START)
    return LevelResult(
        load=Load(concurrency=8, requests=len(records)), records=records,
        started_at=datetime(2026, 11, 24, 12, tzinfo=UTC), start_ns=start_ns, duration_s=float(len(records)),
        client_cpu_s=0.25, client_wait_s=0.125, clock="kernel", send_lag=SendLag(p50=0.1, p99=0.5, max=1.5),
        valid=invalid_reason is None,
        invalid_reason=invalid_reason,
    )  # fmt: skip


def store_level(
    conn: Connection,
    settings,
    redis,
    slot: datetime,
    what: Measurement,
    result: LevelResult,
    job_id: str = "job",
) -> str | None:
    """Store the level as the run of that slot; the failure, if it is one."""
    register(conn, settings, redis, what)
    with claimed(
        conn, settings, source="measurement", scenario=what.scenario, slot=slot, job_id=job_id, llm=what.llm
    ) as attempt:
        return persist(conn, attempt, what.workload, result, what.rank_insecure, server=what.server)
