"""What a response reports in addition to its text: cached tokens, reasoning, and the model that answered."""

import pytest

from tests.llm_measure.client.test_response import read
from tests.llm_measure.streams import DONE, chat, event

ZERO = {
    "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "prompt_cache_hit_tokens": 0,
    "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip
FULL = {
    "prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 8}, "completion_tokens_details": {"reasoning_tokens": 1},
}  # fmt: skip
THOUGHT, TEXT = chat({"reasoning_content": "perhaps"}), chat({"content": "certain"})
CALL = chat({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]})
END = chat({}, "length")


def response(*events: str, **more: object):
    """The record of a response whose events arrived at 100, 200, ..."""
    return read(*(part.encode() for part in (*events, DONE)), **more)


def counts(record) -> tuple:
    return record.prompt_tokens, record.cached_tokens, record.output_tokens, record.reasoning_tokens


def test_zeros_until_the_end_spoil_no_count():
    zeros = chat({"content": "a"}, usage=ZERO)

    assert counts(response(*3 * [zeros], END, event(choices=[], usage=FULL))) == (9, 8, 3, 1)


@pytest.mark.parametrize(
    "later", [{}, ZERO, {"prompt_tokens": 9, "completion_tokens": 3}, {"total_tokens": None, "cost": 0.1}]
)
def test_a_later_usage_without_counts_spoils_none(later):
    usages = [event(choices=[], usage=usage) for usage in (FULL, later)]

    assert counts(response(*3 * [TEXT], END, *usages)) == (9, 8, 3, 1)


@pytest.mark.parametrize(
    "reported",
    [
        {"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}}},
        {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1}},
        {"usage": {"prompt_tokens": 9, "cached_tokens": 8.0, "prompt_tokens_details": None}},
        {"timings": {"cache_n": 8, "prompt_n": 1}},
        {"timings": {"cache_n": 8}, "usage": {"prompt_tokens": 9, "prompt_tokens_details": {}}},
    ],
)
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_cached_tokens_are_read_wherever_a_server_reports_them(reported, api):
    text = event(choices=[{"text": "a", "delta": {"content": "a"}}])

    assert response(text, END, event(choices=[], **reported), api=api).cached_tokens == 8


@pytest.mark.parametrize("odd", ["8", -1, 1.5, True, 10**9, None, [8]])
def test_an_odd_count_of_cached_or_reasoning_tokens_is_unknown(odd):
    usage = {
        "prompt_tokens_details": {"cached_tokens": odd},
        "completion_tokens_details": {"reasoning_tokens": odd},
    }
    record = response(TEXT, END, event(choices=[], usage=usage), event(choices=[], timings={"cache_n": odd}))

    assert (record.error, record.cached_tokens, record.reasoning_tokens) == (None, None, None)


@pytest.mark.parametrize("answer", [TEXT, CALL], ids=["text", "a tool call"])
def test_the_first_answer_token_comes_after_the_reasoning(answer):
    record = response(THOUGHT, THOUGHT, answer, answer, END)

    assert (record.first_token_ns, record.first_answer_ns, record.last_token_ns) == (100, 300, 400)


def test_parts_of_a_content_may_be_reasoning():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    record = response(chat({"content": parts}), chat({"content": [{"type": "text", "text": "a"}]}), END)

    assert (record.first_token_ns, record.first_answer_ns, record.reasoning_tokens) == (100, 200, 1)


def test_without_reasoning_the_first_token_is_the_first_of_the_answer():
    record = response(TEXT, TEXT, END)

    assert (record.first_answer_ns, record.reasoning_tokens) == (100, None)


def test_a_response_that_ends_within_its_reasoning_has_no_first_answer_token():
    record = response(THOUGHT, THOUGHT, END)

    assert (record.first_answer_ns, record.reasoning_tokens, record.error) == (None, 2, None)


@pytest.mark.parametrize(
    ("usage", "output", "reasoning"),
    [
        ({"completion_tokens": 6}, 6, 4),  # in the count, not distinguished
        ({"completion_tokens": 2}, 6, 4),  # left out of the count
        ({"completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 4}}, 6, 4),
        ({"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 4}}, 6, 4),
        ({"completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 0}}, 6, 4),
        ({"completion_tokens": 12}, 12, 8),  # two in each chunk
        (None, 6, 4),
    ],
)
def test_streamed_reasoning_is_counted_whether_the_server_counts_it_or_not(usage, output, reasoning):
    record = response(*4 * [THOUGHT], *2 * [TEXT], END, *([event(choices=[], usage=usage)] if usage else []))

    assert (record.output_tokens, record.reasoning_tokens) == (output, reasoning)


@pytest.mark.parametrize("completion", [2, 12], ids=["out", "in"])
def test_hidden_reasoning_counts_for_the_output_whether_it_is_in_the_servers_count_or_not(completion):
    usage = {
        "prompt_tokens": 5, "completion_tokens": completion, "total_tokens": 17,
        "completion_tokens_details": {"reasoning_tokens": 10},
    }  # fmt: skip
    record = response(TEXT, TEXT, END, event(choices=[], usage=usage))

    assert (record.output_tokens, record.reasoning_tokens, record.chunk_tokens) == (12, 10, [1, 1])


@pytest.mark.parametrize("cut", [0, 40], ids=["plain", "cut"])
def test_the_model_that_answered_is_kept_if_it_is_another(cut):
    nameless = event(model="", choices=[], prompt_filter_results=[])
    body = (nameless + chat({"content": "a"}, model="gpt-4o-mini") + END).encode()
    parts = (body[:cut], body[cut:]) if cut else (part + b"\n\n" for part in body.split(b"\n\n") if part)

    assert read(*parts, DONE.encode(), model="gpt-4o").answered_by == "gpt-4o-mini"


def test_the_model_that_was_asked_or_none_is_not_kept():
    same = chat({"content": "a"}, model="gpt-4o-2024-08-06")

    assert response(same, END, model="gpt-4o").answered_by is None
    assert response(TEXT, END, model="gpt-4o").answered_by is None
    assert response(chat({"content": "a"}, model=7), END, model="gpt-4o").answered_by is None
