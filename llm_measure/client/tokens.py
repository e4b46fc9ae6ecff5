"""How many output tokens a response has, and in which of its chunks they were seen.

A token's moment is its chunk's moment, so a chunk has one token unless it clearly holds more. What the server
counts beyond that may have no text: the end of the sequence, or reasoning that it hides.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from llm_measure.apis import Usage
from llm_measure.records import Record

# A token is at least a byte, but a chunk's own count is believed a little beyond its text.
TOKENS_PER_BYTE = 4
CUT_OFF = "length"  # the finish reason of an answer that the maximum ended, without a token for the end


@dataclass(slots=True)
class Chunks:
    """What is known of the chunks with tokens, in order."""

    sizes: list[int] = field(default_factory=list)  # by `apis.base.size`: no fewer than there are tokens
    counts: list[int | None] = field(default_factory=list)  # the server's count up to each of them
    reasoning: list[int] = field(default_factory=list)  # indexes of chunks that hold reasoning and no answer


def output_tokens(usage: Usage, chunks: Chunks) -> int | None:
    """Return the server's count, with reasoning that it left out; None if it has none."""
    counted, number = usage.completion_tokens, len(chunks.sizes)
    if not counted:
        return None if number else counted
    if _leaves_reasoning_out(usage, counted, chunks):
        return counted + (usage.reasoning_tokens or len(chunks.reasoning))
    return counted


def reasoning_tokens(usage: Usage, chunks: Chunks, chunk_tokens: list[int]) -> int | None:
    """Return the server's count of reasoning or, if it has none, what was streamed; None if unknown."""
    if usage.reasoning_tokens or not chunks.reasoning:
        return usage.reasoning_tokens
    return sum(chunk_tokens[index] for index in chunks.reasoning)


def tokens_of_chunks(total: int, usage: Usage, chunks: Chunks, has_end: bool) -> list[int]:
    """Return the number of tokens seen in each chunk, `total` of them at most.

    `has_end` says that the server ended the sequence, whose token it may have counted.
    """
    sizes, number = chunks.sizes, len(chunks.sizes)
    if total == number:
        return [1] * number
    hidden = 0 if chunks.reasoning else usage.reasoning_tokens or 0
    if reported := _reported(chunks.counts, sizes, total, hidden):
        return reported
    seen = total
    if hidden:
        seen = max(total - hidden, min(total, number))
    if seen > number and has_end:
        seen -= 1
    if seen > sum(sizes):  # more than the text can be: the rest is hidden
        seen = number
    return spread(seen, sizes)


def recounted(record: Record) -> list[int]:
    """Return the tokens seen in each chunk of a stored request, by today's rule as far as the row allows.

    In rows from before, which have no `first_answer_ns`, all tokens that the server counted are shared out by
    the length of the text. The shares are all that is left of the text, so hidden reasoning stays among them.
    """
    stored, total = record.chunk_tokens, record.output_tokens or 0
    if not stored or record.first_answer_ns is not None or sum(stored) != total:
        return stored
    has_end = total > len(stored) and record.finish_reason not in (None, CUT_OFF)
    return spread(total - has_end, stored)


def spread(total: int, sizes: list[int]) -> list[int]:
    """Return `total` tokens over chunks of these sizes: one in each, and the surplus in the longest.

    If there are fewer tokens than chunks, the first chunk and the longest have one each.
    """
    if total == len(sizes):
        return [1] * total
    if total < len(sizes):
        longest = sorted(range(1, len(sizes)), key=sizes.__getitem__, reverse=True)
        having = {0, *longest[: total - 1]} if total else set()
        return [int(index in having) for index in range(len(sizes))]
    surplus, length = total - len(sizes), sum(sizes)
    excess = [max(0, total * size - length) for size in sizes]  # above the length of a token
    shares = [divmod(surplus * each, sum(excess)) for each in excess] if any(excess) else []
    each = [1 + share for share, _ in shares] or [1] * len(sizes)
    by_rest = sorted(range(len(shares)), key=lambda index: shares[index][1], reverse=True)
    for index in by_rest[: total - sum(each)]:
        each[index] += 1
    return each


def _reported(counts: list[int | None], sizes: list[int], total: int, hidden: int) -> list[int] | None:
    """Return the tokens of each chunk by the server's count in it; None unless each has at least one.

    Counts that do not grow with each chunk are late or early, so they say nothing about a single chunk. Those
    of reasoning that is hidden precede the first.
    """
    known = [count for count in counts if count is not None]
    if len(known) < max(2, len(counts)) or known[-1] > total:
        return None
    each = [end - begin for begin, end in pairwise([hidden if hidden < known[0] else 0, *known])]
    if min(each) < 1:
        return None
    return [
        tokens if tokens <= TOKENS_PER_BYTE * size else 1 for tokens, size in zip(each, sizes, strict=True)
    ]


def _leaves_reasoning_out(usage: Usage, counted: int, chunks: Chunks) -> bool:
    reasoning = usage.reasoning_tokens
    if reasoning and (reasoning > counted or _is_apart(usage)):
        return True
    if not chunks.reasoning or (usage.total_tokens is not None and reasoning):
        return False
    answer = len(chunks.sizes) - len(chunks.reasoning)
    return answer <= counted < (answer + len(chunks.sizes)) / 2  # nearer to the chunks of the answer


def _is_apart(usage: Usage) -> bool:
    """Return whether the total says that reasoning is counted in addition to the output tokens."""
    counted, prompt = usage.completion_tokens or 0, usage.prompt_tokens or 0
    return usage.total_tokens == prompt + counted + (usage.reasoning_tokens or 0)
