"""The chart in several sets of values, by Helm's engine and against Kubernetes' own schemas."""

import base64
import json
import re

import kubernetes_validate
import pytest
import yaml
from helm_python.chart import lint
from helm_python.errors import HelmError

from jobs.queue import QUEUE_NAME, RUN_TIMEOUT
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
from webapp.settings import Settings

# From CRDs, so Kubernetes itself has no schema for them.
FOREIGN = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PodMonitor", "PrometheusRule"}


@pytest.fixture(params=VALUES.values(), ids=VALUES)
def objects(request):
    return render(request.param)


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


def test_liveness_asks_neither_redis_nor_postgresql_and_readiness_the_api_as_a_whole():
    objects = render(GIVEN)
    (api,) = component(objects, "Deployment", "api")["spec"]["template"]["spec"]["containers"]

    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"
    for name in ("scheduler", "worker"):
        (container,) = component(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert container["livenessProbe"]["tcpSocket"] == {"port": "metrics"}


def test_no_secret_stands_anywhere_but_in_the_secret():
    for values in (GIVEN, EVERYTHING):
        others = json.dumps([found for found in render(values) if found["kind"] != "Secret"]) + notes(values)
        for word in (
            "the-api-key",
            "signs-the-cookies",
            "pg-word",
            "redis-word",
            "endpoint-word",
            "reader$word",
        ):
            assert word not in others


def test_the_secret_has_what_was_given():
    assert secret(render(EVERYTHING)) == {
        "API_KEY": "the-api-key",
        "SECRET_KEY": "the-key-that-signs-the-cookies-of-the-page",
        "POSTGRES_PASSWORD": "pg-word",
        "REDIS_PASSWORD": "redis-word",
        "OPENAI_API_KEY": "endpoint-word",
        "GRAFANA_DB_PASSWORD": "reader$word",
    }


def test_secrets_that_were_not_given_are_made_long_and_different_and_the_same_everywhere():
    made, again = secret(render({})), secret(render({}))

    assert set(made) == {"API_KEY", "SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert all(len(word) == 40 for word in made.values())
    assert len({*made.values(), *again.values()}) == 8


def test_the_application_can_read_its_settings(objects):
    config = of_kind(objects, "ConfigMap")["llm-llm-benchmark"]["data"]
    own = of_kind(objects, "Secret")
    theirs = {"API_KEY": "k", "SECRET_KEY": "s" * 32, "REDIS_PASSWORD": "x"}
    environment = {**config, **(secret(objects) if own else theirs), "BENCHMARK_FILE": ""}

    settings = Settings.for_web_server(environment)

    assert settings.schedule_interval == 600
    assert settings.seed == 20


def test_the_application_is_led_to_the_servers():
    inside = of_kind(render(GIVEN), "ConfigMap")["llm-llm-benchmark"]["data"]
    outside = of_kind(render(EXTERNAL), "ConfigMap")["llm-llm-benchmark"]["data"]

    services = of_kind(render(GIVEN), "Service")
    assert services[inside["POSTGRES_HOST"]]["spec"]["ports"][0]["port"] == int(inside["POSTGRES_PORT"])
    assert services[inside["REDIS_HOST"]]["spec"]["ports"][0]["port"] == int(inside["REDIS_PORT"])
    assert (outside["POSTGRES_HOST"], outside["POSTGRES_PORT"]) == ("pg.example", "6432")
    assert (outside["REDIS_HOST"], outside["REDIS_SSL"]) == ("redis.example", "true")


def test_an_empty_seed_stays_empty_and_so_means_fresh_randomness():
    config = of_kind(render({**GIVEN, "config": {"SEED": ""}}), "ConfigMap")["llm-llm-benchmark"]["data"]

    assert config["SEED"] == ""
    assert config["SCHEDULE_INTERVAL"] == "10"


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


def checksums(values):
    annotations = component(render(values), "Deployment", "worker")["spec"]["template"]["metadata"][
        "annotations"
    ]
    return annotations["checksum/config"], annotations["checksum/secret"]


def test_a_changed_setting_or_secret_makes_new_pods_and_nothing_else_does():
    config, word = checksums(GIVEN)

    assert checksums(GIVEN) == (config, word)
    assert checksums({**GIVEN, "api": {"replicas": 5}}) == (config, word)
    assert checksums({**GIVEN, "config": {"SEED": "7"}})[0] != config
    assert checksums({**GIVEN, "config": {"SEED": "7"}})[1] == word
    assert checksums({**GIVEN, "benchmarkFile": "llms: []"})[0] != config
    assert checksums({**GIVEN, "apiKey": "another"}) != (config, word)


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


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_benchmark_file_is_mounted_where_the_setting_says(name):
    objects = render(EVERYTHING)
    config = of_kind(objects, "ConfigMap")
    spec = component(objects, "Deployment", name)["spec"]["template"]["spec"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "benchmark")
    (mount,) = (mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "benchmark")

    (file,) = config[volume["configMap"]["name"]]["data"].items()
    assert file == ("benchmark.yml", "llms: []\n")
    assert config["llm-llm-benchmark"]["data"]["BENCHMARK_FILE"] == f"{mount['mountPath']}/benchmark.yml"


def test_a_configmap_of_ones_own_can_hold_the_benchmark_file():
    objects = render({**GIVEN, "existingBenchmarkConfigMap": "ours"})
    spec = component(objects, "Deployment", "worker")["spec"]["template"]["spec"]

    assert {"name": "benchmark", "configMap": {"name": "ours"}} in spec["volumes"]
    assert list(of_kind(objects, "ConfigMap")) == ["llm-llm-benchmark"]


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
