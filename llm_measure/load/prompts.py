"""Prompts of a given length, unique from their first words on."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor

from llm_measure.load.texts import text_builder
from llm_measure.workloads import Workload


@dataclass(frozen=True)
class Counting:
    """How an endpoint counts the tokens of a prompt; one per word where that is unknown."""

    overhead: int = 0  # tokens that its chat template adds
    tokens_per_word: float = 1.0  # mean over all words that prompts are made of
    probed: bool = False  # whether the endpoint was asked
    problem: str | None = None  # why the question had no answer

    def words(self, workload: Workload) -> float:
        """Return the mean number of words of a prompt with the workload's tokens, or the fewest possible."""
        return max(workload.fewest_words, (workload.input_length.mean - self.overhead) / self.tokens_per_word)

    def least_tokens(self, workload: Workload) -> float:
        """Return the number of tokens of the shortest possible prompt."""
        return self.overhead + self.tokens_per_word * workload.fewest_words


WORD_BY_WORD = Counting()


def prompt_builder(words: float, unique: bool, seed: int) -> Callable[[int], str]:
    """Return a function from a request's index to a prompt of `words` words on average.

    No two prompts begin alike, see `text_builder`. The same seed gives the same prompts. A fraction of a word
    is spread over the indexes: of 4 prompts of 10.25 words, one has 11. Prompts that are not unique have the
    nearest whole number.
    """
    text = text_builder(seed, ceil(words))

    def build(index: int) -> str:
        if not unique:
            return text(0, round(words))
        return text(index, floor((index + 1) * words) - floor(index * words))

    return build
