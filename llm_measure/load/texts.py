"""Texts of any number of words, unique from their first words on."""

from math import gcd
from random import Random

from llm_measure.load.words import WORDS
from llm_measure.workloads import UNIQUE_WORDS

POOL_WORDS = 1 << 16
BASE = len(WORDS)
PAIRS = BASE**2


class WordTexts:
    """Texts of a given number of words, each beginning with words that no other one begins with.

    Its first words spell a number; the others are cut from a long text at a position that depends on the
    number. The same seed gives the same texts.
    """

    def __init__(self, seed: int | str):
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


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate
