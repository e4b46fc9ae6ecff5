import pytest

from llm_measure.load.prompts import prompt_builder


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
