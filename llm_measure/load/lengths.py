"""How long each request asks its prompt and its response to be: the same for all, or drawn for each."""

from collections.abc import Callable
from dataclasses import dataclass

from llm_measure.distributions import Constant, Distribution, draw
from llm_measure.limits import MAX_TOKENS
from llm_measure.load.prompts import Counting, WordCount, prompt_builder
from llm_measure.workloads import Workload


@dataclass(frozen=True)
class Lengths:
    """Lengths in tokens by the index of a request, or of an input; every process draws the same ones.

    None is above MAX_TOKENS, since distributions may have no largest value.
    """

    input: Distribution
    output: Distribution
    seed: int

    @classmethod
    def of(cls, workload: Workload, seed: int) -> "Lengths":
        """Return the workload's lengths; ValueError if the file of a distribution cannot be used."""
        return cls(workload.input_length, workload.output_length, seed)

    def input_tokens(self, index: int) -> int:
        """Return the length of the prompt, or of the input of that number."""
        return min(self.input.whole(draw(self.seed, index, "input")), MAX_TOKENS)

    def output_tokens(self, index: int) -> int:
        """Return the maximum length of the response."""
        return min(self.output.whole(draw(self.seed, index, "output")), MAX_TOKENS)


def word_count(workload: Workload, seed: int, counting: Counting) -> WordCount:
    """Return the number of words of each generated prompt or input, as the endpoint counts its tokens."""
    lengths, fewest = Lengths.of(workload, seed), workload.fewest_words
    if isinstance(lengths.input, Constant):
        return counting.words(lengths.input.value, fewest)
    return lambda index: round(counting.words(lengths.input_tokens(index), fewest))


def generated_prompts(workload: Workload, seed: int, counting: Counting) -> Callable[[int], str]:
    """Return a function from an index to the generated prompt, or the input of that number."""
    return prompt_builder(
        word_count(workload, seed, counting),
        workload.unique_prompts,
        seed,
        workload.shared_prefix,
        workload.prefixes,
    )


def varying_maximum(workload: Workload, seed: int) -> Callable[[int], int] | None:
    """Return the maximum length of each response by the request's index; None if all have the same one."""
    lengths = Lengths.of(workload, seed)
    return None if isinstance(lengths.output, Constant) else lengths.output_tokens
