"""Texts of any number of words, unique from their first words on."""

from array import array
from collections.abc import Callable
from math import gcd
from random import Random

from llm_measure.load.words import WORDS
from llm_measure.workloads import UNIQUE_WORDS

POOL_WORDS = 1 << 16


def text_builder(seed: int | str, most_words: int) -> Callable[[int, int], str]:
    """Return a function from a text's number and its number of words, up to `most_words`, to the text.

    The first words spell the number, so that no two texts begin alike; the others are cut from a long text at
    a position that depends on the number. A shorter text is the beginning of a longer one of that number. The
    same seed gives the same texts.
    """
    random = Random(seed)  # noqa: S311  (nothing secret)
    vocabulary = random.sample(WORDS, len(WORDS))
    base = len(vocabulary)
    # A step that shares no divisor with the number of indexes visits each of them once.
    indexes = base**UNIQUE_WORDS
    offset, step = random.randrange(indexes), _coprime(random, indexes)
    pool = random.choices(vocabulary, k=POOL_WORDS + most_words)
    at = array("q", [0])
    for word in pool:
        at.append(at[-1] + len(word) + 1)
    text = " ".join(pool) + " "

    def build(number: int, words: int) -> str:
        index = (offset + number * step) % indexes
        first = []
        for _ in range(UNIQUE_WORDS):
            index, digit = divmod(index, base)
            first.append(vocabulary[digit])
        if words <= UNIQUE_WORDS:
            return " ".join(first[:words])
        begin = (number * 7919) % POOL_WORDS
        return f"{' '.join(first)} {text[at[begin] : at[begin + words - UNIQUE_WORDS] - 1]}"

    return build


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate
