"""What is kept of each request."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

SECOND_NS = 1_000_000_000
ERROR_CLASSES = (
    "connect",  # no connection, or it ended before a response began
    "tls",  # untrusted certificate, or no common cipher
    "timeout",
    "http_4xx",
    "rate_limited",  # 429
    "http_5xx",
    "truncated",  # the response ended in the middle
    "malformed",  # not a stream, no JSON, a redirect, an impossible count, or beyond a limit
    "cancelled",  # by the client; part of no rate
)


@dataclass(slots=True)
class Record:
    """One request, successful or failed. Moments are of the monotonic clock, in ns."""

    index: int  # unique over all levels of one measurement
    warmup: bool
    intended_ns: int  # when the load's plan said to send it
    sent_ns: int  # when it was written to its connection or, without one, given up
    end_ns: int  # the last byte, or the failure
    connect_ns: int = 0  # how much of the time from intended to sent went into a connection or a new token
    first_byte_ns: int | None = None
    first_token_ns: int | None = None  # of content, reasoning or a tool call; a role alone is no token
    first_answer_ns: int | None = None  # the first token that is no reasoning
    last_token_ns: int | None = None
    chunk_offsets_ns: list[int] = field(default_factory=list)  # since sent_ns, of chunks with tokens
    chunk_tokens: list[int] = field(default_factory=list)  # seen in each such chunk; output_tokens at most
    late_chunks: int = 0  # read late, together with a later one, so that their moments are estimates
    first_token_unsure_ns: int = 0  # by how much its moment may therefore be wrong
    prompt_tokens: int | None = None
    cached_tokens: int | None = None  # of the prompt, which the server had in a cache
    output_tokens: int | None = None
    reasoning_tokens: int | None = None  # of the output
    token_source: Literal["usage", "chunks"] | None = None  # chunks: one token each, an estimate
    finish_reason: str | None = None
    answered_by: str | None = None  # the model, if the response names another than was asked
    # How long its stream then pauses: after a failure as a Retry-After asks, after an answer as the user of a
    # conversation thinks; None if neither.
    pause_ns: int | None = None
    status: int | None = None  # of HTTP
    error: str | None = None  # of ERROR_CLASSES
    error_detail: str | None = None
    conversation: int | None = None  # unique over all levels of one measurement, as `index`; None without one
    turn: int | None = None  # within the conversation, from 1
    answer_valid: bool | None = None  # whether it is what the workload expects; None if that is anything

    @property
    def late_ms(self) -> float:
        """How late it was sent; the time spent connecting counts for the network and the endpoint."""
        return (self.sent_ns - self.intended_ns - self.connect_ns) / 1e6

    def since(self, start_ns: int) -> "Record":
        """Return the same request with moments counted from `start_ns` instead of the clock's zero."""

        def shifted(moment: int | None) -> int | None:
            return None if moment is None else moment - start_ns

        return replace(
            self,
            intended_ns=self.intended_ns - start_ns,
            sent_ns=self.sent_ns - start_ns,
            end_ns=self.end_ns - start_ns,
            first_byte_ns=shifted(self.first_byte_ns),
            first_token_ns=shifted(self.first_token_ns),
            first_answer_ns=shifted(self.first_answer_ns),
            last_token_ns=shifted(self.last_token_ns),
        )


class Numbers(NamedTuple):
    """From which numbers on a level counts its requests and its conversations."""

    request: int = 0
    conversation: int = 0

    def after(self, records: Iterable[Record]) -> "Numbers":
        """Return those of the next level, from the records of this one."""
        request, conversation = self
        for record in records:
            request = max(request, record.index + 1)
            if record.conversation is not None:
                conversation = max(conversation, record.conversation + 1)
        return Numbers(request, conversation)
