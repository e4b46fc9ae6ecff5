"""Prompts of a trace: of its lengths, and with common beginnings where its requests had them."""

from collections.abc import Callable

from llm_measure.load.prompts import Counting
from llm_measure.load.texts import text_builder
from llm_measure.load.trace_formats import BLOCK_TOKENS
from llm_measure.load.traces import Trace
from llm_measure.workloads import UNIQUE_WORDS


def trace_prompts(trace: Trace, seed: int | str, counting: Counting) -> Callable[[int], str]:
    """Return a function from a row of the trace to its prompt, with the row's length by the counting.

    Blocks with the same hash have the same words, so that two prompts begin alike as far as their hashes do.
    What no hash covers is unique. The tokens of the endpoint's template count as a part of the last block.
    """
    ratio = counting.tokens_per_word
    lengths = trace.input_tokens
    block = text_builder(f"{seed} blocks")
    unique = text_builder(f"{seed} rows")

    def build(row: int) -> str:
        left = round(counting.words(int(lengths[row]), UNIQUE_WORDS))
        parts, begin = [], 0
        for number, known in enumerate(trace.blocks_of(row), 1):
            # Blocks end where their tokens do, to the nearest word, so that no error adds up.
            end = round(number * BLOCK_TOKENS / ratio)
            words = min(end - begin, left)
            if not words:
                break
            parts.append(block(known, words))
            begin, left = end, left - words
        if left:
            parts.append(unique(row, left))
        return " ".join(parts)

    return build
