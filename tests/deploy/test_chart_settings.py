"""How settings and secrets reach the pods."""

import json
import re

import pytest

from tests.deploy.chart import (
    COMPONENTS,
    EVERYTHING,
    EXTERNAL,
    GIVEN,
    component,
    config_map,
    containers,
    notes,
    of_kind,
    render,
    secret,
)
from webapp.settings import Settings


def test_secrets_appear_only_in_the_secret():
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


def test_the_secret_contains_the_given_values():
    assert secret(render(EVERYTHING)) == {
        "API_KEY": "the-api-key",
        "SECRET_KEY": "the-key-that-signs-the-cookies-of-the-page",
        "POSTGRES_PASSWORD": "pg-word",
        "REDIS_PASSWORD": "redis-word",
        "GRAFANA_DB_PASSWORD": "reader$word",
    }
    assert secret(render(EVERYTHING), "endpoints") == {"OPENAI_API_KEY": "endpoint-word"}


OF_API = {"API_KEY", "SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
OF_WORKER = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}


@pytest.mark.parametrize(
    ("values", "held"),
    [
        (GIVEN, {"api": OF_API, "worker": OF_WORKER, "scheduler": {"REDIS_PASSWORD"}}),
        (
            EVERYTHING,
            {
                "api": {*OF_API, "GRAFANA_DB_PASSWORD"},
                "worker": {*OF_WORKER, "OPENAI_API_KEY", "API_KEY"},
                "scheduler": {"REDIS_PASSWORD", "API_KEY"},  # Prometheus is enabled
            },
        ),
    ],
    ids=["given", "everything"],
)
def test_each_pod_holds_only_the_secrets_that_it_uses(values, held):
    objects = render(values)

    found = {name: held_secrets(objects, f"llm-llm-benchmark-{name}/") for name in held}

    assert found == held
    assert "GRAFANA_DB_PASSWORD" not in held_secrets(objects, "llm-llm-benchmark-api/api")
    assert "SECRET_KEY" not in held_secrets(objects, "llm-llm-benchmark-api/migrate")


def test_a_separate_key_for_prometheus_is_all_that_scheduler_and_workers_hold_of_the_api():
    separate = {"monitoring": {"enabled": True, "keySecret": {"name": "prometheus", "key": "token"}}}

    for name, container in containers(render({**GIVEN, **separate})):
        if name.endswith(("/scheduler", "/worker")):
            (key,) = (
                each["valueFrom"]["secretKeyRef"] for each in container["env"] if each["name"] == "API_KEY"
            )
            assert key == {"name": "prometheus", "key": "token"}


@pytest.mark.parametrize("values", [EXTERNAL, {**EXTERNAL, "existingEndpointsSecret": "keys"}], ids=str)
def test_existing_secrets_reach_the_same_pods(values):
    wholes = {
        name: [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each]
        for name, container in containers(render(values))
        if name.startswith("llm-llm-benchmark-") and not name.endswith("/test")
    }

    endpoints = ["keys"] if "existingEndpointsSecret" in values else []
    assert wholes.pop("llm-llm-benchmark-worker/worker") == endpoints
    assert not any(wholes.values())


def held_secrets(objects, prefix):
    """Return the names of the secret variables of the containers whose name begins with the prefix."""
    names = set()
    for name, container in containers(objects):
        if name.startswith(prefix):
            names |= {
                each["name"] for each in container["env"] if "secretKeyRef" in each.get("valueFrom", {})
            }
            if any("secretRef" in each for each in container["envFrom"]):
                names |= set(secret(objects, "endpoints"))
    return names


def test_the_workers_on_one_node_share_its_processors(objects):
    named = {
        name.rpartition("/")[2]: each["valueFrom"]
        for name, container in containers(objects)
        for each in container.get("env", ())
        if each["name"] == "WORKER_HOST"
    }

    assert named == {"worker": {"fieldRef": {"fieldPath": "spec.nodeName"}}}


def test_missing_secrets_are_generated_long_and_distinct():
    made, again = secret(render({})), secret(render({}))

    assert set(made) == {"API_KEY", "SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert all(len(word) == 40 for word in made.values())
    assert len({*made.values(), *again.values()}) == 8


def test_the_application_accepts_its_settings(objects):
    existing = {"API_KEY": "k", "SECRET_KEY": "s" * 32, "REDIS_PASSWORD": "x"}
    secrets = secret(objects) if of_kind(objects, "Secret") else existing
    files = {
        name: "system" if name == "POSTGRES_SSLROOTCERT" else ""
        for name, value in config_map(objects).items()
        if value.startswith("/etc/")
    }
    environment = {**config_map(objects), **secrets, **files}

    settings = Settings.from_env(environment)

    assert settings.schedule_interval == 600
    assert settings.seed == 20


def test_the_settings_address_the_servers():
    inside, outside = config_map(render(GIVEN)), config_map(render(EXTERNAL))

    services = of_kind(render(GIVEN), "Service")
    assert services[inside["POSTGRES_HOST"]]["spec"]["ports"][0]["port"] == int(inside["POSTGRES_PORT"])
    assert services[inside["REDIS_HOST"]]["spec"]["ports"][0]["port"] == int(inside["REDIS_PORT"])
    assert (outside["POSTGRES_HOST"], outside["POSTGRES_PORT"]) == ("pg.example", "6432")
    assert (outside["REDIS_HOST"], outside["REDIS_SSL"]) == ("redis.example", "true")


def test_numbers_reach_the_settings_without_exponents():
    config = {"POINTS_PER_RUN": 1000000, "SEED": 12345678901, "SCHEDULE_INTERVAL": 0.5}
    found = config_map(render({**GIVEN, "config": config}))

    assert [found[name] for name in config] == ["1000000", "12345678901", "0.5"]


def test_an_empty_seed_stays_empty():
    config = config_map(render({**GIVEN, "config": {"SEED": ""}}))

    assert config["SEED"] == ""
    assert config["SCHEDULE_INTERVAL"] == "10"


def checksums(values):
    annotations = component(render(values), "Deployment", "worker")["spec"]["template"]["metadata"][
        "annotations"
    ]
    return annotations["checksum/config"], annotations["checksum/secret"]


def test_only_a_changed_setting_or_secret_replaces_the_pods():
    config, secrets = checksums(GIVEN)

    assert checksums(GIVEN) == (config, secrets)
    assert checksums({**GIVEN, "api": {"replicas": 5}}) == (config, secrets)
    assert checksums({**GIVEN, "config": {"SEED": "7"}})[0] != config
    assert checksums({**GIVEN, "config": {"SEED": "7"}})[1] == secrets
    assert checksums({**GIVEN, "apiKey": "another"}) != (config, secrets)


def test_a_changed_benchmark_file_is_read_again_without_new_pods():
    assert checksums({**GIVEN, "benchmarkFile": "llms: []"}) == checksums(
        {**GIVEN, "benchmarkFile": "llms: [1]"}
    )


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_benchmark_file_is_mounted_where_the_setting_points(name):
    objects = render(EVERYTHING)
    config_maps = of_kind(objects, "ConfigMap")
    spec = component(objects, "Deployment", name)["spec"]["template"]["spec"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "benchmark")
    (mount,) = (mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "benchmark")

    (file,) = config_maps[volume["configMap"]["name"]]["data"].items()
    assert file == ("benchmark.yml", "llms: []\n")
    assert config_map(objects)["BENCHMARK_FILE"] == f"{mount['mountPath']}/benchmark.yml"


def test_an_existing_configmap_can_provide_the_benchmark_file():
    objects = render({**GIVEN, "existingBenchmarkConfigMap": "ours"})
    spec = component(objects, "Deployment", "worker")["spec"]["template"]["spec"]

    assert {"name": "benchmark", "configMap": {"name": "ours"}} in spec["volumes"]
    assert list(of_kind(objects, "ConfigMap")) == ["llm-llm-benchmark"]


def test_redis_reaches_maxmemory_before_the_limit_of_its_container():
    pod = component(render(GIVEN), "StatefulSet", "redis")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (most,) = re.findall(r"--maxmemory (\d+)mb ", container["args"][0])

    assert container["resources"]["limits"]["memory"] == "512Mi"
    assert 0 < int(most) <= 512 * 0.8
