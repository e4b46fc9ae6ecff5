"""How Prometheus and Grafana find the release."""

import base64
import json
import re

import yaml

from tests.deploy.chart import (
    EVERYTHING,
    EXTERNAL,
    PATH,
    matches,
    of_kind,
    pods,
    render,
)


def test_prometheus_finds_each_process_and_sends_the_key():
    objects = render(EVERYTHING)
    (service,) = of_kind(objects, "ServiceMonitor").values()
    (pod,) = of_kind(objects, "PodMonitor").values()
    found = {
        labels["metadata"]["labels"]["app.kubernetes.io/component"]
        for labels in pods(objects).values()
        if matches(pod["spec"]["selector"], labels["metadata"]["labels"])
    }
    services = [
        item["metadata"]["name"]
        for item in of_kind(objects, "Service").values()
        if matches(service["spec"]["selector"], item["metadata"]["labels"])
    ]

    assert services == ["llm-llm-benchmark"]
    assert found == {"scheduler", "worker"}
    for endpoint in [*service["spec"]["endpoints"], *pod["spec"]["podMetricsEndpoints"]]:
        assert endpoint["path"] == "/metrics"
        assert endpoint["authorization"]["credentials"] == {"name": "llm-llm-benchmark", "key": "API_KEY"}


def test_the_alerts_and_dashboards_arrive_whole():
    objects = render(EVERYTHING)
    (rules,) = of_kind(objects, "PrometheusRule").values()
    dashboards = [
        found
        for found in of_kind(objects, "ConfigMap").values()
        if found["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]

    assert len(rules["spec"]["groups"][0]["rules"]) >= 5
    files = {name: text for found in dashboards for name, text in found["data"].items()}
    assert set(files) == {"LLM_Performance_Dashboard.json", "LLM_Trends_Dashboard.json"}
    for name, text in files.items():
        assert json.loads(text) == json.loads((PATH.parent / "public" / name).read_text())


def sources(values):
    """Grafana's data sources by their types, and the text in which they stand."""
    data = of_kind(render(values), "Secret")["llm-llm-benchmark-datasources"]["data"]
    text = base64.b64decode(data["llm-benchmark.yaml"]).decode()
    return {source["type"]: source for source in yaml.safe_load(text)["datasources"]}, text


def test_grafanas_data_sources_lead_to_the_release_and_carry_its_secrets():
    found, text = sources(EVERYTHING)
    api, postgresql = found["yesoreyeram-infinity-datasource"], found["grafana-postgresql-datasource"]

    assert api["url"] == "http://llm-llm-benchmark.prod.svc:80"
    assert api["jsonData"]["allowedHosts"] == [api["url"]]
    assert api["secureJsonData"] == {"httpHeaderValue1": "the-api-key"}
    assert (postgresql["url"], postgresql["user"]) == (
        "llm-llm-benchmark-postgresql.prod.svc:5432",
        "grafana_reader",
    )
    # Grafana reads two dollars as one.
    assert postgresql["secureJsonData"] == {"password": "reader$$word"}
    assert not re.search(r"^[^#]*(?<!\$)\$[A-Z]", text, re.MULTILINE)


def test_with_a_secret_of_ones_own_grafanas_environment_holds_the_secrets():
    found, _ = sources({**EXTERNAL, "grafana": {"datasources": {"enabled": True}}})

    assert found["grafana-postgresql-datasource"]["url"] == "pg.example:6432"
    assert found["grafana-postgresql-datasource"]["jsonData"]["sslmode"] == "verify-full"
    assert found["yesoreyeram-infinity-datasource"]["secureJsonData"] == {
        "httpHeaderValue1": "$LLM_BENCHMARK_API_KEY"
    }
