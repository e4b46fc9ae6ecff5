"""The chart in several sets of values, by Helm's engine and against Kubernetes' own schemas."""

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
    containers,
    matches,
    notes,
    of_kind,
    pods,
    render,
    secret,
)
from webapp.queue import QUEUE_NAME, RUN_TIMEOUT

# From CRDs, so Kubernetes itself has no schema for them.
FOREIGN = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PodMonitor", "PrometheusRule"}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_has_nothing_against_it(values):
    report = lint(PATH, values, strict=True)

    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_knows_every_field(objects, version):
    for found in objects:
        if found["kind"] not in FOREIGN:
            kubernetes_validate.validate(found, version, strict=True)


def test_no_two_objects_have_one_name(objects):
    names = [(found["kind"], found["metadata"]["name"]) for found in objects]

    assert len(set(names)) == len(names)


def test_everything_that_can_be_switched_on_is_there():
    kinds = {found["kind"] for found in render(EVERYTHING)}

    assert kinds >= FOREIGN | {"HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PodDisruptionBudget"}


def test_with_external_services_it_brings_no_server_and_no_secret():
    objects = render(EXTERNAL)

    assert not of_kind(objects, "StatefulSet")
    assert not of_kind(objects, "Secret")


def test_every_container_is_locked_in(objects):
    for name, container in containers(objects):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
    for name, pod in pods(objects).items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name


def test_every_container_says_what_it_needs_and_at_most_takes(objects):
    for name, container in containers(objects):
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]), name
        assert "memory" in resources["limits"], name


def test_every_lasting_container_is_probed(objects):
    for name, pod in pods(objects).items():
        for container in pod["spec"]["containers"]:
            if not name.endswith("-test"):
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name


def test_no_probe_asks_redis_or_postgresql_so_that_cached_answers_outlast_them():
    objects = render(GIVEN)
    (api,) = component(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"]

    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert api["readinessProbe"]["httpGet"]["path"] == "/healthz"
    for name in ("scheduler", "worker"):
        (container,) = component(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert container["livenessProbe"]["tcpSocket"] == {"port": "metrics"}


def test_every_selector_chooses_the_pods_of_one_component(objects):
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    for found in objects:
        spec = found.get("spec", {})
        wanted = found["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        if found["kind"] == "Service":
            selector = {"matchLabels": spec["selector"]}
        elif found["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            selector = spec["selector"]
        elif found["kind"] == "NetworkPolicy":
            selector = spec["podSelector"]
        else:
            continue
        chosen = [name for name, pod in labels.items() if matches(selector, pod)]
        assert chosen == [f"llm-llm-benchmark-{wanted}"], found["metadata"]["name"]


def test_each_service_reaches_a_port_that_its_pods_have(objects):
    for service in of_kind(objects, "Service").values():
        (pod,) = (
            pod
            for pod in pods(objects).values()
            if matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])
        )
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_service_leads_to_the_port_on_which_the_api_listens():
    objects = render(GIVEN)
    (container,) = component(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"]

    assert container["ports"] == [{"name": "http", "containerPort": 8001}]
    assert of_kind(objects, "ConfigMap")["llm-llm-benchmark"]["data"]["PORT"] == "8001"


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_pod_migrates_before_it_starts_with_the_same_image_and_settings(objects, name):
    spec = component(objects, "Deployment", name)["spec"]["template"]["spec"]
    (migrate, *others), (main,) = spec["initContainers"], spec["containers"]

    assert (migrate["args"], main["args"]) == (["migrate"], [name])
    assert (migrate["image"], migrate["envFrom"]) == (main["image"], main["envFrom"])
    assert [other["args"] for other in others] in ([], [["flask", "grafana-reader"]])


def test_the_only_hook_is_the_test_so_nothing_waits_for_a_server_that_comes_later(objects):
    hooks = {
        found["metadata"]["name"]: found["metadata"]["annotations"]["helm.sh/hook"]
        for found in objects
        if "helm.sh/hook" in found["metadata"].get("annotations", {})
    }

    assert hooks == {"llm-llm-benchmark-test": "test"}


def test_pods_are_given_time_to_stop():
    objects = render(GIVEN)
    api = component(objects, "Deployment", "api")["spec"]["template"]["spec"]
    worker = component(objects, "Deployment", "worker")["spec"]["template"]["spec"]
    gunicorn: dict = {}
    source = (PATH.parent / "gunicorn.conf.py").read_text()
    exec(next(line for line in source.splitlines() if line.startswith("graceful_timeout")), gunicorn)
    pause = api["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert api["terminationGracePeriodSeconds"] > pause + gunicorn["graceful_timeout"]
    assert worker["terminationGracePeriodSeconds"] > RUN_TIMEOUT


def test_a_rolling_update_of_the_api_takes_no_pod_away_before_its_successor_is_ready():
    strategy = component(render(GIVEN), "Deployment", "api")["spec"]["strategy"]["rollingUpdate"]

    assert strategy == {"maxUnavailable": 0, "maxSurge": 1}


def test_whoever_scales_decides_the_number_of_pods():
    fixed, scaled = render(TWO_SCHEDULERS), render(EVERYTHING)

    assert component(fixed, "Deployment", "scheduler")["spec"]["replicas"] == 2
    assert component(fixed, "Deployment", "worker")["spec"]["replicas"] == 3
    for name in ("api", "worker"):
        assert "replicas" not in component(scaled, "Deployment", name)["spec"]
    assert component(scaled, "Deployment", "scheduler")["spec"]["replicas"] == 2
    target = component(scaled, "HorizontalPodAutoscaler", "api")["spec"]["scaleTargetRef"]
    assert target["name"] in of_kind(scaled, "Deployment")


def test_keda_reads_the_length_of_the_queue_of_runs():
    objects = render(EVERYTHING)
    scaled = component(objects, "ScaledObject", "worker")["spec"]
    (trigger,) = scaled["triggers"]
    (reference,) = component(objects, "TriggerAuthentication", "worker")["spec"]["secretTargetRef"]

    assert scaled["scaleTargetRef"]["name"] in of_kind(objects, "Deployment")
    assert trigger["metadata"]["listName"] == f"rq:queue:{QUEUE_NAME}"
    assert trigger["metadata"]["address"] == "llm-llm-benchmark-redis.prod.svc:6379"
    assert reference["key"] in secret(objects)


def test_only_the_systems_own_pods_reach_its_servers_besides_who_is_named():
    objects = render(EVERYTHING)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items()}
    policies = of_kind(objects, "NetworkPolicy")
    (rule,) = policies["llm-llm-benchmark-redis"]["spec"]["ingress"]
    own = [source["podSelector"] for source in rule["from"] if "podSelector" in source]

    allowed = {name for name, pod in labels.items() if any(matches(selector, pod) for selector in own)}
    assert allowed == {f"llm-llm-benchmark-{name}" for name in COMPONENTS}
    assert EVERYTHING["networkPolicy"]["redisFrom"][0] in rule["from"]
    assert policies["llm-llm-benchmark-postgresql"]["spec"]["egress"] == []
    https = EVERYTHING["networkPolicy"]["workerEgress"][0]
    assert https in policies["llm-llm-benchmark-worker"]["spec"]["egress"]
    assert https not in policies["llm-llm-benchmark-api"]["spec"]["egress"]


def test_a_long_release_name_still_gives_names_that_kubernetes_takes():
    for found in render(EVERYTHING, name="a" * 53):
        assert len(found["metadata"]["name"]) <= 63


def test_the_notes_say_how_to_reach_it_and_that_the_small_servers_are_for_trying_out():
    assert "port-forward service/llm-llm-benchmark 8001:80" in notes(GIVEN)
    assert "to try things out" in notes(GIVEN)
    assert "https://llm.example" in notes(EVERYTHING)
    assert "get secret mine" in notes(MINIMAL)
    assert "to try things out" not in notes(MINIMAL)


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
        {"redis": {"password": 'a"b'}},
        {"postgresql": {"port": 70000}},
        {"api": {"replicas": -1}},
        {"api": {"replica": 2}},
        {"worker": {"keda": {"enabled": True, "minReplicas": 0}}},
        {"ingress": {"enabled": True, "hosts": []}},
        {"service": {"type": "ExternalName"}},
        {"monitoring": {"interval": "soon"}},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused(wrong):
    with pytest.raises(HelmError):
        render(wrong)


def test_every_default_stands_in_the_schema_with_its_type():
    chart().validate_schema({})
    properties = chart().schema["properties"]

    assert set(chart().values) == set(properties) - {"global"}
