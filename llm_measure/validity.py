"""Whether a level measured the endpoint, or the client."""

from collections.abc import Sequence

import numpy as np

from llm_measure.metrics.clumps import share_read_late
from llm_measure.records import SECOND_NS, Record
from llm_measure.results import ClientTime
from llm_measure.workloads import MAX_PAUSE_S, Load

MAX_LAG_MS = 20.0
MAX_LATE = 0.01  # of the requests; a single one is chance
MAX_BUSY = 0.9  # of one processor
MAX_UNSURE_NS = 1_000_000  # of the moment of a first token
MAX_READ_LATE = 0.05  # of the chunks, whose moments are then estimates
# Of the level's duration. In trials, mean ttft was wrong by at most 4 ms below it, by up to 270 ms above.
MAX_WAIT = 0.15
LEAST_WAIT_S = 0.05  # a single time slice of another program says nothing about a short level
MIN_HELD = 0.9  # of the concurrency or the rate


def why_invalid(load: Load, records: list[Record], clients: Sequence[ClientTime]) -> str | None:
    """Return why the figures are not the endpoint's, or None if they are.

    `records` are all of the level, in any order; `clients` are its client processes.
    """
    measured = [record for record in records if not record.warmup and record.error != "cancelled"]
    if not measured:
        return "no request was measured to its end"
    if all(record.error for record in measured):
        return "no request succeeded"
    if limit := client_limit(records, clients):
        return f"the client was the limit: {limit}"
    return _not_held(load, records)


def client_limit(records: list[Record], clients: Sequence[ClientTime]) -> str | None:
    """Return by what the client changed the figures of its records, or None if it did not."""
    measured = [record for record in records if not record.warmup and record.error != "cancelled"]
    busy = max(client.busy_s / client.lasted_s for client in clients)
    if busy > MAX_BUSY:
        return f"it used {busy:.0%} of a processor; more client processes may help"
    waited_s, share = max((client.waited_s, client.waited_s / client.lasted_s) for client in clients)
    if share > MAX_WAIT and waited_s > LEAST_WAIT_S:
        return (
            f"it waited {waited_s:.2g} s, {share:.0%} of the level, for a processor that other programs used"
        )
    some = max(1, MAX_LATE * len(measured))
    late = sum(record.late_ms > MAX_LAG_MS for record in measured)
    if late > some:
        return f"{late} of {len(measured)} requests were sent more than {MAX_LAG_MS:g} ms late"
    unsure = sum(record.first_token_unsure_ns > MAX_UNSURE_NS for record in measured)
    if unsure > some:
        return f"it read {unsure} of {len(measured)} first tokens late, together with later ones"
    read_late = share_read_late(measured) or 0
    if read_late > MAX_READ_LATE:
        return f"it read {read_late:.0%} of the chunks late, together with later ones"
    return None


def _not_held(load: Load, records: list[Record]) -> str | None:
    """Return why the load was not held until the last request was sent, or None if it was."""
    # Up to the beginning of the last conversation, since other streams end before its later turns.
    begun = [record for record in records if record.turn in (None, 1)]
    sent = np.sort([record.sent_ns for record in begun])
    if load.concurrency is not None:
        if len(sent) < load.concurrency:
            return f"concurrency {load.concurrency} was never reached by {len(sent)} {_unit(begun)}"
        begin, end = sent[load.concurrency - 1], sent[-1]
        if end > begin and (held := _in_flight(records, begin, end)) < MIN_HELD * load.concurrency:
            return (
                f"concurrency {load.concurrency} was not held: {held:.1f} requests were in flight on average"
            )
    elif len(sent) > 1:
        intended = np.sort([record.intended_ns for record in begun])
        planned, actual = intended[-1] - intended[0], sent[-1] - sent[0]
        if load.speed is not None:  # many requests of a trace may be due at one moment
            actual = max(planned, actual - MAX_LAG_MS * 1e6)
        if actual > 0 and planned / actual < MIN_HELD:
            return f"the rate was not held: it was {planned / actual:.0%} of the planned rate"
    return None


def _unit(begun: list[Record]) -> str:
    return "conversations" if begun and begun[0].turn else "requests"


def _in_flight(records: list[Record], begin: int, end: int) -> float:
    """Return the mean number of requests in flight between two moments, including the pauses after them.

    These are after failures, and while users of conversations think.
    """
    pause_ns = int(MAX_PAUSE_S * SECOND_NS)
    spans = np.array(
        [
            (record.sent_ns, record.end_ns + max(pause_ns if record.error else 0, record.pause_ns or 0))
            for record in records
        ],
        dtype=np.int64,
    )
    inside = np.clip(spans, begin, end)
    return float((inside[:, 1] - inside[:, 0]).sum() / (end - begin))
