"""The chart, rendered by Helm's engine with several sets of values and validated by Kubernetes' schemas."""

import re
import subprocess
import sys

import kubernetes_validate
import pytest
from helm_python.chart import lint
from helm_python.errors import HelmError

from tests.deploy.chart import (
    COMPONENTS,
    EVERYTHING,
    EXTERNAL,
    GIVEN,
    MINIMAL,
    PATH,
    TWO_SCHEDULERS,
    VALUES,
    chart,
    component,
    config_map,
    containers,
    matches,
    notes,
    of_kind,
    pods,
    render,
    secret,
)
from webapp.queue.durations import RUN_TIMEOUT
from webapp.queue.queues import QUEUE_NAME
from webapp.settings import ROOT

# Custom resources, for which Kubernetes has no schemas.
FOREIGN = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PodMonitor", "PrometheusRule"}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_lint_reports_no_error(values):
    report = lint(PATH, values, strict=True)

    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_object_matches_kubernetes_schema(objects, version):
    for item in objects:
        if item["kind"] not in FOREIGN:
            kubernetes_validate.validate(item, version, strict=True)


def test_object_names_are_unique(objects):
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]

    assert len(set(names)) == len(names)


def test_every_optional_object_can_be_enabled():
    kinds = {item["kind"] for item in render(EVERYTHING)}

    assert kinds >= FOREIGN | {"HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PodDisruptionBudget"}


def test_external_servers_and_secret_replace_those_of_the_chart():
    objects = render(EXTERNAL)

    assert not of_kind(objects, "StatefulSet")
    assert not of_kind(objects, "Secret")


def test_every_container_is_restricted(objects):
    for name, container in containers(objects):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
    for name, pod in pods(objects).items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context.get("runAsUser", 1) > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name


def test_every_container_has_requests_and_a_memory_limit(objects):
    for name, container in containers(objects):
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]), name
        assert "memory" in resources["limits"], name


def test_every_long_running_container_has_probes(objects):
    for name, pod in pods(objects).items():
        for container in pod["spec"]["containers"]:
            if not name.endswith("-test"):
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name


def test_no_probe_depends_on_redis_or_postgresql():
    objects = render(GIVEN)
    (api,) = component(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"]

    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert api["readinessProbe"]["httpGet"]["path"] == "/healthz"
    for name in ("scheduler", "worker"):
        (container,) = component(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert container["livenessProbe"]["tcpSocket"] == {"port": "metrics"}


def test_every_selector_selects_the_pods_of_one_component(objects):
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    for item in objects:
        spec = item.get("spec", {})
        wanted = item["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        if item["kind"] == "Service":
            selector = {"matchLabels": spec["selector"]}
        elif item["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            selector = spec["selector"]
        elif item["kind"] == "NetworkPolicy":
            selector = spec["podSelector"]
        else:
            continue
        selected = [name for name, pod in labels.items() if matches(selector, pod)]
        assert selected == [f"llm-llm-benchmark-{wanted}"], item["metadata"]["name"]


def test_each_service_targets_a_port_of_its_pods(objects):
    for service in of_kind(objects, "Service").values():
        (pod,) = (
            pod
            for pod in pods(objects).values()
            if matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])
        )
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_container_port_is_the_one_on_which_the_api_listens():
    objects = render(GIVEN)
    (container,) = component(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"]

    assert container["ports"] == [{"name": "http", "containerPort": 8001}]
    assert config_map(objects)["PORT"] == "8001"


@pytest.mark.parametrize("name", ["api", "worker"])
def test_each_pod_that_uses_the_database_migrates_it_first_with_the_same_image_and_settings(objects, name):
    spec = component(objects, "Deployment", name)["spec"]["template"]["spec"]
    (migrate, *others), (main,) = spec["initContainers"], spec["containers"]

    assert (migrate["args"], main["args"]) == (["migrate"], [name])
    assert (migrate["image"], migrate["envFrom"]) == (main["image"], main["envFrom"][:1])
    assert [other["name"] for other in others] in ([], ["grafana-reader"])


def test_the_scheduler_uses_no_database(objects):
    assert "initContainers" not in component(objects, "Deployment", "scheduler")["spec"]["template"]["spec"]


def test_the_only_hook_is_the_test(objects):
    hooks = {
        item["metadata"]["name"]: item["metadata"]["annotations"]["helm.sh/hook"]
        for item in objects
        if "helm.sh/hook" in item["metadata"].get("annotations", {})
    }

    assert hooks == {"llm-llm-benchmark-test": "test"}


def graceful_timeout(objects):
    """Return the seconds that gunicorn gives requests in flight, with the settings of the API's pods."""
    done = subprocess.run(
        [sys.executable, "-m", "webapp.serve", "--print-config"],
        cwd=ROOT,
        env={**config_map(objects), **secret(objects)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(re.search(r"^graceful_timeout += (\d+)$", done.stdout, re.MULTILINE)[1])


def test_pods_have_time_to_stop():
    objects = render(GIVEN)
    api = component(objects, "Deployment", "api")["spec"]["template"]["spec"]
    worker = component(objects, "Deployment", "worker")["spec"]["template"]["spec"]
    pre_stop = api["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert api["terminationGracePeriodSeconds"] > pre_stop + graceful_timeout(objects)
    assert worker["terminationGracePeriodSeconds"] > RUN_TIMEOUT


def test_a_rolling_update_of_the_api_keeps_all_replicas_available():
    strategy = component(render(GIVEN), "Deployment", "api")["spec"]["strategy"]["rollingUpdate"]

    assert strategy == {"maxUnavailable": 0, "maxSurge": 1}


def test_autoscalers_control_the_number_of_replicas():
    fixed, scaled = render(TWO_SCHEDULERS), render(EVERYTHING)

    assert component(fixed, "Deployment", "scheduler")["spec"]["replicas"] == 2
    assert component(fixed, "Deployment", "worker")["spec"]["replicas"] == 3
    for name in ("api", "worker"):
        assert "replicas" not in component(scaled, "Deployment", name)["spec"]
    assert component(scaled, "Deployment", "scheduler")["spec"]["replicas"] == 2
    target = component(scaled, "HorizontalPodAutoscaler", "api")["spec"]["scaleTargetRef"]
    assert target["name"] in of_kind(scaled, "Deployment")


def test_keda_scales_by_the_length_of_the_queue():
    objects = render(EVERYTHING)
    scaled = component(objects, "ScaledObject", "worker")["spec"]
    (trigger,) = scaled["triggers"]
    (reference,) = component(objects, "TriggerAuthentication", "worker")["spec"]["secretTargetRef"]

    assert scaled["scaleTargetRef"]["name"] in of_kind(objects, "Deployment")
    assert trigger["metadata"]["listName"] == f"rq:queue:{QUEUE_NAME}"
    assert trigger["metadata"]["address"] == "llm-llm-benchmark-redis.prod.svc:6379"
    assert reference["key"] in secret(objects)


def test_network_policies_admit_only_the_releases_pods_and_the_named_peers():
    objects = render(EVERYTHING)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    policies = of_kind(objects, "NetworkPolicy")
    (rule,) = policies["llm-llm-benchmark-redis"]["spec"]["ingress"]
    own = [source["podSelector"] for source in rule["from"] if "podSelector" in source]

    allowed = {name for name, pod in labels.items() if any(matches(selector, pod) for selector in own)}
    assert allowed == {f"llm-llm-benchmark-{name}" for name in COMPONENTS}
    assert EVERYTHING["networkPolicy"]["redisFrom"][0] in rule["from"]
    (rule,) = policies["llm-llm-benchmark-postgresql"]["spec"]["ingress"]
    own = [source["podSelector"] for source in rule["from"] if "podSelector" in source]
    allowed = {name for name, pod in labels.items() if any(matches(selector, pod) for selector in own)}
    assert allowed == {"llm-llm-benchmark-api", "llm-llm-benchmark-worker"}
    assert policies["llm-llm-benchmark-postgresql"]["spec"]["egress"] == []
    https = EVERYTHING["networkPolicy"]["workerEgress"][0]
    assert https in policies["llm-llm-benchmark-worker"]["spec"]["egress"]
    assert https not in policies["llm-llm-benchmark-api"]["spec"]["egress"]


def test_a_long_release_name_yields_valid_object_names():
    for item in render(EVERYTHING, name="a" * 53):
        assert len(item["metadata"]["name"]) <= 63


def test_the_notes_explain_access_and_the_purpose_of_the_bundled_servers():
    assert "port-forward service/llm-llm-benchmark 8001:80" in notes(GIVEN)
    assert "for evaluation" in notes(GIVEN)
    assert "https://llm.example" in notes(EVERYTHING)
    assert "get secret mine" in notes(MINIMAL)
    assert "for evaluation" not in notes(MINIMAL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aplication": {}},
        {"image": {"digest": "sha256:abc"}},
        {"apiKey": "with space"},
        {"secretKey": "short"},
        {"config": {"API_KEY": "in a ConfigMap"}},
        {"config": {"POSTGRES_HOST": "elsewhere"}},
        {"config": {"SOME_TOKEN": "in a ConfigMap"}},
        {"config": {"LOG_LEVEL": "LOUD"}},
        {"extraSecrets": {"API_KEY": "twice"}},
        {"postgresql": {"enabled": False}},
        {"redis": {"enabled": False, "host": ""}},
        {"redis": {"password": "two\nlines"}},
        {"postgresql": {"port": 70000}},
        {"api": {"replicas": -1}},
        {"api": {"replica": 2}},
        {"worker": {"keda": {"enabled": True, "minReplicas": 0}}},
        {"ingress": {"enabled": True, "hosts": []}},
        {"service": {"type": "ExternalName"}},
        {"monitoring": {"interval": "soon"}},
        {"podLabels": {"app.kubernetes.io/name": "other"}},
        {"extraEnv": [{"name": "API_KEY", "value": "twice"}]},
        {"config": {"URL_PREFIX": "llm"}},
        {"postgresql": {"tls": {"secret": "a", "configMap": "b"}}},
        {"redis": {"user": "bench"}},
        {"redis": {"ssl": True}},
        {"redis": {"database": -1}},
        {"redis": {"enabled": False, "sentinels": ["a b"]}},
    ],
    ids=str,
)
def test_invalid_values_are_rejected(wrong):
    with pytest.raises(HelmError):
        render(wrong)


def test_the_defaults_satisfy_the_schema_which_lists_all_of_them():
    chart().validate_schema({})
    properties = chart().schema["properties"]

    assert set(chart().values) == set(properties) - {"global"}
