"""What `helm upgrade` keeps, restarts and refuses: Helm's engine looks things up in an API server."""

import pytest
from helm_python.errors import HelmError

from tests.deploy.chart import COMPONENTS, component, secret
from tests.deploy.cluster import running_cluster

VOLUME = "data-llm-llm-benchmark-postgresql-0"
NEW_PASSWORD = {"postgresql": {"password": "new"}}
OWN = {
    "existingSecret": "mine",
    "existingEndpointsSecret": "keys",
    "existingBenchmarkConfigMap": "plan",
    "monitoring": {"enabled": True, "keySecret": {"name": "prometheus"}},
    "postgresql": {"enabled": False, "host": "pg.example", "tls": {"secret": "pg-tls"}},
    "redis": {"enabled": False, "host": "redis.example", "ssl": True, "tls": {"configMap": "ca"}},
}


@pytest.fixture
def cluster():
    with running_cluster() as running:
        yield running


@pytest.fixture
def own(cluster):
    """A cluster with everything that OWN names."""
    cluster.add("secrets", "mine", {"API_KEY": "a", "POSTGRES_PASSWORD": "p"})
    cluster.add("secrets", "keys", {"OPENAI_API_KEY": "o"})
    cluster.add("secrets", "prometheus", {"API_KEY": "p"})
    cluster.add("configmaps", "plan", {"benchmark.yml": "llms: []"})
    cluster.add("secrets", "pg-tls", {"ca.crt": "one"})
    cluster.add("configmaps", "ca", {"ca.crt": "one"})
    return cluster


def templates(objects):
    """Return the pod templates, whose changes replace the pods."""
    return {name: component(objects, "Deployment", name)["spec"]["template"] for name in COMPONENTS}


def test_an_upgrade_keeps_generated_secrets_and_restarts_nothing(cluster):
    first = cluster.upgrade({"grafana": {"reader": {"enabled": True}}})
    second = cluster.upgrade({"grafana": {"reader": {"enabled": True}}})

    assert len(secret(first)) == 5
    assert secret(second) == secret(first)
    assert templates(second) == templates(first)


def test_an_upgrade_that_needs_one_more_secret_keeps_the_others(cluster):
    first = secret(cluster.upgrade({}))
    second = secret(cluster.upgrade({"grafana": {"reader": {"enabled": True}}}))

    assert len(second.pop("GRAFANA_DB_PASSWORD")) == 40
    assert second == first


def test_a_new_key_replaces_a_generated_one_and_restarts_the_pods(cluster):
    first = cluster.upgrade({})
    second = cluster.upgrade({"apiKey": "mine"})

    assert secret(second)["API_KEY"] == "mine"
    assert templates(second)["api"] != templates(first)["api"]


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("secrets", "mine"),
        ("secrets", "keys"),
        ("secrets", "prometheus"),
        ("secrets", "pg-tls"),
        ("configmaps", "ca"),
    ],
)
def test_a_changed_secret_or_configmap_of_yours_restarts_the_pods_at_the_next_upgrade(own, resource, name):
    before = templates(own.render(OWN))
    assert templates(own.render(OWN)) == before

    own.add(resource, name, {"API_KEY": "rotated"})

    after = templates(own.render(OWN))
    assert all(after[each] != before[each] for each in COMPONENTS)


def test_a_changed_benchmark_file_of_yours_restarts_no_pod(own):
    before = templates(own.render(OWN))

    own.add("configmaps", "plan", {"benchmark.yml": "llms: [1]"})

    assert templates(own.render(OWN)) == before


@pytest.mark.parametrize("existing", [False, True])
def test_a_new_password_of_the_bundled_redis_restarts_it_with_the_others(cluster, existing):
    def values(password):
        cluster.add("secrets", "mine", {"API_KEY": "a", "POSTGRES_PASSWORD": "p", "REDIS_PASSWORD": password})
        return {"existingSecret": "mine"} if existing else {"redis": {"password": password}}

    before, after = (cluster.upgrade(values(password)) for password in ("old", "new"))

    redis = [component(objects, "StatefulSet", "redis")["spec"]["template"] for objects in (before, after)]
    assert redis[0] != redis[1]
    assert templates(before) != templates(after)


def test_a_new_password_over_an_old_volume_is_refused_with_what_to_do(cluster):
    cluster.upgrade({"postgresql": {"password": "old"}})

    with pytest.raises(HelmError) as caught:
        cluster.upgrade(NEW_PASSWORD)

    for part in (
        f"postgresql.password: differs from the one in Secret llm-llm-benchmark, with which volume {VOLUME}",
        "was initialized; first change it in PostgreSQL (ALTER ROLE \"llm_benchmark\" PASSWORD '...')",
        "and in that Secret, or keep the old one",
    ):
        assert part in str(caught.value)


def test_the_same_password_or_none_is_accepted_and_a_new_one_after_it_was_changed(cluster):
    cluster.upgrade({"postgresql": {"password": "old"}})

    cluster.upgrade({"postgresql": {"password": "old"}})
    assert secret(cluster.upgrade({}))["POSTGRES_PASSWORD"] == "old"
    cluster.add("secrets", "llm-llm-benchmark", {"POSTGRES_PASSWORD": "new"})
    cluster.upgrade(NEW_PASSWORD)


def test_a_new_password_is_accepted_without_a_volume(cluster):
    cluster.upgrade({"postgresql": {"password": "old"}})
    cluster.remove("persistentvolumeclaims", VOLUME)

    assert secret(cluster.upgrade(NEW_PASSWORD))["POSTGRES_PASSWORD"] == "new"


def test_another_password_in_your_secret_is_refused_too(cluster):
    cluster.upgrade({"postgresql": {"password": "old"}})
    cluster.add("secrets", "mine", {"API_KEY": "a", "POSTGRES_PASSWORD": "new"})

    with pytest.raises(HelmError, match=r"postgresql\.password: differs"):
        cluster.upgrade({"existingSecret": "mine"})

    cluster.add("secrets", "mine", {"API_KEY": "a", "POSTGRES_PASSWORD": "old"})
    cluster.upgrade({"existingSecret": "mine"})


def test_an_installation_over_the_volume_of_an_earlier_one_needs_its_password(cluster):
    cluster.add("persistentvolumeclaims", VOLUME)

    with pytest.raises(HelmError, match=f"postgresql.password: empty, but volume {VOLUME} of an earlier"):
        cluster.upgrade({})
    cluster.upgrade({"postgresql": {"password": "remembered"}})


def test_your_own_server_is_asked_for_no_volume(cluster):
    cluster.add("persistentvolumeclaims", VOLUME)

    cluster.upgrade({"postgresql": {"enabled": False, "host": "pg.example", "password": "p"}})
