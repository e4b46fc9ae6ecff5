"""Prompts of given lengths, unique from their first words on or from the end of a common beginning."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

from llm_measure.distributions import draw
from llm_measure.limits import MAX_TOKENS
from llm_measure.load.texts import text_builder
from llm_measure.workloads import Workload

# The number of words of each prompt: a mean, or a function of the request's index.
WordCount = float | Callable[[int], int]


@dataclass(frozen=True)
class Counting:
    """How an endpoint counts the tokens of a prompt; one per word where that is unknown."""

    overhead: int = 0  # tokens that its chat template adds
    tokens_per_word: float = 1.0  # mean over all words that prompts are made of
    probed: bool = False  # whether the endpoint was asked
    problem: str | None = None  # why the question had no answer

    def words(self, tokens: float, fewest: int) -> float:
        """Return the number of words of a prompt with this number of tokens, from `fewest` to MAX_TOKENS.

        An endpoint may count few tokens in any number of words.
        """
        return min(max(fewest, (tokens - self.overhead) / self.tokens_per_word), MAX_TOKENS)

    def least_tokens(self, workload: Workload) -> float:
        """Return the number of tokens of the shortest possible prompt."""
        return self.overhead + self.tokens_per_word * workload.fewest_words


WORD_BY_WORD = Counting()


def prompt_builder(
    words: WordCount, unique: bool, seed: int, shared: float = 0.0, prefixes: int = 1
) -> Callable[[int], str]:
    """Return a function from a request's index to a prompt of that number of words.

    No two prompts begin alike, see `text_builder`; those that are not unique are beginnings of one text. The
    ratio `shared` of each one's words is cut from one of that number of common beginnings, and the rest is
    unique from its first words on. The same seed gives the same prompts.
    """
    text = text_builder(seed)
    if callable(words):
        count = words
    elif unique:
        count = spread(words)
    else:
        return lambda index: text(0, round(words))
    if not unique:
        return lambda index: text(0, count(index))
    if not shared:
        return lambda index: text(index, count(index))

    def build(index: int) -> str:
        length = count(index)
        common, prefix = round(shared * length), int(draw(seed, index, "prefix") * prefixes)
        # Negative numbers belong to no request.
        return f"{text(-1 - prefix, common)} {text(index, length - common)}".strip()

    return build


def spread(words: float) -> Callable[[int], int]:
    """Return a function from an index to a whole number: of 4 prompts of 10.25 words, one has 11."""
    return lambda index: floor((index + 1) * words) - floor(index * words)
