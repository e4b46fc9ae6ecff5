"""Prompts of given lengths, unique from their first words on or from the end of a common beginning."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, gcd
from random import Random

from llm_measure.distributions import draw
from llm_measure.load.words import WORDS
from llm_measure.workloads import UNIQUE_WORDS, Workload

POOL_WORDS = 1 << 16
BASE = len(WORDS)
PAIRS = BASE**2
# The number of words of each prompt: a mean, or a function of the request's index.
WordCount = float | Callable[[int], int]


@dataclass(frozen=True)
class Counting:
    """How an endpoint counts the tokens of a prompt; one per word where that is unknown."""

    overhead: int = 0  # tokens that its chat template adds
    tokens_per_word: float = 1.0  # mean over all words that prompts are made of
    probed: bool = False  # whether the endpoint was asked
    problem: str | None = None  # why the question had no answer

    def words(self, workload: Workload, tokens: float) -> float:
        """Return the number of words of a prompt with that many tokens, or the fewest possible."""
        return max(workload.fewest_words, (tokens - self.overhead) / self.tokens_per_word)

    def least_tokens(self, workload: Workload) -> float:
        """Return the number of tokens of the shortest possible prompt."""
        return self.overhead + self.tokens_per_word * workload.fewest_words


WORD_BY_WORD = Counting()


class WordTexts:
    """Texts of a given number of words, each beginning with words that no other one begins with.

    Its first words spell a number; the others are cut from a long text at a position that depends on the
    number. The same seed gives the same texts.
    """

    def __init__(self, seed: int):
        random = Random(seed)  # noqa: S311  (nothing secret)
        self._vocabulary = random.sample(WORDS, len(WORDS))
        # A step that shares no divisor with the number of beginnings visits each of them once.
        self._beginnings = BASE**UNIQUE_WORDS
        self._offset, self._step = random.randrange(self._beginnings), _coprime(random, self._beginnings)
        pool = random.choices(self._vocabulary, k=POOL_WORDS)
        self._at = [0]
        for word in pool:
            self._at.append(self._at[-1] + len(word) + 1)
        self._pool = " ".join(pool) + " "

    def unique(self, number: int, words: int) -> str:
        """Return the text of the number, which may be negative."""
        spelled, vocabulary = (self._offset + number * self._step) % self._beginnings, self._vocabulary
        # Two words in each half, since Python calculates faster below 2**30.
        high, low = divmod(spelled, PAIRS)
        first = (
            f"{vocabulary[low % BASE]} {vocabulary[low // BASE]}"
            f" {vocabulary[high % BASE]} {vocabulary[high // BASE]}"
        )
        if words <= UNIQUE_WORDS:
            return " ".join(first.split()[:words])
        begin = number * 7919 % POOL_WORDS
        end = begin + words - UNIQUE_WORDS
        if end > POOL_WORDS:
            return f"{first} {self.cut(words - UNIQUE_WORDS, begin)}"
        return f"{first} {self._pool[self._at[begin] : self._at[end] - 1]}"

    def cut(self, words: int, begin: int = 0) -> str:
        """Return these words of the long text, which begins again after its last one."""
        rounds, end = divmod(begin + words, POOL_WORDS)
        if not rounds:
            return self._pool[self._at[begin] : self._at[end] - 1]
        return f"{self._pool[self._at[begin] :]}{self._pool * (rounds - 1)}{self._pool[: self._at[end]]}"[:-1]


def prompt_builder(
    words: WordCount, unique: bool, seed: int, shared: float = 0.0, prefixes: int = 1
) -> Callable[[int], str]:
    """Return a function from a request's index to a prompt of that number of words.

    No two prompts begin alike, see `WordTexts`; those that are not unique are all cut from the same text. The
    ratio `shared` of each one's words is cut from one of that number of common beginnings, and the rest is
    unique from its first words on.
    """
    texts = WordTexts(seed)
    if callable(words):
        count = words
    elif unique:
        count = spread(words)
    else:
        return lambda index: texts.cut(round(words))
    if not unique:
        return lambda index: texts.cut(count(index))
    text = texts.unique
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


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate
