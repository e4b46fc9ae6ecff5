"""The tokens of a level: those that were asked for, counted by the server, and seen in its streams."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llm_measure.load.conversations import turn_number
from llm_measure.load.lengths import Lengths
from llm_measure.records import Record
from llm_measure.workloads import Workload


@dataclass(frozen=True)
class PromptTokens:
    """Prompt tokens of the successful requests; None where nothing certain is known."""

    asked: int | None
    counted: int | None  # by the server, for every request
    cached: int | None  # of those counted

    @property
    def cached_share(self) -> float | None:
        """Return which part of the prompt tokens, from 0 to 1, the server had in a cache."""
        if self.cached is None or not self.counted:
            return None
        return min(self.cached / self.counted, 1.0)


@dataclass(frozen=True)
class OutputTokens:
    """Output tokens of the successful requests; None where nothing certain is known."""

    asked: int | None  # at most
    counted: int | None  # by the server, for every request
    seen: int  # those of the counted tokens that had text or, without a count, one for each chunk
    chunks: int  # with text


def prompt_tokens(
    workload: Workload, successful: Sequence[Record], lengths: Lengths | None = None
) -> PromptTokens:
    """Return the prompt tokens; servers that report cached ones may leave a count of none out."""
    cached = [record.cached_tokens for record in successful if record.cached_tokens is not None]
    return PromptTokens(
        asked=_sum_of(asked_prompt(workload, lengths), successful),
        counted=_sum(record.prompt_tokens for record in successful),
        cached=sum(cached) if cached else None,
    )


def output_tokens(
    workload: Workload, successful: Sequence[Record], lengths: Lengths | None = None
) -> OutputTokens:
    """Return the output tokens."""
    return OutputTokens(
        asked=_sum_of(_asked_output(workload, lengths), successful),
        counted=_sum(record.output_tokens if is_counted(record) else None for record in successful),
        seen=sum(sum(record.chunk_tokens) for record in successful),
        chunks=sum(len(record.chunk_offsets_ns) for record in successful),
    )


def is_counted(record: Record) -> bool:
    """Return whether the server counted the output tokens."""
    return record.token_source == "usage"  # noqa: S105  (no password)


def asked_prompt(workload: Workload, lengths: Lengths | None) -> Callable[[Record], int] | None:
    """Return how many prompt tokens a request asks for; None if that is unknown, or not by a length."""
    each, inputs = workload.asked_prompt_tokens, workload.inputs or 1
    if each is not None:
        return lambda record: each
    if lengths is None or not workload.asks_for_length:
        return None
    return lambda record: sum(lengths.input_tokens(record.index * inputs + each) for each in range(inputs))


def _asked_output(workload: Workload, lengths: Lengths | None) -> Callable[[Record], int] | None:
    each = workload.asked_output_tokens
    if each is not None:
        return lambda record: each
    if lengths is None or not workload.asks_for_maximum:
        return None
    return lambda record: lengths.output_tokens(_number(record))


def _number(record: Record) -> int:
    """Return the number by which lengths were drawn: the index, or that of a conversation's turn."""
    if record.conversation is None or record.turn is None:
        return record.index
    return turn_number(record.conversation, record.turn)


def _sum_of(asked: Callable[[Record], int] | None, requests: Sequence[Record]) -> int | None:
    return None if asked is None else sum(map(asked, requests))


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum; None without counts, or if one of them is unknown."""
    known = list(counts)
    return None if None in known or not known else sum(filter(None, known))
