"""Conversations without a server: their turns, their users' thinking, and what they say."""

import json
from collections import Counter

import pytest

from llm_measure.load.conversations import Conversations, longest_conversation, turn_number
from llm_measure.load.datasets import DatasetError
from llm_measure.load.prompts import WORD_BY_WORD
from llm_measure.records import SECOND_NS
from llm_measure.workloads import Workload

N = 20_000
# The statistics that chance exceeds once in a thousand times.
CHI_SQUARE_4 = 18.47
KOLMOGOROV_SMIRNOV = 1.95 / N**0.5


def conversations(seed: int = 20, requests=lambda history, most: (history, most), **options: object):
    """Conversations whose requests are the history itself and the maximum of the answer."""
    return Conversations(Workload(**{"turns": 3, **options}), seed, WORD_BY_WORD, requests)


def test_turns_follow_their_distribution_and_repeat_with_the_seed():
    asked, again, another = (conversations(seed, turns="2..6") for seed in (20, 20, 21))
    drawn = list(map(asked.turns, range(N)))

    counts = Counter(drawn)
    assert sorted(counts) == [2, 3, 4, 5, 6]
    assert sum((count - N / 5) ** 2 / (N / 5) for count in counts.values()) < CHI_SQUARE_4
    assert list(map(again.turns, range(100))) == drawn[:100] != list(map(another.turns, range(100)))


def test_think_times_follow_their_distribution_also_from_one_turn_to_the_next():
    asked = conversations(turns=4, think_time="2..6")
    drawn = sorted(
        asked.think_ns(conversation, turn) / SECOND_NS
        for conversation in range(N // 4)
        for turn in range(1, 5)
    )

    distance = max(
        max(abs((value - 2) / 4 - rank / N), abs((value - 2) / 4 - (rank + 1) / N))
        for rank, value in enumerate(drawn)
    )
    assert distance < KOLMOGOROV_SMIRNOV
    assert conversations().think_ns(7, 2) == 0


def test_conversations_share_their_beginnings_and_no_later_message():
    asked = conversations(turns=3, input_tokens=40, shared_prefix=0.5, prefixes=2)
    said: list[list[str]] = [[], []]
    for conversation in range(20):
        history: list = []
        for turn in (1, 2):
            asked.request(conversation, turn, history)
            said[turn - 1].append(" ".join(history[-1]["content"].split()[:20]))

    assert [len(set(beginnings)) for beginnings in said] == [2, 20]


def test_each_turn_adds_a_prompt_of_the_length_asked_for_that_no_other_turn_has():
    asked, prompts = conversations(turns=5, input_tokens=9, output_tokens="1..3"), set()
    for conversation in range(50):
        history: list = []
        for turn in range(1, 6):
            said, most = asked.request(conversation, turn, history)
            assert [message["role"] for message in said] == ["user"] * turn
            assert len(said[-1]["content"].split()) == 9
            assert 1 <= most <= 3
            prompts.add(said[-1]["content"])
    assert len(prompts) == 250


def test_no_two_turns_have_the_same_number():
    assert (
        len({turn_number(conversation, turn) for conversation in range(9) for turn in range(1, 1001)}) == 9000
    )


def dataset(tmp_path, *rows: dict) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_a_row_says_its_instructions_and_each_message_of_its_user(tmp_path):
    instructions = {"role": "system", "content": "Be brief."}
    users = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    answer = {"role": "assistant", "content": "an answer from elsewhere"}
    path = dataset(tmp_path, {"messages": [instructions, users[0], answer, users[1], answer, users[2]]})
    asked, history = conversations(dataset=path, turns="all", output_tokens=5), []

    assert asked.turns(0) == longest_conversation(Workload(dataset=path, turns="all")) == 3
    assert asked.request(0, 1, history) == ([instructions, users[0]], 5)
    assert asked.request(0, 2, history) == ([instructions, *users[:2]], 5)
    assert asked.request(0, 3, history) == ([instructions, *users], 5)
    assert conversations(dataset=path, turns=2).turns(0) == 2


def test_rows_repeat_in_an_order_of_the_seed_after_the_last_one(tmp_path):
    path = dataset(tmp_path, *({"prompt": f"p{n}", "output_tokens": n + 1} for n in range(30)))
    asked = conversations(dataset=path, turns="all")
    said = [asked.request(number, 1, [])[0][0]["content"] for number in range(60)]

    assert said[:30] == said[30:]
    assert sorted(said[:30]) == sorted(f"p{n}" for n in range(30)) != said[:30]
    assert {int(text[1:]) + 1 for text in said} == {asked.request(n, 1, [])[1] for n in range(30)}


def test_a_row_that_the_api_refuses_is_named(tmp_path):
    def refuse(history, most):
        raise ValueError("no images")

    with pytest.raises(DatasetError, match=r"rows\.jsonl.*: no images"):
        conversations(dataset=dataset(tmp_path, {"prompt": "a"}), turns="all", requests=refuse)


@pytest.mark.parametrize(("turns", "longest"), [(4, 4), ("2..7", 7), ("normal:3,1", 11)])
def test_the_longest_conversation_is_that_of_the_distribution(turns, longest):
    assert longest_conversation(Workload(turns=turns)) == longest
