"""What makes a level's figures say less than they seem to, in words."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from llm_measure import distributions
from llm_measure.distributions import Distribution
from llm_measure.load.lengths import Lengths
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.records import Record
from llm_measure.report.tokens import asked_prompt, is_counted
from llm_measure.workloads import Workload

LEAST_REQUESTS = 100  # for a p99 other than the largest value
MAX_CACHED = 0.1  # of the prompt tokens, where prompts are meant to be unique
MAX_LONGER = 1.02  # prompts than was asked for
PARTS = 200  # of a distribution, each of which has the same probability
END_TOKENS = 1  # the end of the sequence is counted and has no text


def warnings(
    workload: Workload,
    successful: Sequence[Record],
    counting: Counting = WORD_BY_WORD,
    lengths: Lengths | None = None,
) -> Iterator[str]:
    """Yield a line for each doubt about the figures of the successful requests."""
    yield from _lengths(workload, counting, lengths)
    yield from _cached(workload, successful, counting.overhead, lengths)
    yield from _disagreements(successful)
    if 0 < len(successful) < LEAST_REQUESTS:
        yield f"p99 is of only {len(successful)} requests; expected at least {LEAST_REQUESTS}."


def _lengths(workload: Workload, counting: Counting, lengths: Lengths | None) -> Iterator[str]:
    """Yield whether prompts have another length than was asked for, as far as the endpoint counted them."""
    asked, least = workload.asked_prompt_tokens, counting.least_tokens(workload)
    if not workload.asks_for_length:
        if counting.problem:
            yield f"Each word of a prompt counts as a token: {counting.problem}."
        return
    if counting.problem:
        words = distributions.shown(workload.input_tokens) if asked is None else asked
        yield f"Prompts have {words} words, not the tokens of the endpoint's count: {counting.problem}."
    elif asked is not None and least > MAX_LONGER * asked:
        yield (
            f"Prompts have {least:.0f} tokens instead of {asked}: the endpoint's template alone has"
            f" {counting.overhead}."
        )
    elif asked is None and lengths:
        wanted, mean = lengths.input.mean, _mean_from(least, lengths.input)
        if mean > MAX_LONGER * wanted:
            yield (
                f"Prompts have {mean:.0f} tokens on average instead of {wanted:.0f}: the shortest possible"
                f" one has {least:.0f}."
            )


def _mean_from(least: float, length: Distribution) -> float:
    """Return about the mean of the distribution if what is below `least` were as much."""
    return fmean(max(least, length.real((part + 0.5) / PARTS)) for part in range(PARTS))


def _cached(
    workload: Workload, successful: Sequence[Record], overhead: int, lengths: Lengths | None
) -> Iterator[str]:
    """Yield whether prompts were cached beyond what they share: a template's start, common beginnings."""
    shared = workload.shared_prefix
    asked, counted = asked_prompt(workload, lengths), sum(record.prompt_tokens or 0 for record in successful)
    if asked is None or not workload.unique_prompts or not counted:
        return
    cached = sum(
        max(
            0,
            (record.cached_tokens or 0)
            - max(overhead, (record.prompt_tokens or 0) - asked(record))
            - shared * asked(record),
        )
        for record in successful
    )
    if cached > MAX_CACHED * counted:
        meant = f"at most {shared:.0%} of each is shared" if shared else "prompts were meant to be unique"
        found = cached / counted + shared
        yield (
            f"The server had {found:.0%} of the prompt tokens in a cache, although {meant}:"
            " ttft is shorter than without. Was the same seed used before?"
        )


def _disagreements(successful: Sequence[Record]) -> Iterator[str]:
    """Yield where the server counts other numbers of tokens than it streams."""
    counted = [record for record in successful if is_counted(record)]
    unseen = [(record.output_tokens or 0) - sum(record.chunk_tokens) for record in counted]
    surplus = [len(record.chunk_offsets_ns) - (record.output_tokens or 0) for record in counted]
    for numbers, what in (
        (unseen, "tokens were counted and not streamed, as hidden reasoning is"),
        (surplus, "more chunks have text than tokens were counted: some were split or not counted"),
    ):
        beyond = [number for number in numbers if number > END_TOKENS]
        if beyond:
            yield (
                f"Stream and usage disagree in {len(beyond)} of {len(counted)} responses:"
                f" {sum(beyond):,} {what}."
            )
