"""Workloads whose capacity is searched for."""

import pytest

from llm_measure.capacity import Search
from tests.webapp.plan.files import GOOD, SEARCH
from webapp.plan.benchmark_file import read_benchmark_file

FAULTS = [
    (GOOD + "        find: rate\n", "8: workloads[0].concurrency=2: expected either find or concurrency"),
    (GOOD + "        budget: 900\n", "10: workloads[0].budget=900: needs find"),
    (SEARCH + "        trace: a\n", "11: workloads[0].trace='a': expected either find or trace"),
    (SEARCH + "        warmup: 4\n", "11: workloads[0].warmup=4: expected either find or warmup"),
    (SEARCH.replace("        slo", "        # slo"), "8: workloads[0].find='rate': needs slo"),
    (SEARCH.replace("find: rate", "find: speed"), "8: workloads[0].find='speed': must be one of rate, "),
    (SEARCH.replace("ttft:p95", "ttft"), "9: workloads[0].slo.ttft=0.5: unknown objective; expected"
     " error_rate, or a quantile such as ttft:p95 of ttft, "),
    (SEARCH.replace("ttft:p95", "rps:p95"), "9: workloads[0].slo.rps:p95=0.5: unknown objective"),
    (SEARCH.replace("p95", "p100"), "9: workloads[0].slo.ttft:p100=0.5: unknown objective"),
    (SEARCH + "        budget: 2000\n", "11: workloads[0].budget=2000: too few requests for error_rate at"
     " confidence 0.95; expected at least 2300"),
    (SEARCH.replace("p95", "p99.99"), "7: workloads[0].budget: too few requests for ttft:p99.99"),
    (SEARCH.replace("ttft:p95", "itl:p95") + "        output_tokens: 1\n", "9: workloads[0].slo."
     "itl:p95=0.5: a response of 1 token has no gaps"),
    (SEARCH + "        confidence: 95\n", "11: workloads[0].confidence=95: must be a number from 0.5 to"),
]  # fmt: skip


def test_a_search_is_a_level_of_its_workload(write):
    (by_rate,) = read_benchmark_file(write(SEARCH + "        budget: 3000\n        confidence: 0.9\n"))
    (by_concurrency,) = read_benchmark_file(write(SEARCH.replace("find: rate", "find: concurrency")))

    slo = {"ttft:p95": 0.5, "error_rate": 0.01}
    assert by_rate.load == Search("rate", slo, confidence=0.9, budget=3000)
    assert by_concurrency.load == Search("concurrency", slo)
    assert (by_rate.scenario, by_concurrency.scenario) == ("chat@max", "chat@max-concurrency")
    assert by_rate.workload.slo == {}  # which are of requests, and a search's of levels


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_what_a_search_cannot_have_and_what_needs_one_is_refused(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)
