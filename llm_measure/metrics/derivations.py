"""Derivations: from one request, from the gaps between its tokens, and from a whole level."""

from collections.abc import Callable, Sequence
from itertools import chain
from math import inf

import numpy as np

from llm_measure.metrics.clumps import in_one_piece
from llm_measure.metrics.record import Sample, Values
from llm_measure.records import SECOND_NS, Record


def per_request(of: Callable[[Record], float | None]) -> Callable[[Sample], Values]:
    """Return a derivation with one value for each successful request that has one."""

    def derive(sample: Sample) -> Values:
        return [value for record in sample.successful if (value := of(record)) is not None]

    return derive


def ttft(record: Record) -> float | None:
    """Return the seconds from sending the request to its first token; None without a token."""
    return None if record.first_token_ns is None else (record.first_token_ns - record.sent_ns) / SECOND_NS


def ttfa(record: Record) -> float | None:
    """Return the seconds from sending the request to its first token that is no reasoning, or None."""
    return None if record.first_answer_ns is None else (record.first_answer_ns - record.sent_ns) / SECOND_NS


def reasoning_share(record: Record) -> float | None:
    """Return which part of the output tokens, from 0 to 1, is reasoning; None if that is unknown."""
    if record.reasoning_tokens is None or not record.output_tokens:
        return None
    return min(record.reasoning_tokens / record.output_tokens, 1.0)


def cached_tokens(record: Record) -> float | None:
    """Return how many tokens of the prompt the server had in a cache; None if it does not report them."""
    return record.cached_tokens


def prefill_throughput(record: Record) -> float | None:
    """Return the prompt tokens that were not cached, per second until the first token; None without any."""
    seconds, uncached = ttft(record), (record.prompt_tokens or 0) - (record.cached_tokens or 0)
    return uncached / seconds if seconds and uncached > 0 else None


def tpot(record: Record) -> float | None:
    """Return the seconds per token after the first; tokens in the first chunk all count as the first.

    None for a response in one piece.
    """
    if in_one_piece(record):
        return None
    later = sum(record.chunk_tokens[1:])
    if later < 1 or record.first_token_ns is None or record.last_token_ns is None:
        return None
    return (record.last_token_ns - record.first_token_ns) / SECOND_NS / later


def tps(record: Record) -> float | None:
    """Return the tokens per second after the first token."""
    each = tpot(record)
    return 1 / each if each else None


def e2e_latency(record: Record) -> float:
    """Return the seconds from sending the request to the last byte of its response."""
    return (record.end_ns - record.sent_ns) / SECOND_NS


def longest_gap(record: Record) -> float | None:
    """Return the request's longest gap between tokens in seconds."""
    return max(gaps([record]), default=None)


def if_streamed(value: Callable[[Record], float | None]) -> Callable[[Record], float | None]:
    """Return the value for an objective, which a response in one piece, of unknown pace, does not meet."""
    return lambda record: inf if in_one_piece(record) else value(record)


def gaps(records: Sequence[Record]) -> np.ndarray:
    """Return the seconds from each token to the next; a chunk of n tokens gives n gaps of an n-th each.

    A chunk of less than a token, such as a part of a character, has its gap, too, as on the wire. A response
    in one piece has no gaps.
    """
    responses = [record for record in records if record.chunk_offsets_ns and not in_one_piece(record)]
    at = np.fromiter(chain.from_iterable(record.chunk_offsets_ns for record in responses), dtype=np.int64)
    tokens = np.fromiter(chain.from_iterable(record.chunk_tokens for record in responses), dtype=np.int64)
    lengths = np.array([len(record.chunk_offsets_ns) for record in responses], dtype=np.int64)
    first = np.zeros(len(at), dtype=bool)
    first[np.cumsum(lengths) - lengths] = True
    later = ~first[1:]
    gaps_of_chunks = np.maximum(tokens[1:][later], 1)
    return np.repeat(np.diff(at)[later] / SECOND_NS / gaps_of_chunks, gaps_of_chunks)


def itl(sample: Sample) -> Values:
    """Derive every gap between tokens of all successful requests."""
    return gaps(sample.successful)


def rps(sample: Sample) -> Values:
    """Derive successful requests per second."""
    return _per_second(sample, lambda record: 1)


def output_throughput(sample: Sample) -> Values:
    """Derive output tokens per second over all requests."""
    return _per_second(sample, lambda record: record.output_tokens or 0)


def total_throughput(sample: Sample) -> Values:
    """Derive prompt and output tokens per second over all requests; nothing if a prompt was not counted."""
    if any(record.prompt_tokens is None for record, _ in sample.within):
        return []
    return _per_second(sample, lambda record: (record.prompt_tokens or 0) + (record.output_tokens or 0))


def inputs_throughput(sample: Sample) -> Values:
    """Derive encoded inputs per second over all requests."""
    return _per_second(sample, lambda record: sample.inputs)


def error_rate(sample: Sample) -> Values:
    """Derive the ratio of failed requests to all."""
    return [1 - len(sample.successful) / len(sample.requests)] if sample.requests else []


def valid_answers(sample: Sample) -> Values:
    """Derive the ratio of checked answers that are what is expected; nothing if none was checked."""
    checked = [record.answer_valid for record in sample.successful if record.answer_valid is not None]
    return [sum(checked) / len(checked)] if checked else []


def slo_attainment(sample: Sample) -> Values:
    """Derive the ratio of requests that met every objective to all; nothing without an objective."""
    if not sample.objectives or not sample.requests:
        return []
    return [sum(_conforms(sample, record) for record in sample.successful) / len(sample.requests)]


def goodput(sample: Sample) -> Values:
    """Derive requests per second that met every objective; nothing without an objective."""
    if not sample.objectives:
        return []
    return _per_second(sample, lambda record: _conforms(sample, record))


def latencies_from_intended(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Return ttft and e2e_latency in s counted from the planned moment of sending.

    The wait for a connection, or for a client that was late, counts here (coordinated omission).
    """
    successful = [record for record in records if not record.warmup and record.error is None]
    late = {
        "ttft": [
            (record.first_token_ns - record.intended_ns) / SECOND_NS
            for record in successful
            if record.first_token_ns is not None
        ],
        "e2e_latency": [(record.end_ns - record.intended_ns) / SECOND_NS for record in successful],
    }
    return {name: np.array(values, dtype=np.float64) for name, values in late.items()}


def _per_second(sample: Sample, amount: Callable[[Record], int]) -> Values:
    """Derive an amount per second of the span; a request that is partly within it counts in part."""
    if not sample.requests or sample.span.seconds <= 0:
        return []
    return [sum(amount(record) * part for record, part in sample.within) / sample.span.seconds]


def _conforms(sample: Sample, record: Record) -> bool:
    """Return whether a successful request met every objective."""
    return all(objective.is_met(record, bound) for objective, bound in sample.objectives)
