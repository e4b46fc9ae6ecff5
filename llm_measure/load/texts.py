"""Texts of any number of words, unique from their first words on."""

from collections.abc import Callable
from math import gcd
from random import Random

from llm_measure.load.words import WORDS
from llm_measure.workloads import UNIQUE_WORDS

POOL_WORDS = 1 << 16
BASE = len(WORDS)
PAIRS = BASE**2


def text_builder(seed: int | str) -> Callable[[int, int], str]:
    """Return a function from a text's number, which may be negative, and its number of words to the text.

    The first words spell the number, so that no two texts begin alike; the others are cut from a long text,
    which begins again after its last word, at a position that depends on the number. A shorter text is the
    beginning of a longer one of that number. The same seed gives the same texts.
    """
    random = Random(seed)  # noqa: S311  (nothing secret)
    vocabulary = random.sample(WORDS, BASE)
    # A step that shares no divisor with the number of beginnings visits each of them once.
    beginnings = BASE**UNIQUE_WORDS
    offset, step = random.randrange(beginnings), _coprime(random, beginnings)
    pool = random.choices(vocabulary, k=POOL_WORDS)
    at = [0]
    for word in pool:
        at.append(at[-1] + len(word) + 1)
    text = " ".join(pool) + " "

    def build(number: int, words: int) -> str:
        # Two words in each half, since Python calculates faster below 2**30.
        high, low = divmod((offset + number * step) % beginnings, PAIRS)
        first = (
            f"{vocabulary[low % BASE]} {vocabulary[low // BASE]}"
            f" {vocabulary[high % BASE]} {vocabulary[high // BASE]}"
        )
        if words <= UNIQUE_WORDS:
            return " ".join(first.split()[:words])
        begin = number * 7919 % POOL_WORDS
        end = begin + words - UNIQUE_WORDS
        if end <= POOL_WORDS:
            return f"{first} {text[at[begin] : at[end] - 1]}"
        rounds, end = divmod(end, POOL_WORDS)
        return f"{first} {text[at[begin] :]}{text * (rounds - 1)}{text[: at[end]]}"[:-1]

    return build


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate
