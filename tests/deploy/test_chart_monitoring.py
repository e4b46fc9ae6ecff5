"""How Prometheus and Grafana discover the release."""

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


def test_prometheus_scrapes_every_process_with_the_api_key():
    objects = render(EVERYTHING)
    (service,) = of_kind(objects, "ServiceMonitor").values()
    (pod,) = of_kind(objects, "PodMonitor").values()
    all_labels = [item["metadata"]["labels"] for item in pods(objects).values()]
    components = {
        labels["app.kubernetes.io/component"]
        for labels in all_labels
        if matches(pod["spec"]["selector"], labels)
    }
    services = [
        item["metadata"]["name"]
        for item in of_kind(objects, "Service").values()
        if matches(service["spec"]["selector"], item["metadata"]["labels"])
    ]

    assert services == ["llm-llm-benchmark"]
    assert components == {"scheduler", "worker"}
    for endpoint in [*service["spec"]["endpoints"], *pod["spec"]["podMetricsEndpoints"]]:
        assert endpoint["path"] == "/metrics"
        assert endpoint["authorization"]["credentials"] == {"name": "llm-llm-benchmark", "key": "API_KEY"}


def test_alerts_and_dashboards_are_included_unchanged():
    objects = render(EVERYTHING)
    (rules,) = of_kind(objects, "PrometheusRule").values()
    dashboards = [
        item
        for item in of_kind(objects, "ConfigMap").values()
        if item["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]

    assert len(rules["spec"]["groups"][0]["rules"]) >= 5
    files = {name: text for item in dashboards for name, text in item["data"].items()}
    assert set(files) == {"LLM_Performance_Dashboard.json", "LLM_Trends_Dashboard.json"}
    for name, text in files.items():
        assert json.loads(text) == json.loads((PATH.parent / "public" / name).read_text())


def sources(values):
    """Return Grafana's data sources by type, and the text of the file."""
    data = of_kind(render(values), "Secret")["llm-llm-benchmark-datasources"]["data"]
    text = base64.b64decode(data["llm-benchmark.yaml"]).decode()
    return {source["type"]: source for source in yaml.safe_load(text)["datasources"]}, text


def test_the_data_sources_address_the_release_and_contain_its_secrets():
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


def test_with_an_existing_secret_the_data_sources_use_grafanas_environment():
    found, _ = sources({**EXTERNAL, "grafana": {"datasources": {"enabled": True}}})

    assert found["grafana-postgresql-datasource"]["url"] == "pg.example:6432"
    assert found["grafana-postgresql-datasource"]["jsonData"]["sslmode"] == "verify-full"
    assert found["yesoreyeram-infinity-datasource"]["secureJsonData"] == {
        "httpHeaderValue1": "$LLM_BENCHMARK_API_KEY"
    }
