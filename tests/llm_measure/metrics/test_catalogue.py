from llm_measure.metrics import METRICS
from tests.support import query


def test_the_database_holds_the_catalogue(conn):
    in_database = query(conn, "SELECT id, name, unit, better, formula FROM metrics ORDER BY id")

    assert in_database == [(m.id, m.name, m.unit, m.better, m.formula) for m in METRICS]


def test_the_contract_metrics_come_first_and_in_their_order():
    assert [metric.name for metric in METRICS.simulated] == ["ttft", "tps", "e2e_latency", "rps"]
    assert METRICS[: len(METRICS.simulated)] == METRICS.simulated
