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


def test_no_text_is_a_formula_for_a_spreadsheet_and_numbers_stay_numbers():
    figures = dict.fromkeys(NAMES, -1.5) | {"unit": "@s"}
    hostile = {"pattern": "=1+1", "rate": 2, "valid": True, "requests": 1, "errors": {}}

    (row,) = csv.DictReader(io.StringIO(as_csv([hostile | {"metrics": {"-ttft": figures}}])))

    assert (row["pattern"], row["metric"], row["unit"]) == ("'=1+1", "'-ttft", "'@s")
    assert (row["load"], row["mean"]) == ("2", "-1.5")


def test_each_level_and_metric_has_a_line():
    levels = [
        level([answered(0), answered(1), failed(2), failed(3, "cancelled")], "the client was the limit"),
        replace(level([answered(0)]), load=Load(rate=2.5, requests=1)),
    ]
    found = document(Endpoint("http://x/v1", "m"), Workload(), levels)

    rows = list(csv.DictReader(io.StringIO(as_csv(found["levels"]))))

    assert [row["metric"] for row in rows] == 2 * list(METRICS.names)
    assert {(row["pattern"], row["load"], row["valid"], row["requests"], row["failed"]) for row in rows} == {
        ("closed", "8", "false", "4", "1"),
        ("poisson", "2.5", "true", "1", "0"),
    }
    assert (rows[0]["unit"], rows[0]["n"], rows[0]["p50"]) == ("s", "2", "0.2")
    assert (rows[-1]["metric"], rows[-1]["n"], rows[-1]["mean"]) == ("goodput", "0", "")
