import pytest

from llm_measure.workloads import Load, Workload


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Load(requests=1), "either a concurrency, a rate or the speed of a trace"),
        (
            lambda: Load(concurrency=1, rate=1, requests=1),
            "either a concurrency, a rate or the speed of a trace",
        ),
        (lambda: Load(concurrency=1), "a number of requests or a duration"),
        (lambda: Load(concurrency=1, requests=1, duration_s=1), "a number of requests or a duration"),
        (lambda: Load(concurrency=0, requests=1), "concurrency=0"),
        (lambda: Load(rate=0, requests=1), "rate=0"),
        (lambda: Load(rate=float("nan"), requests=1), "rate=nan"),
        (lambda: Load(rate=1, duration_s=float("inf")), "duration_s=inf"),
        (lambda: Load(rate=1, requests=0), "requests=0"),
        (lambda: Load(rate=1, requests=1, warmup=-1), "warmup=-1"),
        (lambda: Load(rate=1, requests=1, arrival="burst"), "arrival='burst'"),
        (lambda: Workload(input_tokens=3), "input_tokens=3: must be at least 4"),
        (lambda: Workload(output_tokens=0), "output_tokens=0"),
        (lambda: Workload(input_tokens="1e9"), "input_tokens=1e9: must be at most 10000000"),
        (
            lambda: Workload(output_tokens="1..1e9"),
            "output_tokens=1..1e9: must be at most 10000000 on average",
        ),
        (
            lambda: Workload(inputs=10_000, input_tokens=2000),
            "inputs=10000: must have at most 10000000 input_tokens together",
        ),
        (lambda: Workload(timeout_s=0), "timeout_s=0"),
        (lambda: Workload(slo={"rps": 1}), "slo=rps"),
        (lambda: Workload(slo={"ttft": 0}), "slo=ttft=0"),
        (lambda: Workload(trace="t", input_tokens=5), "trace: brings its requests; leave out input_tokens"),
        (lambda: Workload(trace="t", trace_window=(0, float("inf"))), "the second one later, both finite"),
        (lambda: Workload(inputs=1, expects="json"), "expects=json: does not apply"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_field_and_its_value(make, word):
    with pytest.raises(ValueError, match=word.replace("(", "\\(")):
        make()


@pytest.mark.parametrize(
    ("extra_body", "asked"),
    [
        ({}, 9),
        ({"temperature": 0}, 9),
        ({"max_completion_tokens": 3}, None),
        ({"max_tokens": None}, None),
        ({"generationConfig": {"maxOutputTokens": 3}}, None),
        ({"generationConfig": {"maxOutputTokens": None}}, None),
        ({"generationConfig": None}, None),
        ({"generationConfig": {"temperature": 0}}, 9),
        ({"inferenceConfig": {"maxTokens": 3}}, None),
        ({"inferenceConfig": {"temperature": 0}}, 9),
    ],
)
def test_the_maximum_is_unknown_where_the_extra_body_replaces_it(extra_body, asked):
    assert Workload(output_tokens=9, extra_body=extra_body).asked_output_tokens == asked


def test_a_level_has_a_name_and_a_short_one():
    names = [
        (load.name, load.level)
        for load in (
            Load(concurrency=8, requests=1),
            Load(rate=2.5, requests=1),
            Load(rate=10, requests=1, arrival="constant"),
        )
    ]

    assert names == [
        ("concurrency 8", "c8"),
        ("poisson 2.5/s", "r2.5"),
        ("constant 10/s", "r10-constant"),
    ]


def test_a_workload_without_a_seed_gets_a_random_one():
    first, second = (Workload().seeded().seed for _ in range(2))

    assert first != second
    assert Workload(seed=7).seeded() == Workload(seed=7)


def test_a_workload_states_only_what_its_kind_asks_for():
    answers, inputs = Workload().asked(), Workload(inputs=8).asked()

    assert answers.keys() ^ inputs.keys() == {"output_tokens", "inputs"}
    assert (answers["output_tokens"], inputs["inputs"]) == (128, 8)


def test_turns_and_extra_body_cannot_both_bring_messages():
    with pytest.raises(ValueError, match="turns=3: bring messages; leave it out of extra_body"):
        Workload(turns=3, extra_body={"messages": []})
