"""Prompts of a given length, unique from their first words on."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, gcd
from random import Random

from llm_measure.load.words import WORDS
from llm_measure.workloads import UNIQUE_WORDS, Workload

POOL_WORDS = 1 << 16


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

    The first words spell the index, so that no two prompts begin alike; the others are cut from a long text
    at a position that depends on the index. The same seed gives the same prompts. A fraction of a word is
    spread over the indexes: of 4 prompts of 10.25 words, one has 11. Prompts that are not unique have the
    nearest whole number.
    """
    random = Random(seed)  # noqa: S311  (nothing secret)
    vocabulary = random.sample(WORDS, len(WORDS))
    base = len(vocabulary)
    # A step that shares no divisor with the number of indexes visits each of them once.
    indexes = base**UNIQUE_WORDS
    offset, step = random.randrange(indexes), _coprime(random, indexes)
    pool = random.choices(vocabulary, k=POOL_WORDS + ceil(words))
    at = [0]
    for word in pool:
        at.append(at[-1] + len(word) + 1)
    text = " ".join(pool) + " "

    def build(index: int) -> str:
        if not unique:
            return text[: at[round(words)] - 1]
        number = (offset + index * step) % indexes
        first = []
        for _ in range(UNIQUE_WORDS):
            number, digit = divmod(number, base)
            first.append(vocabulary[digit])
        length = floor((index + 1) * words) - floor(index * words)
        begin = (index * 7919) % POOL_WORDS
        rest = text[at[begin] : at[begin + length - UNIQUE_WORDS]]
        return f"{' '.join(first)} {rest}".rstrip()

    return build


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate
