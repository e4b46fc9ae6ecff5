import numpy as np
import pytest

from llm_measure.metrics import METRICS, Span, derive
from llm_measure.metrics.derivations import latencies_from_intended
from llm_measure.records import Record
from tests.measured import SECOND, START, answered, failed


def derived(
    records: list[Record], slo: dict | None = None, duration_s: float = 10, inputs: int | None = None
) -> dict:
    return derive(records, slo or {}, Span(START - 1000, START - 1000 + round(duration_s * SECOND)), inputs)


def test_each_metric_of_the_catalogue_is_derived_but_that_of_a_search():
    of_answers, of_encodings = derived([answered(0)]), derived([answered(0)], inputs=8)

    assert of_answers.keys() | of_encodings.keys() == set(METRICS.names) - {"capacity"}
    assert of_answers.keys() & of_encodings.keys() == {
        *("e2e_latency", "rps", "error_rate", "slo_attainment", "goodput")
    }


def test_the_metrics_of_one_request():
    values = derived([answered(0, ttft=0.2, itl=0.01, tokens=5)])

    np.testing.assert_allclose(values["ttft"], [0.2])
    np.testing.assert_allclose(values["tps"], [100])
    np.testing.assert_allclose(values["tpot"], [0.01])
    np.testing.assert_allclose(values["itl"], [0.01] * 4)
    np.testing.assert_allclose(values["e2e_latency"], [0.24], rtol=1e-5)
    np.testing.assert_allclose(values["rps"], [0.1])
    np.testing.assert_allclose(values["output_throughput"], [0.5])
    np.testing.assert_allclose(values["error_rate"], [0])


def test_warm_up_and_cancelled_requests_are_left_out_and_failed_ones_are_not():
    records = [answered(-1, warmup=True, ttft=0.3), answered(1), failed(2), failed(3, "cancelled")]
    values = derived(records, {"ttft": 0.5})

    np.testing.assert_allclose(values["ttft"], [0.2])
    assert (values["error_rate"], values["slo_attainment"], values["rps"]) == ([0.5], [0.5], [0.1])


def test_a_response_without_a_token_has_no_ttft_and_misses_its_objective():
    record = answered(0)
    record.first_token_ns = record.first_answer_ns = record.last_token_ns = None
    record.chunk_offsets_ns, record.chunk_tokens, record.output_tokens = [], [], 0
    values = derived([record], {"ttft": 0.5})

    assert [len(values[name]) for name in ("ttft", "ttfa", "tps", "tpot", "itl", "reasoning_share")] == [
        0
    ] * 6
    assert len(values["e2e_latency"]) == 1
    assert (values["slo_attainment"], values["goodput"]) == ([0], [0])


def test_reasoning_comes_before_the_answer_and_is_a_share_of_the_output():
    record = answered(0, ttft=0.1, itl=0.1, tokens=4)
    record.first_answer_ns, record.reasoning_tokens = record.sent_ns + SECOND * 4 // 10, 3
    values = derived([record], {"ttfa": 0.3})

    assert (values["ttft"], values["ttfa"], values["reasoning_share"]) == ([0.1], [0.4], [0.75])
    assert values["slo_attainment"] == [0]


def test_a_response_that_ends_within_its_reasoning_has_no_first_answer_token_and_misses_its_objective():
    record = answered(0)
    record.first_answer_ns, record.reasoning_tokens = None, 5
    values = derived([record], {"ttfa": 10})

    assert (len(values["ttft"]), len(values["ttfa"])) == (1, 0)
    assert (values["reasoning_share"], values["slo_attainment"]) == ([1], [0])


@pytest.mark.parametrize(("reasoning", "output"), [(None, 5), (3, None), (0, 0)])
def test_without_counts_there_is_no_share_of_reasoning(reasoning, output):
    record = answered(0)
    record.reasoning_tokens, record.output_tokens = reasoning, output

    assert len(derived([record])["reasoning_share"]) == 0


def test_total_throughput_has_prompt_and_output_tokens_over_the_span():
    values = derived([answered(0), answered(1), failed(2)])

    assert values["total_throughput"] == pytest.approx([2 * (128 + 5) / 10])


def test_total_throughput_is_unknown_if_a_prompt_was_not_counted():
    uncounted = answered(1)
    uncounted.prompt_tokens = None

    assert len(derived([answered(0), uncounted])["total_throughput"]) == 0


def test_prefill_throughput_leaves_out_what_was_cached():
    record, unknown = answered(0, ttft=0.2), answered(1, ttft=0.2)
    record.prompt_tokens, record.cached_tokens = 128, 28
    unknown.prompt_tokens, unknown.cached_tokens = 100, None

    assert derived([record, unknown])["prefill_throughput"] == pytest.approx([500, 500])


@pytest.mark.parametrize(("prompt", "cached"), [(None, None), (None, 5), (64, 64), (64, 65), (0, 0)])
def test_without_a_prefilled_token_there_is_no_prefill_throughput(prompt, cached):
    record = answered(0)
    record.prompt_tokens, record.cached_tokens = prompt, cached

    assert len(derived([record])["prefill_throughput"]) == 0


def test_a_response_of_one_token_has_no_speed_and_meets_an_objective_for_it():
    values = derived([answered(0, tokens=1)], {"tpot": 0.001})

    assert [len(values[name]) for name in ("ttft", "tps", "tpot", "itl")] == [1, 0, 0, 0]
    assert values["slo_attainment"] == [1]


def test_a_chunk_of_several_tokens_is_spread_over_them():
    record = answered(0, ttft=0.1, itl=0.04, tokens=3)
    record.chunk_tokens, record.output_tokens = [4, 4, 2], 10
    values = derived([record])

    np.testing.assert_allclose(values["itl"], [0.01] * 4 + [0.02] * 2)
    np.testing.assert_allclose(values["tps"], [6 / 0.08])


def test_a_response_in_one_piece_has_a_first_token_and_no_speed():
    values = derived([answered(0, itl=0.0), answered(1, itl=1e-5)], {"tpot": 0.001})

    assert [len(values[name]) for name in ("ttft", "tps", "tpot", "itl")] == [2, 0, 0, 0]
    assert values["output_throughput"] == pytest.approx([1], rel=0.01)
    assert values["slo_attainment"].tolist() == [0]


def test_a_response_in_clumps_keeps_its_gaps():
    record = answered(0, ttft=0.1, tokens=4)
    record.chunk_offsets_ns = [100_000_000, 100_000_000, 300_000_000, 300_000_000]
    record.last_token_ns = record.sent_ns + 300_000_000
    values = derived([record])

    np.testing.assert_allclose(values["itl"], [0, 0.2, 0])
    np.testing.assert_allclose(values["tpot"], [0.2 / 3])


def test_a_chunk_without_a_whole_token_has_its_gap_as_on_the_wire():
    record = answered(0, ttft=0.1, itl=0.01, tokens=3)
    record.chunk_tokens, record.output_tokens = [1, 0, 1], 2

    np.testing.assert_allclose(derived([record])["itl"], [0.01, 0.01])
    np.testing.assert_allclose(derived([record])["tpot"], [0.02])


@pytest.mark.parametrize(
    ("slo", "conforming"),
    [
        ({"ttft": 0.25}, 1),
        ({"ttft": 0.35}, 2),
        ({"ttft": 0.35, "tpot": 0.015}, 1),
        ({"itl": 0.015}, 1),
        ({"e2e_latency": 0.1}, 0),
    ],
)
def test_requests_that_meet_every_objective_count_for_goodput_and_slo_attainment(slo, conforming):
    records = [answered(0), answered(1, ttft=0.3, itl=0.02), failed(2), failed(3)]
    values = derived(records, slo, duration_s=8)

    assert values["slo_attainment"] == [conforming / 4]
    assert values["goodput"] == [conforming / 8]


def test_a_request_that_is_partly_within_the_span_counts_in_part_for_rates():
    before, after = answered(-1, ttft=2.0, tokens=1, warmup=True), answered(9, ttft=3.0, tokens=1)
    before.output_tokens = after.output_tokens = 30
    values = derived([before, after, answered(4, tokens=1)], {"ttft": 2.5}, duration_s=10)

    np.testing.assert_allclose(values["rps"], [(1 / 2 + 1 / 3 + 1) / 10], rtol=1e-5)
    np.testing.assert_allclose(values["output_throughput"], [(15 + 10 + 1) / 10], rtol=1e-5)
    np.testing.assert_allclose(values["goodput"], [(1 / 2 + 1) / 10], rtol=1e-5)


def test_without_objectives_there_is_no_goodput_and_no_slo_attainment():
    values = derived([answered(0)])

    assert [len(values[name]) for name in ("goodput", "slo_attainment")] == [0, 0]


def test_without_requests_every_metric_is_empty():
    assert all(len(values) == 0 for values in derived([], {"ttft": 1}).values())


def test_latency_from_the_planned_moment_includes_the_wait():
    record = answered(0)
    record.intended_ns = record.sent_ns - SECOND
    late = latencies_from_intended([record, failed(1), answered(2, warmup=True)])

    np.testing.assert_allclose(late["ttft"], [1.2])
    np.testing.assert_allclose(late["e2e_latency"], [1.24], rtol=1e-5)
