"""What responses show of the endpoint that sent them."""

from llm_measure.check.finding import Cache, Reasoning, Stream
from llm_measure.records import SECOND_NS, Record

BUFFERED_NS = 1_000_000  # from the first token to the last one of a response that came in one piece
LEAST_TOKENS = 4  # with text, of a response that shows whether it streams
END_TOKENS = 1
# By how much a repeated prompt's first token must come earlier to show a cache: this factor and this time.
CACHE_FACTOR, CACHE_S = 0.5, 0.03


def lacks_output(record: Record) -> bool:
    """Return whether tokens were counted and none came."""
    return record.error == "malformed" and bool(record.output_tokens) and record.first_token_ns is None


def ttft_s(record: Record) -> float | None:
    """Return the time to the first token."""
    return None if record.first_token_ns is None else (record.first_token_ns - record.sent_ns) / SECOND_NS


def stream_of(seen: list[Record]) -> Stream | None:
    """Return whether tokens come one after another; None if the responses are too short to see that."""
    spans = [
        record.last_token_ns - record.first_token_ns
        for record in seen
        if record.first_token_ns is not None
        and record.last_token_ns is not None
        and sum(record.chunk_tokens) >= LEAST_TOKENS
    ]
    if not spans:
        return None
    return "buffers" if max(spans) < BUFFERED_NS else "streams"


def broken_stream_of(record: Record) -> Stream | None:
    """Return in which way a failed response is no stream, if that is its fault."""
    if record.error == "truncated":
        return "breaks off"
    is_whole = record.error == "malformed" and "expected an event stream" in (record.error_detail or "")
    return "does not stream" if is_whole else None


def reasoning_of(seen: list[Record]) -> Reasoning:
    """Return whether there is reasoning, and whether it can be seen."""
    if any((each.output_tokens or 0) - sum(each.chunk_tokens) > END_TOKENS for each in seen):
        return "hidden"
    return "streamed" if any(each.reasoning_tokens for each in seen) else "none"


def cache_of(first: Record, again: Record) -> Cache:
    """Return what shows that the second of two same prompts was in a cache."""
    if again.cached_tokens:
        return "cached_tokens"
    before, after = ttft_s(first), ttft_s(again)
    if before and after and after < CACHE_FACTOR * before and before - after > CACHE_S:
        return "ttft"
    return "not seen"
