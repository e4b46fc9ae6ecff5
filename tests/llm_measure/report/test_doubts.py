import pytest

from llm_measure.load.lengths import Lengths
from llm_measure.load.prompts import Counting
from llm_measure.records import Record
from llm_measure.report.doubts import warnings
from llm_measure.workloads import Workload
from tests.measured import answered


def enough(**changes: object) -> list[Record]:
    """A hundred successful requests with these values."""
    records = [answered(index) for index in range(100)]
    for record in records:
        record.cached_tokens = 0
        for name, value in changes.items():
            setattr(record, name, value)
    return records


def test_a_sound_level_has_no_warnings():
    assert list(warnings(Workload(), enough())) == []
    assert list(warnings(Workload(), [])) == []


def test_an_endpoint_that_does_not_count_the_prompts_of_a_trace_is_a_warning():
    counting = Counting(problem="the endpoint reports no prompt tokens")

    found = list(warnings(Workload(trace="trace.csv"), enough(), counting))
    assert found == ["Each word of a prompt counts as a token: the endpoint reports no prompt tokens."]


def test_fewer_than_a_hundred_requests_behind_a_p99_are_a_warning():
    assert list(warnings(Workload(), enough()[1:])) == ["p99 is of only 99 requests; expected at least 100."]


def test_unique_prompts_that_were_cached_are_a_warning():
    (found,) = warnings(Workload(), enough(cached_tokens=32))

    assert found.startswith("The server had 25% of the prompt tokens in a cache, although prompts were")


@pytest.mark.parametrize("asked", [{"unique_prompts": False}, {"dataset": "rows.jsonl"}])
def test_prompts_that_may_repeat_may_be_cached(asked):
    assert list(warnings(Workload(**asked), enough(cached_tokens=128))) == []


@pytest.mark.parametrize(("prompt", "cached"), [(192, 64), (128, 12), (None, None), (None, 64)])
def test_a_shared_template_and_a_few_cached_tokens_are_no_warning(prompt, cached):
    assert list(warnings(Workload(), enough(prompt_tokens=prompt, cached_tokens=cached))) == []


def test_prompts_with_a_shared_prefix_may_be_cached_that_far():
    workload = Workload(shared_prefix=0.5)

    assert list(warnings(workload, enough(cached_tokens=64))) == []
    (found,) = warnings(workload, enough(cached_tokens=112))
    assert found.startswith(
        "The server had 88% of the prompt tokens in a cache, although at most 50% of each"
    )


def test_drawn_lengths_below_the_shortest_possible_prompt_are_a_warning():
    workload, counting = Workload(input_tokens="10..100"), Counting(overhead=40, probed=True)

    (found,) = warnings(workload, [], counting, Lengths.of(workload, 1))
    assert found == ("Prompts have 61 tokens on average instead of 55: the shortest possible one has 44.")
    workload = Workload(input_tokens="50..100")
    assert list(warnings(workload, [], counting, Lengths.of(workload, 1))) == []


def test_drawn_lengths_without_a_count_of_the_endpoint_are_a_warning():
    workload, counting = Workload(input_tokens="10..100"), Counting(problem="no usage")

    (found,) = warnings(workload, [], counting, Lengths.of(workload, 1))
    assert found == "Prompts have 10..100 words, not the tokens of the endpoint's count: no usage."


def test_cached_prompts_of_drawn_lengths_are_a_warning():
    workload = Workload(input_tokens="50..100")
    lengths, records = Lengths.of(workload, 1), enough()
    for record in records:
        record.prompt_tokens = lengths.input_tokens(record.index) + 30

    assert list(warnings(workload, records, lengths=lengths)) == []
    for record in records:
        record.cached_tokens = 30 + 20
    assert "in a cache, although prompts were" in next(warnings(workload, records, lengths=lengths))


def test_tokens_that_were_counted_and_not_streamed_are_a_warning():
    records = enough()
    records[0].output_tokens, records[1].output_tokens = 25, 6  # the latter is the end of the sequence

    assert list(warnings(Workload(), records)) == [
        "Stream and usage disagree in 1 of 100 responses: 20 tokens were counted and not streamed, as hidden"
        " reasoning is."
    ]


def test_chunks_that_were_streamed_and_not_counted_are_a_warning():
    records = enough()
    records[0].output_tokens, records[0].chunk_tokens = 3, [1, 0, 1, 0, 1]
    records[1].output_tokens, records[1].chunk_tokens = 4, [1, 0, 1, 1, 1]

    assert list(warnings(Workload(), records)) == [
        "Stream and usage disagree in 1 of 100 responses: 2 more chunks have text than tokens were counted:"
        " some were split or not counted."
    ]


def test_estimated_counts_cannot_disagree_with_the_stream():
    assert list(warnings(Workload(), enough(token_source="chunks", output_tokens=50))) == []
