"""The tokens of a level: those that were asked for, counted by the server, and seen in its streams."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def prompt_tokens(workload: Workload, successful: Sequence[Record]) -> PromptTokens:
    """Return the prompt tokens; servers that report cached ones may leave a count of none out."""
    cached = [record.cached_tokens for record in successful if record.cached_tokens is not None]
    return PromptTokens(
        asked=_asked(workload.asked_prompt_tokens, successful),
        counted=_sum(record.prompt_tokens for record in successful),
        cached=sum(cached) if cached else None,
    )


def output_tokens(workload: Workload, successful: Sequence[Record]) -> OutputTokens:
    """Return the output tokens."""
    return OutputTokens(
        asked=_asked(workload.asked_output_tokens, successful),
        counted=_sum(record.output_tokens if is_counted(record) else None for record in successful),
        seen=sum(sum(record.chunk_tokens) for record in successful),
        chunks=sum(len(record.chunk_offsets_ns) for record in successful),
    )


def is_counted(record: Record) -> bool:
    """Return whether the server counted the output tokens."""
    return record.token_source == "usage"  # noqa: S105  (no password)


def _asked(each: int | None, requests: Sequence[Record]) -> int | None:
    return None if each is None else each * len(requests)


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum; None without counts, or if one of them is unknown."""
    known = list(counts)
    return None if None in known or not known else sum(filter(None, known))
