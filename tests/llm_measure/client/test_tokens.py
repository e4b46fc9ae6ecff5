"""Which tokens were seen in which chunks, for counts as real servers report them."""

import numpy as np
import pytest

from llm_measure.apis import Usage
from llm_measure.client.tokens import recounted, spread
from llm_measure.metrics.derivations import gaps, tpot
from tests.llm_measure.client.test_response import read
from tests.llm_measure.streams import DONE, chat, event, record

SCALE = 1_000_000  # from the moments of `read`, 100, 200, ... ns
NEVER_COUNTED = {"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0}


def answer(texts: list[dict | str], finish_reason: str = "length", each: list[dict] | None = None, **usage):
    """The record of a response whose events arrived after 0.1 s, 0.2 s, ..."""
    deltas = [text if isinstance(text, dict) else {"content": text} for text in texts]
    more = [{"usage": counts} for counts in each] if each else [{}] * len(deltas)
    events = [chat(delta, **added) for delta, added in zip(deltas, more, strict=True)]
    record = read(*(part.encode() for part in (*events, chat({}, finish_reason), event(usage=usage), DONE)))
    for name in ("sent_ns", "first_token_ns", "last_token_ns", "end_ns"):
        setattr(record, name, (getattr(record, name) or 0) * SCALE)
    record.chunk_offsets_ns = [offset * SCALE for offset in record.chunk_offsets_ns]
    return record


def words(number: int) -> list[dict | str]:
    return [f" word{index}" for index in range(number)]


def as_on_the_wire(record) -> bool:
    """Whether the gaps are those between the chunks."""
    return np.allclose(gaps([record]) * 1e9, np.diff(record.chunk_offsets_ns))


def test_the_end_of_the_sequence_belongs_to_the_finishing_chunk():
    record = answer([" a", " longer", " b"], "stop", completion_tokens=4)

    assert (record.output_tokens, record.chunk_tokens) == (4, [1, 1, 1])
    assert as_on_the_wire(record)
    assert tpot(record) == pytest.approx(0.1)


def test_what_is_cut_at_the_maximum_has_no_end_of_the_sequence():
    assert answer([" a", " longer", " b"], completion_tokens=4).chunk_tokens == [1, 2, 1]


def test_a_few_more_tokens_than_chunks_are_in_the_longest_and_move_no_other():
    texts = [*words(40), " somewhat longer", *words(40), " much longer than that", *words(40)]

    record = answer(texts, "stop", completion_tokens=len(texts) + 3)

    assert [index for index, tokens in enumerate(record.chunk_tokens) if tokens > 1] == [40, 81]
    assert set(record.chunk_tokens) == {1, 2}


def test_a_token_over_two_chunks_leaves_the_gaps_as_they_were():
    record = answer(words(10), completion_tokens=8)

    assert record.chunk_tokens[0] == 1
    assert (sum(record.chunk_tokens), min(record.chunk_tokens)) == (8, 0)
    assert as_on_the_wire(record)
    assert tpot(record) == pytest.approx(0.9 / 7)


def test_chunks_that_clearly_hold_several_tokens_share_them_by_length():
    assert answer(["aaaa", "aaaaaaaa"], completion_tokens=6).chunk_tokens == [2, 4]


def test_an_emoji_holds_more_tokens_than_a_long_word():
    record = answer([" another", " question", " \N{GRINNING FACE}", " answered"], completion_tokens=5)

    assert record.chunk_tokens == [1, 1, 2, 1]


def test_a_character_of_several_bytes_may_be_several_tokens():
    assert answer(["😀", "😀", "a"], completion_tokens=5).chunk_tokens == [2, 2, 1]


@pytest.mark.parametrize(
    "usage",
    [{"completion_tokens": 510, "completion_tokens_details": {"reasoning_tokens": 500}},
     {"completion_tokens": 510}],
    ids=["by the details", "by the text, which cannot hold as many"],
)  # fmt: skip
def test_hidden_reasoning_is_counted_and_is_no_speed(usage):
    record = answer(words(10), "stop", **usage)

    assert (record.output_tokens, record.chunk_tokens) == (510, [1] * 10)
    assert as_on_the_wire(record)
    assert tpot(record) == pytest.approx(0.1)


THOUGHTS = [{"reasoning_content": " hm"}] * 8 + words(2)


@pytest.mark.parametrize(
    "usage",
    [
        {"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 8}},
        {"completion_tokens": 9, "prompt_tokens": 5, "total_tokens": 15,
         "completion_tokens_details": {"reasoning_tokens": 1}},
        {"completion_tokens": 2},
        {"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 8}},
        {"completion_tokens": 10, "prompt_tokens": 5, "total_tokens": 15,
         "completion_tokens_details": {"reasoning_tokens": 8}},
        {"completion_tokens": 10, "completion_tokens_details": "none"},
    ],
    ids=["more reasoning", "by the total", "by the chunks", "counted", "in total", "no details"],
)  # fmt: skip
def test_reasoning_that_was_streamed_is_counted_once(usage):
    record = answer(THOUGHTS, **usage)

    assert (record.output_tokens, record.chunk_tokens) == (10, [1] * 10)


def test_the_count_in_each_chunk_is_taken_where_it_grows():
    each = [{"completion_tokens": count} for count in (2, 5, 6)]

    assert answer(["ab", "cde", "f"], each=each, completion_tokens=6).chunk_tokens == [2, 3, 1]
    assert answer(["ab", "cde", "f"], each=each, completion_tokens=7).chunk_tokens == [2, 3, 1]


def test_reasoning_hidden_before_the_first_chunk_is_in_no_chunks_count():
    each = [{"completion_tokens": count} for count in (502, 505, 506)]
    details = {"completion_tokens_details": {"reasoning_tokens": 500}}

    record = answer(["ab", "cde", "f"], each=each, completion_tokens=506, **details)

    assert (record.output_tokens, record.chunk_tokens) == (506, [2, 3, 1])


@pytest.mark.parametrize(
    "counts",
    [[0, 0, 0, 0], [0, 1, 2, 3], [1, 1, 3, 3], [4, 3, 2, 1]],
    ids=["zero", "late", "uneven", "falling"],
)
def test_the_count_in_each_chunk_is_ignored_where_it_does_not_grow(counts):
    each = [{"completion_tokens": count} for count in counts]
    record = answer(words(4), each=each, completion_tokens=4)

    assert (record.output_tokens, record.chunk_tokens) == (4, [1, 1, 1, 1])


def test_reasoning_hidden_between_two_chunks_is_no_speed():
    each = [{"completion_tokens": count} for count in (1, 2, 502, 503)]

    assert answer(words(4), each=each, completion_tokens=503).chunk_tokens == [1, 1, 1, 1]


@pytest.mark.parametrize("last", [{}, NEVER_COUNTED, {"completion_tokens": None, "prompt_tokens": 7}])
def test_a_later_usage_without_counts_spoils_nothing(last):
    each = [{"completion_tokens": 1, "prompt_tokens": 7}, {"completion_tokens": 2, "prompt_tokens": 7}]
    record = answer(words(2), each=each, **last)

    assert (record.prompt_tokens, record.output_tokens, record.token_source) == (7, 2, "usage")


@pytest.mark.parametrize(
    ("total", "sizes"), [(10, [1, 1, 1]), (1, [5, 5]), (3, [3, 1, 2, 9]), (0, [4]), (50, [1, 90, 3])]
)
def test_a_spread_adds_up_without_negative_parts(total, sizes):
    parts = spread(total, sizes)

    assert sum(parts) == total
    assert len(parts) == len(sizes)
    assert min(parts) >= (total >= len(sizes))


def test_the_later_counts_of_usage_replace_the_earlier():
    assert Usage(3, 4).over(Usage(1, 2)) == Usage(3, 4)
    assert Usage(None, 4).over(Usage(1, 2)) == Usage(1, 4)


def stored(tokens: list[int], total: int, finish_reason: str | None = "length", **more: object):
    """A request as it is stored, from before rows had a first answer token."""
    made = record()
    made.chunk_offsets_ns, made.chunk_tokens = list(range(len(tokens))), tokens
    made.output_tokens, made.token_source, made.finish_reason = total, "usage", finish_reason
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("tokens", "total", "finish_reason", "expected"),
    [
        ([0, 2, 1, 0, 2], 5, "length", [1, 1, 1, 1, 1]),
        ([0, 2, 1, 0, 3], 6, "stop", [1, 1, 1, 1, 1]),
        ([0, 2, 1, 0, 3], 6, "length", [1, 1, 1, 1, 2]),
        ([1, 8, 0, 1], 10, "length", [1, 7, 1, 1]),
        ([0, 2, 1], 3, None, [1, 1, 1]),
        ([0, 2, 0, 1, 0], 3, "stop", [1, 1, 0, 1, 0]),
        ([], 0, "stop", []),
    ],
)
def test_tokens_of_a_stored_request_are_counted_again(tokens, total, finish_reason, expected):
    assert recounted(stored(tokens, total, finish_reason)) == expected


@pytest.mark.parametrize(
    "kept",
    [
        stored([1, 3, 1], 5, "stop", first_answer_ns=5),
        stored([1, 1, 1], 510, "stop"),
        stored([1, 2, 1], 5, "stop"),
        stored([1, 0, 1], 2),
        stored([1, 1, 1], 3, "stop"),
    ],
)
def test_what_is_counted_by_the_rule_stays(kept):
    assert recounted(kept) == kept.chunk_tokens
