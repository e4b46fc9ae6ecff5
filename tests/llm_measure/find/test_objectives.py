import pytest

from llm_measure.capacity import Search
from llm_measure.find.objectives import targets
from llm_measure.records import Record


@pytest.mark.parametrize(
    ("slo", "message"),
    [
        ({}, "must have an objective"),
        (
            {"rps:p95": 1.0},
            "unknown objective; expected error_rate, or a quantile such as ttft:p95 of ttft",
        ),
        ({"speed": 1.0}, "unknown objective"),
        ({"ttft": 1.0}, "expected ttft with a quantile from p50 to p99.999"),
        ({"ttft:p4": 1.0}, "expected ttft with a quantile"),
        ({"ttft:p49": 1.0}, "expected ttft with a quantile"),
        ({"ttft:95": 1.0}, "expected ttft with a quantile"),
        ({"ttft:p95": 0.0}, "must be greater than 0 and finite"),
        ({"error_rate": 1.0}, "must be greater than 0 and below 1"),
    ],
)
def test_what_is_no_objective_is_refused(slo, message):
    with pytest.raises(ValueError, match=message):
        Search("rate", slo)


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "load"), ("confidence", 0.4), ("confidence", 0.99999), ("budget", 0), ("start", 0.0)],
)
def test_what_is_no_search_is_refused(field, value):
    with pytest.raises(ValueError, match=str(value)):
        Search(**{"kind": "rate", "slo": {"ttft:p95": 1.0}, field: value})


def answered(error: str | None = None, first: int | None = 200_000_000, offsets: tuple = ()) -> Record:
    return Record(0, False, 0, 0, 10**9, first_token_ns=first, error=error, chunk_offsets_ns=list(offsets),
                  chunk_tokens=[1] * len(offsets))  # fmt: skip


def test_a_failed_request_and_one_without_a_required_value_exceed_every_bound():
    (target,) = targets({"ttft:p95": 0.5})

    found = target.values([answered(), answered("timeout"), answered(first=None)])

    assert found.values.tolist() == [0.2, float("inf"), float("inf")]


def test_a_request_without_a_value_that_is_not_required_meets_its_objective():
    (target,) = targets({"tpot:p95": 0.5})
    paced = answered(offsets=(0, 10_000_000))
    paced.last_token_ns = 210_000_000

    assert target.values([answered(), paced]).values.tolist() == [0.0, 0.01]


@pytest.mark.parametrize("name", ["itl:p95", "tpot:p95"])
def test_an_objective_of_which_no_response_has_a_value_has_none(name):
    (target,) = targets({name: 0.5})

    assert not len(target.values([answered(), answered("timeout")]).values)


def test_gaps_of_all_requests_are_pooled_and_a_failed_one_counts_as_a_usual_response():
    (target,) = targets({"itl:p99": 0.05})
    ms = 1_000_000

    found = target.values([answered(offsets=(0, 10 * ms, 30 * ms)), answered("http_5xx")])

    assert found.sizes.tolist() == [2, 2]
    assert found.values.tolist() == [0.01, 0.02, float("inf"), float("inf")]
