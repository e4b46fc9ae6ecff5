"""What deploy.sh sends to Helm, how it sends it, and what it rejects.

A fake helm on PATH records how it was called; Helm's engine renders the values that it received.
"""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.deploy.chart import config_map, of_kind, render, secret
from webapp.settings import ROOT

HELM = f"""#!{sys.executable}
import json, os, sys, pathlib
folder = pathlib.Path(__file__).parent
if sys.argv[1] == "list":
    sys.exit(0 if os.environ.get("CLUSTER") else 1)
given = os.readlink("/proc/self/fd/0") if os.path.isdir("/proc") else ""
(folder / "call.json").write_text(json.dumps([sys.argv[1:], str(given), sys.stdin.read(), dict(os.environ)]))
"""
ENV = """\
# a comment
API_KEY=secret-key-1
SECRET_KEY=0123456789abcdef0123456789abcdef
POSTGRES_HOST=
POSTGRES_USER=postgres
POSTGRES_PASSWORD='it\\'s "pg" $1 \\ word #1'
REDIS_HOST=
REDIS_PASSWORD="redis-word" # of Redis
REDIS_SSL=false
SCHEDULE_INTERVAL=5
SEED=
GRAFANA_DB_PASSWORD=reader-word
"""
MAKE_ENV = "the environment (run `make env` to fill in secrets)"


class Deployment:
    def __init__(self, folder):
        self.folder = folder
        (folder / "helm").write_text(HELM)
        (folder / "helm").chmod(0o755)
        self.env_file = folder / "env"
        self.env_file.write_text(ENV)

    def run(self, *arguments, **environment):
        return subprocess.run(
            [ROOT / "deploy.sh", "--env-file", self.env_file, *arguments],
            cwd="/",
            env={"PATH": f"{self.folder}:{os.environ['PATH']}", "TMPDIR": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def call(self):
        """Return the last call of helm: arguments, target of its stdin, values, environment."""
        arguments, given, text, environment = json.loads((self.folder / "call.json").read_text())
        return arguments, given, yaml.safe_load(text), environment


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


def test_installs_or_upgrades_waits_and_rolls_back_on_failure(deployment):
    done = deployment.run("--release", "speed", "--namespace", "there", "--timeout", "3m")

    assert done.returncode == 0, done.stderr
    arguments, *_ = deployment.call
    assert arguments == [
        *("upgrade", "--install", "--create-namespace", "--atomic", "--wait", "--timeout", "3m"),
        *("speed", "./helm", "--namespace", "there", "--values", "-"),
    ]


def test_secrets_go_through_a_pipe_and_no_file_remains(deployment):
    deployment.run()

    arguments, given, _, _ = deployment.call
    assert "secret-key-1" not in json.dumps(arguments)
    assert given == "" or "pipe:" in given
    assert {path.name for path in deployment.folder.iterdir()} == {"helm", "env", "call.json"}


def test_the_chart_accepts_the_values_and_keeps_every_setting_verbatim(deployment):
    deployment.run("--image", "ghcr.io/me/llm:1.2")

    _, _, values, _ = deployment.call
    objects = render(values)
    assert secret(objects) == {
        "API_KEY": "secret-key-1",
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "POSTGRES_PASSWORD": 'it\'s "pg" $1 \\ word #1',
        "REDIS_PASSWORD": "redis-word",
        "GRAFANA_DB_PASSWORD": "reader-word",
    }
    config = config_map(objects)
    assert (config["SCHEDULE_INTERVAL"], config["SEED"], config["REDIS_SSL"]) == ("5", "", "false")
    images = {
        container["image"]
        for deployed in of_kind(objects, "Deployment").values()
        for container in deployed["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"ghcr.io/me/llm:1.2"}


def test_the_environment_overrides_the_file_and_selects_external_servers(deployment, tmp_path):
    (tmp_path / "b.yml").write_text("llms:\n  - name: a\n")
    deployment.run(
        *("--secret", "OPENAI_API_KEY"),
        API_KEY="from outside",
        POSTGRES_HOST="pg.example",
        POSTGRES_PORT="6432",
        REDIS_HOST="redis.example",
        REDIS_SSL="yes",
        BENCHMARK_FILE=str(tmp_path / "b.yml"),
        OPENAI_API_KEY="endpoint",
        IMAGE="ghcr.io/me/llm@sha256:" + "a" * 64,
    )

    _, _, values, _ = deployment.call
    assert values["apiKey"] == "from outside"
    assert values["postgresql"]["enabled"] is False
    assert (values["postgresql"]["host"], values["postgresql"]["port"]) == ("pg.example", 6432)
    assert (values["redis"]["host"], values["redis"]["ssl"]) == ("redis.example", True)
    assert values["benchmarkFile"] == "llms:\n  - name: a\n"
    assert values["extraSecrets"] == {"OPENAI_API_KEY": "endpoint"}
    assert values["image"] == {"repository": "ghcr.io/me/llm", "digest": "sha256:" + "a" * 64}


def test_every_setting_of_the_example_reaches_the_chart(deployment):
    """Those that the chart sets itself, and files of this machine, excepted."""
    example = (ROOT / ".env.example").read_text()
    names = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    own = {
        "HOST",
        "PORT",
        "METRICS_PORT",
        "WORKER_HOST",
        "REGION",
        "LOG_FORMAT",
        "GRAFANA_PASSWORD",
        "BENCHMARK_FILE",
    }
    files = {name for name in names if re.fullmatch("POSTGRES_SSL(ROOTCERT|CERT|KEY)|REDIS_SSL_.*", name)}
    given = {
        "SECRET_KEY": "s" * 32,
        "DATABASE_URL": "postgresql://database-url",
        "POSTGRES_SSLMODE": "require",
        "REDIS_URL": "redis://redis-url",
        "REDIS_SENTINELS": "a:26379, b:26379",
        "REDIS_SSL": "true",
        "LOG_LEVEL": "DEBUG",
        **{
            name: f"the-{name}"
            for name in names
            if name.endswith(("USER", "PASSWORD", "HOST", "PREFIX", "NAME", "DB"))
        },
    }
    numbers = {
        name: str(10 + number) for number, name in enumerate(sorted(names - given.keys() - own - files))
    }
    given |= {"URL_PREFIX": "/llm", "REDIS_DB": "9"}
    wanted = {name: value for name, value in {**numbers, **given}.items() if name not in own}

    done = deployment.run(**wanted)

    assert done.returncode == 0, done.stderr
    _, _, values, _ = deployment.call
    objects = render(values)
    found = {**config_map(objects), **secret(objects)}
    assert {name: found.get(name) for name in wanted} == {**wanted, "REDIS_SENTINELS": "a:26379,b:26379"}


@pytest.mark.parametrize(
    "setting",
    [
        {"DATABASE_URL": "postgresql://u:p$w@pg.example/name"},
        {"REDIS_URL": "rediss://:p$w@redis.example"},
        {"REDIS_SENTINELS": "a:26379"},
    ],
    ids=str,
)
def test_a_url_or_sentinels_select_an_external_server_without_a_password(deployment, setting):
    passwords = {"POSTGRES_PASSWORD": "", "REDIS_PASSWORD": ""}
    server = "POSTGRES" if "DATABASE_URL" in setting else "REDIS"
    del passwords["REDIS_PASSWORD" if server == "POSTGRES" else "POSTGRES_PASSWORD"]

    done = deployment.run(**setting, **passwords)

    assert done.returncode == 0, done.stderr
    _, _, values, _ = deployment.call
    assert values["postgresql" if server == "POSTGRES" else "redis"]["enabled"] is False
    found = {**config_map(render(values)), **secret(render(values))}
    assert setting.items() <= found.items()


@pytest.mark.parametrize(("setting", "processes"), [({"WEB_CONCURRENCY": "3"}, "3"), ({}, "2")])
def test_web_concurrency_sets_the_number_of_gunicorns_processes(deployment, setting, processes):
    deployment.run(**setting)

    _, _, values, _ = deployment.call
    config = config_map(render(values))
    assert config["WEB_CONCURRENCY"] == processes


def test_a_dry_run_without_a_cluster_renders_locally_with_secrets_hidden(deployment):
    done = deployment.run("--dry-run")

    arguments, _, values, _ = deployment.call
    assert done.returncode == 0
    assert arguments[:3] == ["template", "llm-benchmark", "./helm"]
    assert values["apiKey"] == values["secretKey"] == values["redis"]["password"]
    assert values["apiKey"].startswith("hidden")
    assert secret(render(values))["POSTGRES_PASSWORD"] == values["apiKey"]
    assert "cluster unreachable; rendering locally" in done.stderr


def test_a_dry_run_with_a_cluster_runs_on_the_server_with_secrets_hidden(deployment):
    deployment.run("--dry-run", CLUSTER="yes")

    arguments, _, values, _ = deployment.call
    assert arguments[:4] == ["upgrade", "--install", "--dry-run=server", "--hide-secret"]
    assert values["apiKey"] == "secret-key-1"


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        ([], {"API_KEY": ""}, f"API_KEY: empty; expected a value in {{env_file}} or {MAKE_ENV}"),
        ([], {"POSTGRES_PASSWORD": ""}, f"{MAKE_ENV}, or your own server in POSTGRES_HOST"),
        ([], {"REDIS_PASSWORD": ""}, f"{MAKE_ENV}, or your own server in REDIS_HOST"),
        ([], {"POSTGRES_PORT": "many"}, "POSTGRES_PORT=many: expected a whole number"),
        ([], {"WEB_CONCURRENCY": "auto"}, "WEB_CONCURRENCY=auto: expected a whole number"),
        ([], {"REDIS_DB": "one"}, "REDIS_DB=one: expected a whole number"),
        (
            [],
            {"POSTGRES_SSLROOTCERT": "ca.crt"},
            "POSTGRES_SSLROOTCERT: the file stays on this machine; expected",
        ),
        ([], {"BENCHMARK_FILE": "/nowhere.yml"}, "BENCHMARK_FILE=/nowhere.yml: file not found"),
        (["--secret", "MISSING"], {}, "MISSING: empty; expected a value in {env_file} or the environment"),
        (["--values", "/nowhere.yml"], {}, "--values /nowhere.yml: file not found"),
        (["--fast", "x"], {}, "--fast: unknown option"),
        (["--release"], {}, "--release: unknown option or missing value"),
    ],
)
def test_invalid_input_is_rejected_before_helm_is_called(deployment, arguments, changes, message):
    done = deployment.run(*arguments, **changes)

    assert done.returncode == 2
    assert message.format(env_file=deployment.env_file) in done.stderr.splitlines()[-1]
    assert not (deployment.folder / "call.json").exists()


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_only_its_owner_may_read_the_env_file_afterwards(deployment, options):
    deployment.env_file.chmod(0o644)

    deployment.run(*options)

    assert deployment.env_file.stat().st_mode & 0o777 == 0o600
