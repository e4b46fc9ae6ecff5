"""The Compose file: what it publishes, what it waits for, and that its parts fit the project."""

import json
import os
import re
import subprocess
from io import StringIO

import pytest
import yaml
from dotenv import dotenv_values
from redis import AuthenticationError, Redis, RedisError

from jobs.embedded.binaries import redis_server
from tests.deploy import chart, compose
from tests.deploy.compose import TEXT, MissingVariableError, interpolate, render
from tests.jobs.system import until
from tools.env import SECRETS
from webapp.settings import ROOT, Settings

COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
OURS = ("migrate", "api", "scheduler", "worker", "grafana-reader")
ONCE = ("migrate", "grafana-reader")
# The `.env` of this project's first version.
SEED_ENV = dotenv_values(
    stream=StringIO("""\
POSTGRES_USER=postgres
POSTGRES_HOST=postgres
POSTGRES_PORT=5432
POSTGRES_PASSWORD=postgres
POSTGRES_DB=postgres
API_KEY=1234
SCHEDULE_INTERVAL=10
REDIS_HOST=redis
REDIS_PORT=6379
SEED=20
MAX_RETRIES=2
RETRY_DELAY=60
""")
)

PASSWORDS = ["redis-word", """a "b" 'c' \\ $HOME ${HOME} `id` # ü \\n \\x41 %s & \\\\"""]


def test_everything_except_prometheus_starts_by_default():
    assert set(SERVICES) == {*OURS, "postgres", "redis", "grafana", "prometheus"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"prometheus"}


def test_only_web_interfaces_are_published_and_only_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {
        "api": ["127.0.0.1:${PORT:-8001}:8001"],
        "grafana": ["127.0.0.1:3000:3000"],
        "prometheus": ["127.0.0.1:9090:9090"],
    }


def test_the_servers_are_reachable_from_inside_only():
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["backend"]


@pytest.mark.parametrize("name", ["api", "scheduler", "worker"])
def test_each_process_waits_for_migrated_servers(name):
    assert SERVICES[name]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


def test_what_is_waited_for_has_a_health_check():
    dockerfile = (ROOT / "Dockerfile").read_text()
    for service in SERVICES.values():
        for name, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name] or (name in OURS and "HEALTHCHECK" in dockerfile)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_confined(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name in service["command"]


def test_every_container_has_limits_and_bounded_logs():
    for name, service in SERVICES.items():
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("api", {"API_KEY", "SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}),
        ("worker", {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "OPENAI_API_KEY"}),
        ("scheduler", {"REDIS_PASSWORD"}),
        ("migrate", {"POSTGRES_PASSWORD"}),
        ("grafana-reader", {"POSTGRES_PASSWORD", "GRAFANA_DB_PASSWORD"}),
        ("redis", {"REDIS_PASSWORD"}),
        ("postgres", {"POSTGRES_PASSWORD"}),
    ],
)
def test_each_container_holds_only_the_secrets_that_it_uses(name, held):
    secrets = {each: f"the-{each}" for each in (*SECRETS, "OPENAI_API_KEY")}
    service = render(secrets)[name]

    environment = {**(secrets if "env_file" in service else {}), **service["environment"]}

    assert {each for each, value in environment.items() if value in secrets.values()} == held


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_a_process_without_a_key_starts_and_lets_prometheus_read_its_metrics(name):
    settings = Settings.from_env({**render(SEED_ENV)[name]["environment"], "BENCHMARK_FILE": ""})

    assert (settings.api_keys, settings.metrics_public) == ((), True)
    assert "ports" not in SERVICES[name]


def test_scaled_workers_share_the_processors_of_one_machine():
    assert SERVICES["worker"]["environment"]["WORKER_HOST"] == "${WORKER_HOST:-compose}"


def test_a_worker_may_finish_its_run_and_can_be_scaled():
    assert SERVICES["worker"]["stop_grace_period"] == "630s"
    assert "container_name" not in TEXT


def test_every_variable_is_in_the_example():
    names = {"IMAGE", *re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE)}

    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT)) <= names


def test_no_secret_has_a_default_in_the_file():
    defaults = re.findall(r"\$\{(?:API_KEY|\w+_PASSWORD|SECRET_KEY):?-([^}]*)", TEXT)

    assert set(defaults) == {"", "${API_KEY", "${POSTGRES_PASSWORD"}


@pytest.mark.parametrize("missing", ["API_KEY", "POSTGRES_PASSWORD"])
@pytest.mark.parametrize(
    "change", [lambda env, name: env.pop(name), lambda env, name: env.update({name: ""})]
)
def test_only_the_key_and_the_database_password_are_required(missing, change):
    variables = dict(SEED_ENV)
    change(variables, missing)

    with pytest.raises(MissingVariableError, match=missing):
        render(variables)


def test_an_env_file_with_the_required_settings_alone_works():
    services = render(SEED_ENV)

    ours, grafana = services["api"]["environment"], services["grafana"]["environment"]
    assert (ours["API_KEY"], ours["SECRET_KEY"], ours["REDIS_PASSWORD"]) == ("1234", "", "")
    assert (ours["POSTGRES_DB"], ours["SEED"]) == ("postgres", "20")
    assert services["redis"]["environment"] == {"REDIS_PASSWORD": ""}
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"] == "1234"
    assert grafana["GRAFANA_DB_PASSWORD"] == "postgres"
    assert services["grafana-reader"]["environment"]["GRAFANA_DB_PASSWORD"] == "postgres"


def test_secrets_that_are_set_are_used():
    services = render(
        {
            **SEED_ENV,
            "SECRET_KEY": "s",
            "REDIS_PASSWORD": "r",
            "GRAFANA_PASSWORD": "g",
            "GRAFANA_DB_PASSWORD": "d",
        }
    )

    assert services["api"]["environment"]["SECRET_KEY"] == "s"
    assert services["worker"]["environment"]["REDIS_PASSWORD"] == "r"
    assert services["redis"]["environment"]["REDIS_PASSWORD"] == "r"
    assert services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "g"
    assert services["grafana"]["environment"]["GRAFANA_DB_PASSWORD"] == "d"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a${SET}b", "avalueb"),
        ("${EMPTY:-word}${EMPTY-word}${UNSET-word}", "wordword"),
        ("${UNSET:-${EMPTY:-${SET}}}!", "value!"),
        ("${SET:+/path}${EMPTY:+/path}", "/path"),
        ("$${SET}", "${SET}"),
    ],
)
def test_interpolation_is_that_of_the_specification(text, expected):
    assert interpolate(text, {"SET": "value", "EMPTY": ""}) == expected


def redis_of_compose(password):
    """Return the Compose file's command for Redis, and the environment for it."""
    service = compose.render({**SEED_ENV, "REDIS_PASSWORD": password})["redis"]
    return [*service["entrypoint"], *service["command"]], service["environment"]


def redis_of_chart(password):
    """Return the chart's command for Redis, and the environment for it."""
    objects = chart.render({**chart.GIVEN, "redis": {"password": password}})
    (container,) = chart.component(objects, "StatefulSet", "redis")["spec"]["template"]["spec"]["containers"]
    return [*container["command"], *container["args"]], {
        "REDIS_PASSWORD": chart.secret(objects)["REDIS_PASSWORD"]
    }


@pytest.mark.parametrize(
    ("source", "password"),
    [
        (redis_of_compose, ""),
        *((source, password) for source in (redis_of_compose, redis_of_chart) for password in PASSWORDS),
    ],
)
def test_redis_starts_with_any_password_and_in_compose_without(folder, counter, source, password):
    place = folder / f"compose-redis-{next(counter)}"
    place.mkdir()
    (*shell, script), environment = source(password)
    script = script.replace("--port 6379 ", "")
    script = script.replace("--dir /data", f"--dir {place} --port 0 --unixsocket {place}/socket")
    server = subprocess.Popen(
        [*shell, script],
        env={"PATH": f"{redis_server().parent}:{os.environ['PATH']}", **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        with Redis(unix_socket_path=f"{place}/socket", password=password or None) as client:
            until(lambda: _responds(client), 10)
            assert source is redis_of_chart or client.config_get("protected-mode") == {"protected-mode": "no"}
        if password:
            with Redis(unix_socket_path=f"{place}/socket") as stranger, pytest.raises(AuthenticationError):
                stranger.ping()
    finally:
        server.terminate()
        server.wait(timeout=10)


def _responds(client: Redis) -> bool:
    try:
        return client.ping()
    except RedisError:
        return False


def test_each_mounted_file_exists():
    paths = re.findall(r"- (\./[^:]+):", TEXT)

    assert len(paths) >= 4
    for path in paths:
        assert (ROOT / path).exists(), path


def test_grafana_has_the_environment_that_its_provisioning_needs():
    folder = ROOT / "public" / "grafana" / "provisioning"
    wanted = re.findall(
        r"^[^#]*\$([A-Z_]+)", (folder / "datasources" / "llm-benchmark.yaml").read_text(), re.MULTILINE
    )
    (provider,) = yaml.safe_load((folder / "dashboards" / "llm-benchmark.yaml").read_text())["providers"]
    grafana = SERVICES["grafana"]
    dashboards = [mount.split(":")[1] for mount in grafana["volumes"] if "Dashboard" in mount]

    assert wanted
    assert set(wanted) <= set(grafana["environment"])
    assert len(dashboards) == 2
    assert all(path.startswith(provider["options"]["path"]) for path in dashboards)


def test_prometheus_scrapes_the_processes_at_their_ports_with_the_key():
    config = yaml.safe_load((ROOT / "public" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (discovery,) = jobs["llm-benchmark-jobs"]["dns_sd_configs"]

    assert set(discovery["names"]) <= set(SERVICES)
    assert str(discovery["port"]) == COMPOSE["x-app"]["environment"]["METRICS_PORT"]
    assert jobs["llm-benchmark-api"]["static_configs"] == [{"targets": ["api:8001"]}]
    assert COMPOSE["secrets"]["api_key"] == {"environment": "API_KEY"}
    assert json.dumps(config).count("/run/secrets/api_key") == 2
