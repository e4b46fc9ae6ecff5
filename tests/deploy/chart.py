"""The chart as Helm's own engine renders it, and ways to look at what comes out."""

import base64
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from helm_python.chart import Chart

from webapp.settings import ROOT

PATH = ROOT / "helm"
GIVEN = {
    "apiKey": "the-api-key",
    "secretKey": "the-key-that-signs-the-cookies-of-the-page",
    "postgresql": {"password": "pg-word"},
    "redis": {"password": "redis-word"},
}
EXTERNAL = {
    "existingSecret": "mine",
    "postgresql": {"enabled": False, "host": "pg.example", "port": 6432, "sslmode": "verify-full"},
    "redis": {"enabled": False, "host": "redis.example", "ssl": True},
}
EVERYTHING = {
    **GIVEN,
    "image": {"repository": "ghcr.io/me/llm-benchmark", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "pull"}],
    "extraSecrets": {"OPENAI_API_KEY": "endpoint-word"},
    "benchmarkFile": "llms: []\n",
    "api": {"autoscaling": {"enabled": True}, "podAnnotations": {"a": "b"}, "tolerations": [{"key": "k"}]},
    "scheduler": {"replicas": 2, "nodeSelector": {"disk": "ssd"}},
    "worker": {"keda": {"enabled": True}, "affinity": {"nodeAffinity": {}}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "hosts": ["llm.example"],
        "tls": [{"secretName": "tls", "hosts": ["llm.example"]}],
    },
    "networkPolicy": {
        "enabled": True,
        "redisFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}],
        "workerEgress": [{"ports": [{"protocol": "TCP", "port": 443}]}],
    },
    "monitoring": {"enabled": True, "labels": {"release": "prometheus"}, "rules": {"enabled": True}},
    "grafana": {
        "dashboards": {"enabled": True},
        "datasources": {"enabled": True},
        "reader": {"enabled": True, "password": "reader$word"},
    },
}
MINIMAL = {
    **EXTERNAL,
    "api": {"replicas": 1, "podDisruptionBudget": {"enabled": False}},
    "scheduler": {"podDisruptionBudget": {"enabled": False}},
    "worker": {"podDisruptionBudget": {"enabled": False}},
    "serviceAccount": {"create": False},
}
TWO_SCHEDULERS = {**GIVEN, "scheduler": {"replicas": 2}, "worker": {"replicas": 3}}
VALUES = {
    "defaults": {},
    "given": GIVEN,
    "external": EXTERNAL,
    "everything": EVERYTHING,
    "minimal": MINIMAL,
    "two schedulers": TWO_SCHEDULERS,
}
COMPONENTS = ("api", "scheduler", "worker")


@cache
def chart(path: Path = PATH) -> Chart:
    return Chart.load(path)


def render(values: dict, name: str = "llm", namespace: str = "prod", **options: bool) -> list[dict]:
    """All objects of a release."""
    files = chart().render(values, name=name, namespace=namespace, **options)
    return [
        found
        for path, text in files.items()
        if not path.endswith("NOTES.txt")
        for found in yaml.safe_load_all(text)
        if found
    ]


def notes(values: dict) -> str:
    return chart().render(values, name="llm", namespace="prod")["llm-benchmark/templates/NOTES.txt"]


def of_kind(objects: list[dict], kind: str) -> dict[str, dict]:
    """Those of a kind by their names."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def component(objects: list[dict], kind: str, name: str) -> dict:
    """The one object of the kind that belongs to the component."""
    (found,) = (
        found
        for found in objects
        if found["kind"] == kind and found["metadata"]["labels"].get("app.kubernetes.io/component") == name
    )
    return found


def pods(objects: list[dict]) -> dict[str, dict]:
    """Whatever runs: name to {metadata, spec} of its pods."""
    found = {}
    for item in objects:
        name = item["metadata"]["name"]
        if item["kind"] in ("Deployment", "StatefulSet"):
            found[name] = item["spec"]["template"]
        elif item["kind"] == "Pod":
            found[name] = {"metadata": item["metadata"], "spec": item["spec"]}
    return found


def containers(objects: list[dict]) -> Iterator[tuple[str, dict]]:
    for name, pod in pods(objects).items():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            yield f"{name}/{container['name']}", container


def secret(objects: list[dict]) -> dict[str, str]:
    """The chart's own Secret, decoded."""
    found = of_kind(objects, "Secret")["llm-llm-benchmark"]
    return {name: base64.b64decode(value).decode() for name, value in found["data"].items()}


def matches(selector: dict, labels: dict) -> bool:
    """Whether a label selector chooses these labels."""
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
