"""The self-check: the error of the measuring client, measured on a mock server whose times are known."""

import logging
from contextlib import closing
from datetime import UTC, datetime

import numpy as np

from jobs.lock import BusyError
from jobs.waiting_line import Waiting, in_turn
from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.metrics import derive
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from webapp.redis import cache_redis
from webapp.settings import Settings
from webapp.store import self_checks
from webapp.store.reconnect import connect_patiently
from webapp.store.self_checks import SelfCheckError

logger = logging.getLogger(__name__)

TOKENS = 50
KNOWN = Behaviour(ttft=0.2, itl=0.01)
# True seconds of each request, or of each gap between two tokens.
KNOWN_S = {
    "ttft": KNOWN.ttft,
    "itl": KNOWN.itl,
    "e2e_latency": KNOWN.ttft + (TOKENS - 1) * KNOWN.itl,
}
WORKLOAD = Workload(output_tokens=TOKENS)
LOAD = Load(concurrency=50, requests=250, warmup=50)


def run_self_check(slot: int) -> Waiting | None:
    """Measure the mock server for the slot (Unix seconds) and store the errors; the RQ job.

    May be called any number of times for one slot: its errors are stored once. Returns Waiting if all
    processors of this machine are busy with measurements, or others wait for one.
    """
    settings = Settings.from_env()
    try:
        with in_turn(settings, cache_redis(settings)):
            errors = check()
    except BusyError:
        return Waiting()
    with closing(connect_patiently(settings)) as conn, conn:
        self_checks.insert(conn, datetime.fromtimestamp(slot, UTC), errors)
    logger.info("slot %d: self-check: %s", slot, "; ".join(map(str, errors)))
    return None


def check() -> list[SelfCheckError]:
    """Return the errors, measured minus known, by metric; raises RuntimeError if a request failed."""
    with running_mock_server(KNOWN) as base_url:
        result = measure_level(Endpoint(base_url, "mock"), WORKLOAD, LOAD)
    failed = [record.error for record in result.records if record.error]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(result.records)} requests failed: {failed[0]}")
    values = derive(result.records, {}, result.span)
    return [_error(metric, values[metric] - known, known) for metric, known in KNOWN_S.items()]


def _error(metric: str, errors: np.ndarray, known: float) -> SelfCheckError:
    # The clock counts nanoseconds.
    p50, p99 = (round(float(np.percentile(errors, q, method="inverted_cdf")), 9) for q in (50, 99))
    return SelfCheckError(metric=metric, n=len(errors), known_s=known, p50_s=p50, p99_s=p99)
