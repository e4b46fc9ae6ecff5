import csv
import io
from dataclasses import replace

from llm_measure.endpoints import Endpoint
from llm_measure.metrics import METRICS
from llm_measure.report.csv import as_csv
from llm_measure.report.document import document
from llm_measure.stats.summary import NAMES
from llm_measure.workloads import Load, Workload
from tests.measured import answered, failed, level


def rows_of(levels: list[dict]) -> list[dict]:
    return list(csv.DictReader(io.StringIO(as_csv(levels))))


def test_no_text_is_a_formula_for_a_spreadsheet_and_numbers_stay_numbers():
    figures = dict.fromkeys(NAMES, -1.5) | {"unit": "@s"}
    (made,) = document(Endpoint("http://x/v1", "m"), Workload(), [level([answered(0)])])["levels"]
    hostile = {"pattern": "=1+1", "finish_reasons": {"@stop": 1}, "metrics": {"-ttft": figures}}

    (row,) = rows_of([made | hostile])

    assert (row["pattern"], row["metric"], row["unit"]) == ("'=1+1", "'-ttft", "'@s")
    assert row["finish_reasons"] == "'@stop 1"
    assert (row["load"], row["mean"]) == ("8", "-1.5")


def test_each_line_describes_its_level():
    at_a_rate = replace(level([answered(0), answered(1)]), load=Load(rate=2.5, requests=2))
    found = document(Endpoint("http://x/v1", "m"), Workload(), [at_a_rate, level([answered(0)])])

    first, *_, last = rows_of(found["levels"])

    described = {name: first[name] for name in list(first)[5:22]}
    assert described == {
        "prompt_tokens_asked": "256",
        "prompt_tokens_counted": "256",
        "cached_share": "0.5",
        "output_tokens_asked": "256",
        "output_tokens_counted": "10",
        "output_tokens_seen": "10",
        "chunks": "10",
        "token_sources": "usage 2",
        "finish_reasons": "length 2",
        "span_begin_s": "0.0",
        "span_end_s": "2.0",
        "offered_rate": "1.0",
        "achieved_rate": "1.0",
        "client_wait_s": "0.125",
        "clock": "kernel",
        "http_version": "1.1",
        "insecure": "false",
    }
    assert (last["offered_rate"], last["achieved_rate"]) == ("", "")


def test_quantiles_have_the_ends_of_their_intervals():
    records = [answered(index, ttft=(index + 1) / 100) for index in range(10)]
    found = document(Endpoint("http://x/v1", "m"), Workload(), [level(records)])

    (ttft,) = [row for row in rows_of(found["levels"]) if row["metric"] == "ttft"]

    assert (ttft["p50"], ttft["p50_low"], ttft["p50_high"], ttft["p99_high"]) == ("0.05", "0.02", "0.09", "")


def test_each_level_and_metric_has_a_line():
    levels = [
        level([answered(0), answered(1), failed(2), failed(3, "cancelled")], "the client was the limit"),
        replace(level([answered(0)]), load=Load(rate=2.5, requests=1)),
    ]
    found = document(Endpoint("http://x/v1", "m"), Workload(), levels)

    rows = rows_of(found["levels"])

    assert [row["metric"] for row in rows] == 2 * [metric.name for metric in METRICS.of("generation")]
    assert {(row["pattern"], row["load"], row["valid"], row["requests"], row["failed"]) for row in rows} == {
        ("closed", "8", "false", "4", "1"),
        ("poisson", "2.5", "true", "1", "0"),
    }
    assert (rows[0]["unit"], rows[0]["n"], rows[0]["p50"]) == ("s", "2", "0.2")
    assert (rows[-1]["metric"], rows[-1]["n"], rows[-1]["mean"]) == ("valid_answers", "0", "")
