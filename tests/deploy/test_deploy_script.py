"""deploy.sh: what it hands to Helm, how, and what it refuses.

A program of the name helm stands in for Helm's command line and writes down how it was called; the values
that it was sent are rendered by Helm's own engine.
"""

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.deploy.chart import of_kind, render, secret
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
POSTGRES_PASSWORD='it''s "pg" \\ word #1'
REDIS_HOST=
REDIS_PASSWORD="redis-word" # of Redis
REDIS_SSL=false
SCHEDULE_INTERVAL=5
SEED=
GRAFANA_DB_PASSWORD=reader-word
"""


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
        """(arguments, where standard input comes from, values, environment) of the last call of helm."""
        arguments, given, text, environment = json.loads((self.folder / "call.json").read_text())
        return arguments, given, yaml.safe_load(text), environment


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


def test_it_installs_or_upgrades_and_waits_and_takes_a_failure_back(deployment):
    done = deployment.run("--release", "speed", "--namespace", "there", "--timeout", "3m")

    assert done.returncode == 0, done.stderr
    arguments, *_ = deployment.call
    assert arguments == [
        *("upgrade", "--install", "--create-namespace", "--atomic", "--wait", "--timeout", "3m"),
        *("speed", "./helm", "--namespace", "there", "--values", "-"),
    ]


def test_secrets_go_by_a_pipe_and_nothing_is_left_behind(deployment):
    deployment.run()

    arguments, given, _, _ = deployment.call
    assert "secret-key-1" not in json.dumps(arguments)
    assert given == "" or "pipe:" in given
    assert {path.name for path in deployment.folder.iterdir()} == {"helm", "env", "call.json"}


def test_the_chart_takes_the_values_and_has_every_setting_to_the_letter(deployment):
    deployment.run("--image", "ghcr.io/me/llm:1.2")

    _, _, values, _ = deployment.call
    objects = render(values)
    assert secret(objects) == {
        "API_KEY": "secret-key-1",
        "SECRET_KEY": "0123456789abcdef0123456789abcdef",
        "POSTGRES_PASSWORD": "it''s \"pg\" \\ word #1",
        "REDIS_PASSWORD": "redis-word",
        "GRAFANA_DB_PASSWORD": "reader-word",
    }
    config = of_kind(objects, "ConfigMap")["llm-llm-benchmark"]["data"]
    assert (config["SCHEDULE_INTERVAL"], config["SEED"], config["REDIS_SSL"]) == ("5", "", "false")
    images = {
        container["image"]
        for deployed in of_kind(objects, "Deployment").values()
        for container in deployed["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"ghcr.io/me/llm:1.2"}


def test_the_environment_stands_over_the_file_and_names_ones_own_servers(deployment, tmp_path):
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


def test_a_dry_run_without_a_cluster_is_rendered_here_with_secrets_hidden(deployment):
    done = deployment.run("--dry-run")

    arguments, _, values, _ = deployment.call
    assert done.returncode == 0
    assert arguments[:3] == ["template", "llm-benchmark", "./helm"]
    assert values["apiKey"] == values["secretKey"] == values["redis"]["password"]
    assert values["apiKey"].startswith("hidden")
    assert secret(render(values))["POSTGRES_PASSWORD"] == values["apiKey"]
    assert "no cluster can be reached" in done.stderr


def test_a_dry_run_with_a_cluster_asks_it_and_hides_secrets(deployment):
    deployment.run("--dry-run", CLUSTER="yes")

    arguments, _, values, _ = deployment.call
    assert arguments[:4] == ["upgrade", "--install", "--dry-run=server", "--hide-secret"]
    assert values["apiKey"] == "secret-key-1"


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        ([], {"API_KEY": ""}, "API_KEY is empty: set it in"),
        ([], {"POSTGRES_PASSWORD": ""}, "or name your server by POSTGRES_HOST"),
        ([], {"REDIS_PASSWORD": ""}, "or name your server by REDIS_HOST"),
        ([], {"POSTGRES_PORT": "many"}, "POSTGRES_PORT=many: must be a whole number"),
        ([], {"BENCHMARK_FILE": "/nowhere.yml"}, "BENCHMARK_FILE=/nowhere.yml: there is no such file"),
        (["--secret", "MISSING"], {}, "MISSING is empty"),
        (["--values", "/nowhere.yml"], {}, "--values /nowhere.yml: there is no such file"),
        (["--fast", "x"], {}, "--fast: there is no such option"),
        (["--release"], {}, "--release: unknown, or without its value"),
    ],
)
def test_what_cannot_work_is_refused_before_helm_is_called(deployment, arguments, changes, message):
    done = deployment.run(*arguments, **changes)

    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not (deployment.folder / "call.json").exists()
