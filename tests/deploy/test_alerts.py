"""The alerts use metrics that exist; `make check-deploy` tests with promtool when each one fires."""

import re
from datetime import UTC, datetime

import pytest
import yaml

from jobs.simulation_run import run_simulation
from tests.incidents import store_availability, store_incident
from tests.support import KEY
from webapp.settings import ROOT
from webapp.store import self_checks
from webapp.store.self_checks import SelfCheckError

ALERTS = ROOT / "helm" / "files" / "alerts.yml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
FROM_THE_SCHEDULER = {"llm_benchmark_scheduler_last_poll_timestamp_seconds"}


@pytest.mark.usefixtures("own_environment")
def test_every_metric_of_an_alert_is_served(client, conn):
    run_simulation(1_700_000_000)
    with conn:
        error = SelfCheckError(metric="ttft", n=1, known_s=0.2, p50_s=0.001, p99_s=0.002)
        self_checks.insert(conn, datetime(2026, 11, 25, tzinfo=UTC), [error])
        cursor = conn.cursor()
        cursor.execute("UPDATE runs SET generation = NULL")
    store_incident(conn)
    store_availability(conn, datetime.now(UTC), finished=1)
    client.get("/readyz")

    text = client.get("/metrics", headers={"x-api-key": KEY}).text

    used = {name for rule in RULES for name in re.findall(r"llm_benchmark_[a-z_]+", rule["expr"])}
    served = set(re.findall(r"^llm_benchmark_[a-z_]+", text, re.MULTILINE))
    assert len(used) >= 8
    assert used - served == FROM_THE_SCHEDULER


def test_every_alert_has_a_severity_a_summary_and_a_test():
    tested = (ROOT / "tests" / "deploy" / "alerts_test.yml").read_text()
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert re.search(rf"alertname: {rule['alert']}\n\s+exp_alerts:", tested), rule["alert"]
