"""Prompts of a given length, unique from their first words on."""

from collections.abc import Callable
from math import gcd
from random import Random

from llm_measure.load.words import WORDS
from llm_measure.workloads import UNIQUE_WORDS

POOL_WORDS = 1 << 16


def prompt_builder(tokens: int, unique: bool, seed: int) -> Callable[[int], str]:
    """Return a function from a request's index to a prompt of `tokens` words.

    The first words spell the index, so that no two prompts begin alike; the others are cut from a long text
    at a position that depends on the index. The same seed gives the same prompts.
    """
    random = Random(seed)  # noqa: S311  (nothing secret)
    words = random.sample(WORDS, len(WORDS))
    base = len(words)
    # A step that shares no divisor with the number of indexes visits each of them once.
    indexes = base**UNIQUE_WORDS
    offset, step = random.randrange(indexes), _coprime(random, indexes)
    pool = random.choices(words, k=POOL_WORDS + tokens)
    at = [0]
    for word in pool:
        at.append(at[-1] + len(word) + 1)
    text = " ".join(pool) + " "

    def build(index: int) -> str:
        if not unique:
            return text[: at[tokens] - 1]
        number = (offset + index * step) % indexes
        first = []
        for _ in range(UNIQUE_WORDS):
            number, digit = divmod(number, base)
            first.append(words[digit])
        begin = (index * 7919) % POOL_WORDS
        rest = text[at[begin] : at[begin + tokens - UNIQUE_WORDS]]
        return f"{' '.join(first)} {rest}".rstrip()

    return build


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate
