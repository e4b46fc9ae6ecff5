import pytest

from llm_measure.limits import MAX_TOKENS
from llm_measure.load.prompts import Counting, prompt_builder
from llm_measure.load.texts import POOL_WORDS
from llm_measure.workloads import Workload


@pytest.mark.parametrize("tokens", [4, 5, 128, 5000])
def test_a_prompt_has_the_wanted_number_of_words(tokens):
    prompt = prompt_builder(tokens, unique=True, seed=3)

    assert {len(prompt(index).split(" ")) for index in range(200)} == {tokens}


def test_no_two_prompts_begin_alike():
    prompt = prompt_builder(64, unique=True, seed=3)
    beginnings = {tuple(prompt(index).split(" ")[:4]) for index in range(20_000)}

    assert len(beginnings) == 20_000


def test_the_seed_decides_the_prompts():
    assert prompt_builder(64, True, 3)(7) == prompt_builder(64, True, 3)(7)
    assert prompt_builder(64, True, 3)(7) != prompt_builder(64, True, 4)(7)


def test_prompts_that_are_not_unique_are_the_same():
    prompt = prompt_builder(2, unique=False, seed=3)

    assert prompt(0) == prompt(1)
    assert len(prompt(0).split(" ")) == 2


@pytest.mark.parametrize("words", [4.0, 4.3, 15.37, 759.5])
def test_a_fraction_of_a_word_is_spread_over_the_prompts(words):
    prompt = prompt_builder(words, unique=True, seed=3)
    lengths = [len(prompt(index).split(" ")) for index in range(1000, 1100)]

    assert set(lengths) <= {int(words), int(words) + 1}
    assert sum(lengths) == pytest.approx(100 * words, abs=1)


def test_the_length_changes_no_other_word():
    assert prompt_builder(20.5, True, 3)(7).startswith(prompt_builder(20, True, 3)(7))


def test_prompts_of_various_lengths_are_unique_and_cut_from_the_same_texts():
    various, fixed = prompt_builder(lambda index: 10 * index, True, 3), prompt_builder(20, True, 3)

    assert various(2) == fixed(2)
    assert various(7).startswith(fixed(7))
    assert len(various(20_000).split(" ")) == 200_000 > 3 * POOL_WORDS


def test_prompts_that_are_not_unique_are_the_same_as_far_as_they_go():
    prompt = prompt_builder(lambda index: index, unique=False, seed=3)

    assert prompt(9).startswith(prompt(5))
    assert [len(prompt(words).split(" ")) for words in (5, 9)] == [5, 9]


def test_a_template_is_part_of_the_tokens():
    counting = Counting(overhead=20, tokens_per_word=1.5)

    assert (counting.words(50, 4), counting.least_tokens(Workload())) == (20, 26)
    assert (counting.words(20, 4), counting.words(20, 1)) == (4, 1)


def test_a_prompt_is_bounded_where_the_endpoint_counts_next_to_nothing():
    assert Counting(tokens_per_word=0.002).words(1_000_000, 4) == MAX_TOKENS
