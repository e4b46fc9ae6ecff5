"""The metrics of a level, derived from its records, and derivable again from stored ones."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from jobs.measure.record import Record

SECOND_NS = 1e9


def derive(records: Sequence[Record], slo: Mapping[str, float], duration_s: float) -> dict[str, np.ndarray]:
    """Values (float64, in the metric's unit) by metric name; warm-up requests and cancelled ones left out.

    One value per request for ttft, tps, tpot and e2e_latency, one per gap between tokens for itl, one for
    rps, output_throughput, error_rate and, if there is an objective, goodput. A metric of which nothing is
    known has an empty array.
    """
    asked = [record for record in records if not record.warmup and record.error != "cancelled"]
    right = [record for record in asked if record.error is None]
    values: dict[str, Sequence[float] | np.ndarray] = {
        name: [value for record in right if (value := of(record)) is not None]
        for name, of in PER_REQUEST.items()
    }
    values["itl"] = gaps(right)
    if asked and duration_s > 0:
        values["rps"] = [len(right) / duration_s]
        values["output_throughput"] = [sum(record.output_tokens or 0 for record in right) / duration_s]
    if asked:
        values["error_rate"] = [1 - len(right) / len(asked)]
    if asked and slo:
        values["goodput"] = [sum(meets(record, slo) for record in right) / len(asked)]
    return {name: np.array(values.get(name, ()), dtype=np.float64) for name in NAMES}


def latencies_from_intended(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """ttft and e2e_latency in s from the moment at which the plan said to send, not from the sending itself.

    What a request waited for a connection, or for a client that was late, counts here.
    """
    right = [record for record in records if not record.warmup and record.error is None]
    late = {
        "ttft": [
            (record.first_token_ns - record.intended_ns) / SECOND_NS
            for record in right
            if record.first_token_ns is not None
        ],
        "e2e_latency": [(record.end_ns - record.intended_ns) / SECOND_NS for record in right],
    }
    return {name: np.array(values, dtype=np.float64) for name, values in late.items()}


def ttft(record: Record) -> float | None:
    """From the sending to the first token; an answer without a token has none."""
    return None if record.first_token_ns is None else (record.first_token_ns - record.sent_ns) / SECOND_NS


def tpot(record: Record) -> float | None:
    """Seconds for each token after the first; those that came in one chunk with the first count as it."""
    later = sum(record.chunk_tokens[1:])
    if later < 1 or record.first_token_ns is None or record.last_token_ns is None:
        return None
    return (record.last_token_ns - record.first_token_ns) / SECOND_NS / later


def tps(record: Record) -> float | None:
    """Tokens a second after the first one."""
    each = tpot(record)
    return 1 / each if each else None


def e2e_latency(record: Record) -> float:
    """From the sending to the answer's last byte."""
    return (record.end_ns - record.sent_ns) / SECOND_NS


def gaps(records: Sequence[Record]) -> np.ndarray:
    """Seconds from each token to the next; the gap before a chunk of n tokens is n gaps of an n-th.

    A chunk to which no token falls, as a part of a character, prolongs the gap before the next.
    """
    answers = [record for record in records if record.chunk_offsets_ns]
    at = np.fromiter(chain.from_iterable(answer.chunk_offsets_ns for answer in answers), dtype=np.int64)
    tokens = np.fromiter(chain.from_iterable(answer.chunk_tokens for answer in answers), dtype=np.int64)
    lengths = np.array([len(answer.chunk_offsets_ns) for answer in answers], dtype=np.int64)
    first = np.zeros(len(at), dtype=bool)
    first[np.cumsum(lengths) - lengths] = True
    kept = first | (tokens > 0)
    at, tokens, first = at[kept], tokens[kept], first[kept]
    later = ~first[1:]
    return np.repeat(np.diff(at)[later] / SECOND_NS / tokens[1:][later], tokens[1:][later])


def meets(record: Record, slo: Mapping[str, float]) -> bool:
    """Whether a request that was answered meets every objective; an answer without a token has no ttft to.

    itl is that of the slowest gap. What is not defined for so short an answer is no fault of it.
    """
    for name, bound in slo.items():
        value = max(gaps([record]), default=None) if name == "itl" else PER_REQUEST[name](record)
        if value is None and name == "ttft":
            return False
        if value is not None and value > bound:
            return False
    return True


PER_REQUEST: dict[str, Callable[[Record], float | None]] = {
    "ttft": ttft,
    "tps": tps,
    "tpot": tpot,
    "e2e_latency": e2e_latency,
}
NAMES = (*PER_REQUEST, "itl", "rps", "output_throughput", "error_rate", "goodput")
