"""The chunks in which the mock server sends its tokens."""

import pytest

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.chunks import chunks, whole_texts


def sent(tokens: int, **options: object) -> list[tuple[str, int, int]]:
    """The text of each chunk, the tokens up to there and the gaps since the chunk before."""
    return [(chunk.text, chunk.tokens, chunk.steps) for chunk in chunks(tokens, Behaviour(**options))]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(" the", 1, 0), (" answer", 2, 1), (" of", 3, 1), (" a", 4, 1)]),
        ({"chunk_tokens": (1, 2)}, [(" the", 1, 0), (" answer of", 3, 2), (" a", 4, 1)]),
        ({"chunk_tokens": (3,)}, [(" the answer of", 3, 0), (" a", 4, 1)]),
        ({"split_characters": "withheld"}, [("あ", 1, 0), ("い", 2, 1), ("😀", 4, 2)]),
        ({"split_characters": "empty"}, [("あ", 1, 0), ("い", 2, 1), ("", 3, 1), ("😀", 4, 1)]),
        ({"split_characters": "replaced"}, [("あ", 1, 0), ("い", 2, 1), ("\ufffd", 3, 1), ("\ufffd", 4, 1)]),
        ({"reasoning_tokens": 2, "reasoning": "hidden"}, [(" the", 3, 0), (" answer", 4, 1)]),
        ({"reasoning_tokens": 9, "reasoning": "hidden"}, []),
    ],
)
def test_each_holds_its_tokens_and_is_due_with_the_last_of_them(options, expected):
    assert sent(4, **options) == expected


def test_a_token_in_two_chunks_counts_with_the_first():
    assert sent(2, split_tokens=True) == [(" t", 1, 0), ("he", 1, 1), (" an", 2, 1), ("swer", 2, 1)]


def test_no_chunk_holds_reasoning_and_answer():
    behaviour = Behaviour(reasoning_tokens=3, chunk_tokens=(2,))

    assert [(chunk.tokens, chunk.reasoning) for chunk in chunks(6, behaviour)] == [
        (2, True), (3, True), (5, False), (6, False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (" the answer", " of a")),
        ({"reasoning": "hidden"}, ("", " the answer")),
        ({"split_characters": "withheld"}, ("あい", "😀")),
    ],
)
def test_the_whole_text_is_that_of_the_chunks(options, expected):
    assert whole_texts(4, Behaviour(reasoning_tokens=2, **options)) == expected
