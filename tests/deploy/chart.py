"""Render the chart with Helm's engine, and pick parts of the result."""

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
# What OpenShift and a company's own servers, certificates and rules need.
ANY_NUMBER = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
RESTRICTED = {
    "podSecurityContext": ANY_NUMBER,
    "podLabels": {"team": "speed"},
    "priorityClassName": "high",
    "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "extraVolumes": [{"name": "more", "configMap": {"name": "more"}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/etc/more"}],
    "config": {
        "URL_PREFIX": "/llm/",
        "TRUSTED_PROXIES": "10.0.0.0/8",
        "FRAME_ANCESTORS": "'self'",
        "KEEPALIVE": 90,
    },
}
BUNDLED = {
    **RESTRICTED,
    "postgresql": {"podSecurityContext": ANY_NUMBER},
    "redis": {"podSecurityContext": ANY_NUMBER},
    "ingress": {"enabled": True, "hosts": ["llm.example"]},
}
OWN_SERVERS = {
    **RESTRICTED,
    "existingSecret": "mine",
    "postgresql": {
        "enabled": False,
        "host": "pg.example",
        "sslmode": "verify-full",
        "poolSize": 3,
        "tls": {"secret": "pg-tls", "cert": "tls.crt", "key": "tls.key"},
    },
    "redis": {
        "enabled": False,
        "user": "bench",
        "database": 2,
        "prefix": "bench:",
        "sentinels": ["a.example:26379", "b.example:26379"],
        "sentinelName": "main",
        "sentinelUser": "watcher",
        "ssl": True,
        "tls": {"configMap": "company-ca", "ca": "company.pem"},
    },
    "worker": {"keda": {"enabled": True}},
}
TWO_SCHEDULERS = {**GIVEN, "scheduler": {"replicas": 2}, "worker": {"replicas": 3}}
VALUES = {
    "defaults": {},
    "given": GIVEN,
    "external": EXTERNAL,
    "everything": EVERYTHING,
    "minimal": MINIMAL,
    "two schedulers": TWO_SCHEDULERS,
    "bundled": BUNDLED,
    "own servers": OWN_SERVERS,
}
COMPONENTS = ("api", "scheduler", "worker")


@cache
def chart(path: Path = PATH) -> Chart:
    return Chart.load(path)


def render(values: dict, name: str = "llm", namespace: str = "prod", **options: bool) -> list[dict]:
    """Return all Kubernetes objects of a release."""
    return parse(chart().render(values, name=name, namespace=namespace, **options))


def parse(files: dict[str, str]) -> list[dict]:
    """Return the objects of rendered files, by path."""
    return [
        item
        for path, text in files.items()
        if not path.endswith("NOTES.txt")
        for item in yaml.safe_load_all(text)
        if item
    ]


def notes(values: dict) -> str:
    return chart().render(values, name="llm", namespace="prod")["llm-benchmark/templates/NOTES.txt"]


def of_kind(objects: list[dict], kind: str) -> dict[str, dict]:
    """Return the objects of a kind by name."""
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def component(objects: list[dict], kind: str, name: str) -> dict:
    """Return the component's only object of that kind."""
    (found,) = (
        item
        for item in objects
        if item["kind"] == kind and item["metadata"]["labels"].get("app.kubernetes.io/component") == name
    )
    return found


def pods(objects: list[dict]) -> dict[str, dict]:
    """Return the metadata and spec of each Deployment's, StatefulSet's and bare pod, by name."""
    found = {}
    for item in objects:
        name = item["metadata"]["name"]
        if item["kind"] in ("Deployment", "StatefulSet"):
            found[name] = item["spec"]["template"]
        elif item["kind"] == "Pod":
            found[name] = {"metadata": item["metadata"], "spec": item["spec"]}
    return found


def containers(objects: list[dict]) -> Iterator[tuple[str, dict]]:
    """Yield ("name of the pod/name of the container", container), init containers included."""
    for name, pod in pods(objects).items():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            yield f"{name}/{container['name']}", container


def secret(objects: list[dict], *suffix: str) -> dict[str, str]:
    """Return the decoded data of the application's Secret, or of the one whose name has that suffix."""
    data = of_kind(objects, "Secret")["-".join(("llm-llm-benchmark", *suffix))]["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def config_map(objects: list[dict]) -> dict[str, str]:
    """Return the data of the application's ConfigMap."""
    return of_kind(objects, "ConfigMap")["llm-llm-benchmark"]["data"]


def matches(selector: dict, labels: dict) -> bool:
    """Whether a label selector selects these labels."""
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
