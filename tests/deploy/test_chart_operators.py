"""What clusters and companies demand: any user ID, labels, certificates, other servers, a sub-path."""

import json
import re

import pytest
import yaml
from helm_python.errors import HelmError

from tests.deploy.chart import (
    BUNDLED,
    COMPONENTS,
    EXTERNAL,
    GIVEN,
    OWN_SERVERS,
    PATH,
    RESTRICTED,
    component,
    config_map,
    containers,
    of_kind,
    pods,
    render,
    secret,
)
from webapp.settings import Settings

OURS = ("api", "scheduler", "worker", "migrate", "grafana-reader")


@pytest.mark.parametrize("values", [BUNDLED, OWN_SERVERS], ids=["bundled", "own servers"])
def test_the_cluster_may_choose_every_user_and_group(values):
    for name, pod in pods(render(values)).items():
        context = pod["spec"]["securityContext"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(context), name
        assert context["runAsNonRoot"] is True, name
    for name, container in containers(render(values)):
        assert not {"runAsUser", "runAsGroup"} & set(container["securityContext"]), name


def test_each_image_runs_as_its_own_user_by_default():
    users = {name: pod["spec"]["securityContext"]["runAsUser"] for name, pod in pods(render(GIVEN)).items()}

    assert {name.removeprefix("llm-llm-benchmark-"): user for name, user in users.items()} == {
        "api": 10001,
        "scheduler": 10001,
        "worker": 10001,
        "test": 10001,
        "postgresql": 999,
        "redis": 999,
    }


def test_security_contexts_can_be_replaced():
    objects = render(
        {
            **GIVEN,
            "podSecurityContext": {"runAsUser": 1000650000, "supplementalGroups": [7]},
            "containerSecurityContext": {"seLinuxOptions": {"level": "s0:c1,c2"}},
            "redis": {"podSecurityContext": {"runAsUser": 5}},
        }
    )

    context = component(objects, "Deployment", "api")["spec"]["template"]["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["supplementalGroups"]) == (
        1000650000,
        10001,
        [7],
    )
    redis = component(objects, "StatefulSet", "redis")["spec"]["template"]["spec"]["securityContext"]
    assert (redis["runAsUser"], redis["fsGroup"], redis["supplementalGroups"]) == (5, 999, [7])
    for _, container in containers(objects):
        assert container["securityContext"]["seLinuxOptions"] == {"level": "s0:c1,c2"}


def test_every_pod_has_the_labels_and_all_but_the_test_the_priority():
    objects = render(BUNDLED)

    for name, pod in pods(objects).items():
        assert pod["metadata"]["labels"]["team"] == "speed", name
        assert pod["spec"].get("priorityClassName") == (None if name.endswith("-test") else "high"), name
    for name in COMPONENTS:
        deployment = component(objects, "Deployment", name)
        assert deployment["metadata"]["annotations"] == RESTRICTED["deploymentAnnotations"]
        assert "team" not in deployment["spec"]["selector"]["matchLabels"]


def test_every_container_of_ours_has_the_extra_variables_and_volumes():
    for pod in pods(render(BUNDLED)).values():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            if container["name"] in OURS:
                assert RESTRICTED["extraEnv"][0] in container["env"]
                assert RESTRICTED["extraVolumeMounts"][0] in container["volumeMounts"]
                assert RESTRICTED["extraVolumes"][0] in pod["spec"]["volumes"]


def mounted_files(pod, container):
    """Return the paths of the certificates that the container finds, with the volumes that bring them."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    return {
        f"{mount['mountPath']}/{item['path']}": volumes[mount["name"]]
        for mount in container["volumeMounts"]
        if mount["name"].endswith("-tls")
        for source in ("secret", "configMap")
        for item in volumes[mount["name"]].get(source, {}).get("items", ())
    }


def test_certificates_are_mounted_where_the_settings_point():
    objects = render(OWN_SERVERS)
    config = config_map(objects)
    named = {
        value: name
        for name, value in config.items()
        if name.startswith(("POSTGRES_SSL", "REDIS_SSL_")) and value.startswith("/")
    }

    assert set(named.values()) == {
        "POSTGRES_SSLROOTCERT",
        "POSTGRES_SSLCERT",
        "POSTGRES_SSLKEY",
        "REDIS_SSL_CA",
    }
    for name in COMPONENTS:
        pod = component(objects, "Deployment", name)["spec"]["template"]
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            files = mounted_files(pod, container)
            assert set(files) == set(named)
            assert files[config["POSTGRES_SSLKEY"]]["secret"]["secretName"] == "pg-tls"
            assert files[config["REDIS_SSL_CA"]]["configMap"]["name"] == "company-ca"


def test_only_root_and_the_pods_group_can_read_a_clients_key():
    pod = component(render(OWN_SERVERS), "Deployment", "api")["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "postgresql-tls")

    assert volume["secret"]["defaultMode"] == 0o440


def test_without_certificates_verify_full_trusts_the_systems_cas():
    assert config_map(render(EXTERNAL))["POSTGRES_SSLROOTCERT"] == "system"
    assert "POSTGRES_SSLROOTCERT" not in config_map(render(GIVEN))


def test_sentinels_user_database_and_prefix_reach_the_settings():
    objects = render(OWN_SERVERS)
    config = config_map(objects)
    found = Settings.from_env(
        {
            **config,
            **{name: "" for name, value in config.items() if value.startswith("/etc/")},
            "POSTGRES_SSLROOTCERT": "system",
        }
    )

    assert found.redis_sentinels == (("a.example", 26379), ("b.example", 26379))
    assert (found.redis_sentinel_name, found.redis_sentinel_user) == ("main", "watcher")
    assert (found.redis_user, found.redis_db, found.redis_prefix) == ("bench", 2, "bench:")
    assert found.postgres_pool_size == 3


def test_urls_take_the_place_of_hosts_and_are_secrets_of_those_that_use_the_servers():
    urls = {
        "DATABASE_URL": "postgresql://me:pg-word@pg.example/name",
        "REDIS_URL": "rediss://:redis-word@redis.example",
    }
    servers = {
        "postgresql": {"enabled": False, "url": urls["DATABASE_URL"]},
        "redis": {"enabled": False, "url": urls["REDIS_URL"]},
    }
    objects = render({"apiKey": "the-api-key", **servers})
    held = {
        name.rpartition("/")[2]: {each["name"] for each in container["env"]} & set(urls)
        for name, container in containers(objects)
    }
    found = Settings.from_env({**config_map(objects), **secret(objects)})

    assert held == {
        "api": set(urls),
        "worker": set(urls),
        "scheduler": {"REDIS_URL"},
        "migrate": {"DATABASE_URL"},
        "test": set(),
    }
    assert (found.postgres_host, found.postgres_password) == ("pg.example", "pg-word")
    assert (found.redis_host, found.redis_ssl) == ("redis.example", True)
    assert "-word@" not in json.dumps([each for each in objects if each["kind"] != "Secret"])


def test_urls_may_be_in_your_secret_with_no_host_in_the_values():
    objects = render(
        {"existingSecret": "mine", "postgresql": {"enabled": False}, "redis": {"enabled": False}}
    )

    for name, container in containers(objects):
        for each in container["env"]:
            if each["name"] in ("DATABASE_URL", "REDIS_URL"):
                assert each["valueFrom"]["secretKeyRef"] == {
                    "name": "mine",
                    "key": each["name"],
                    "optional": True,
                }, name
    assert (config_map(objects)["POSTGRES_HOST"], config_map(objects)["REDIS_HOST"]) == ("", "")


@pytest.mark.parametrize(
    "values",
    [{"worker": {"keda": {"enabled": True}}}, {"grafana": {"datasources": {"enabled": True}}}],
    ids=str,
)
def test_what_others_connect_to_needs_a_host(values):
    servers = {"postgresql": {"enabled": False}, "redis": {"enabled": False}}

    with pytest.raises(
        HelmError, match=r"(redis|postgresql)\.host: empty; (worker\.keda|grafana\.datasources) needs it"
    ):
        render({"existingSecret": "mine", **servers, **values})


@pytest.mark.parametrize(
    "example", re.findall(r"```yaml\n(.*?)```", (PATH / "README.md").read_text(), re.DOTALL)
)
def test_the_examples_of_the_readme_are_accepted(example):
    values = yaml.safe_load(example.replace("sha256:...", "sha256:" + "0" * 64))

    assert render(values)


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_password_of_sentinels_is_a_secret_of_all_that_use_redis(name):
    redis = {"enabled": False, "sentinels": ["a:26379"], "sentinelPassword": "watch-word"}
    objects = render({**GIVEN, "redis": redis})
    (container,) = component(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    (variable,) = (each for each in container["env"] if each["name"] == "REDIS_SENTINEL_PASSWORD")

    assert secret(objects)[variable["valueFrom"]["secretKeyRef"]["key"]] == "watch-word"
    assert "watch-word" not in json.dumps([each for each in objects if each["kind"] != "Secret"])


def test_keda_asks_the_sentinels_for_the_prefixed_queue():
    (trigger,) = component(render(OWN_SERVERS), "ScaledObject", "worker")["spec"]["triggers"]

    assert trigger["type"] == "redis-sentinel"
    assert trigger["metadata"] == {
        "addresses": "a.example:26379,b.example:26379",
        "sentinelMaster": "main",
        "sentinelUsernameFromEnv": "REDIS_SENTINEL_USER",
        "usernameFromEnv": "REDIS_USER",
        "databaseIndex": "2",
        "enableTLS": "true",
        "listName": "bench:rq:queue:runs",
        "listLength": "2",
    }


def test_the_ingress_serves_the_prefix_and_every_client_of_the_api_uses_it():
    objects = render({**BUNDLED, "grafana": {"datasources": {"enabled": True}}})
    (ingress,) = of_kind(objects, "Ingress").values()
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    (test,) = of_kind(objects, "Pod")["llm-llm-benchmark-test"]["spec"]["containers"]

    assert (path["path"], path["pathType"]) == ("/llm", "Prefix")
    assert {each["name"]: each.get("value") for each in test["env"]}[
        "BASE"
    ] == "http://llm-llm-benchmark:80/llm"
    assert "svc:80/llm" in secret(objects, "datasources")["llm-benchmark.yaml"]
    assert Settings.from_env(config_map(objects)).url_prefix == "/llm"


def test_the_settings_for_proxies_reach_the_application():
    found = Settings.from_env(config_map(render(BUNDLED)))

    assert (found.trusted_proxies, found.frame_ancestors, found.keepalive) == (("10.0.0.0/8",), "'self'", 90)


def test_a_role_that_grafana_cannot_have_keeps_no_pod_from_starting():
    objects = render({**GIVEN, "grafana": {"reader": {"enabled": True}}})
    reader = dict(containers(objects))["llm-llm-benchmark-api/grafana-reader"]

    assert reader["args"][-1] == "--if-permitted"
