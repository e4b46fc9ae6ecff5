"""Compose with your own PostgreSQL and Redis, and without: which settings of .env reach which container."""

import json
import re
import subprocess

import pytest
import yaml

from tests.deploy import compose
from tests.tools import find, needs
from webapp.settings import ROOT, Settings

FILE = ROOT / "docker-compose.external.yml"
ENV = {
    "API_KEY": "key",
    "POSTGRES_PASSWORD": "p$w",
    "POSTGRES_HOST": "pg.example",
    "POSTGRES_SSLMODE": "verify-full",
    "POSTGRES_SSLROOTCERT": "system",
    "DATABASE_URL": "postgresql://me:p$w@db.example/name",
    "REDIS_SENTINELS": "a:26379",
    "REDIS_USER": "bench",
    "REDIS_DB": "2",
    "URL_PREFIX": "/llm",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "FRAME_ANCESTORS": "'self'",
    "KEEPALIVE": "90",
    "POSTGRES_POOL_SIZE": "3",
    "REDIS_PREFIX": "bench:",
}
MODES = {"bundled": False, "external": True}
OF_POSTGRES = {"migrate", "grafana-reader", "api", "worker"}
OF_REDIS = {"api", "scheduler", "worker"}
SERVERS = re.compile(
    "DATABASE_URL|REDIS_URL|REDIS_USER|REDIS_SENTINEL.*|(POSTGRES|REDIS)_(HOST|PORT|SSL.*)|POSTGRES_SSLMODE"
)


class Loader(yaml.SafeLoader):
    """Reads Compose's tags !reset and !override as if they were absent."""


Loader.add_multi_constructor("!", lambda loader, _, node: loader.construct_mapping(node, deep=True))


def containers(*, external):
    """Return each container's variables, as Compose merges them: env_file, file, external file."""
    found = {
        name: {**(ENV if "env_file" in service else {}), **service["environment"]}
        for name, service in compose.render(ENV).items()
        if "environment" in service
    }
    if external:
        more = yaml.load(FILE.read_text(), Loader)["services"]
        for name, service in compose.interpolated(more, ENV).items():
            found.setdefault(name, {}).update(service.get("environment", {}))
    return found


def settings(environment):
    return Settings.from_env({**environment, "BENCHMARK_FILE": ""})


def test_every_setting_of_the_example_reaches_the_application():
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    example.remove("REGION")  # which is of workers alone

    missing = {name: example - set(containers(external=external)["api"]) for name, external in MODES.items()}

    assert all(SERVERS.fullmatch(name) or name.startswith("GRAFANA_") for name in missing["bundled"]), missing
    assert missing["external"] == {"GRAFANA_PASSWORD", "GRAFANA_DB_PASSWORD"}
    assert all("REGION" in containers(external=external)["worker"] for external in MODES.values())


@pytest.mark.parametrize("external", MODES.values(), ids=MODES)
def test_the_settings_for_proxies_pool_and_keys_are_used(external):
    api = settings(containers(external=external)["api"])

    assert (api.url_prefix, api.trusted_proxies, api.frame_ancestors) == ("/llm", ("10.0.0.0/8",), "'self'")
    assert (api.keepalive, api.postgres_pool_size) == (90, 3)
    assert (api.redis_db, api.redis_prefix) == (2, "bench:")


@pytest.mark.parametrize("name", sorted(OF_POSTGRES | OF_REDIS))
def test_the_bundled_servers_are_used_whatever_servers_env_names(name):
    found = settings(containers(external=False)[name])

    assert (found.postgres_host, found.redis_host, found.redis_sentinels) == ("postgres", "redis", ())
    assert (found.redis_user, found.postgres_sslmode) == ("", "disable")


@pytest.mark.parametrize("name", sorted(OF_POSTGRES | OF_REDIS))
def test_your_servers_are_used_with_the_external_file(name):
    found = settings(containers(external=True)[name])

    if name in OF_POSTGRES:
        assert (found.postgres_host, found.postgres_sslmode) == ("db.example", "verify-full")
    if name in OF_REDIS:
        assert (found.redis_sentinels, found.redis_user) == ((("a", 26379),), "bench")


def test_the_secrets_of_a_url_reach_only_the_containers_that_use_them():
    holders = {name for name, found in containers(external=True).items() if found.get("DATABASE_URL")}

    assert holders == OF_POSTGRES


def test_grafana_asks_the_api_under_its_prefix():
    assert containers(external=False)["grafana"]["LLM_BENCHMARK_URL"] == "http://api:8001/llm"


def test_grafana_starts_although_its_role_cannot_be_made():
    assert compose.render(ENV)["grafana-reader"]["command"][-1] == "--if-permitted"


@needs("docker-compose")
def test_docker_compose_starts_neither_bundled_server(tmp_path):
    env_file = tmp_path / ".env"
    quoted = {name: value.replace("'", "\\'") for name, value in ENV.items()}
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in quoted.items()))
    files = ("-f", "docker-compose.yml", "-f", FILE, "--env-file", env_file)

    done = subprocess.run(
        [find("docker-compose"), *files, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    services = json.loads(done.stdout)["services"]
    assert set(services) == {*OF_POSTGRES, *OF_REDIS, "grafana"}
    for name in OF_POSTGRES | OF_REDIS:
        assert set(services[name].get("depends_on") or {}) == (set() if name == "migrate" else {"migrate"})
        assert "/app/certificates" in {volume["target"] for volume in services[name]["volumes"]}
    assert services["api"]["environment"]["DATABASE_URL"] == ENV["DATABASE_URL"].replace("$", "$$")
