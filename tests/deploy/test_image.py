"""The image's commands as its user on a read-only file system: each starts, works, and stops cleanly."""

import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from llm_measure import __version__
from tests.deploy import image
from tests.jobs.system import Blocker, finished_slots, until
from tests.plain_role import create_database
from tests.support import KEY, query, run_sql
from webapp.health import CHECKS
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.queues import runs_queue
from webapp.settings import ROOT, Settings
from webapp.store import connect

RANKINGS = "/api/v1/benchmarks/rankings"
# Prints the files of our modules; the tests' environment could also import them from the working tree.
IMPORT_ALL = """
import sys
import jobs.scheduler, jobs.worker, llm_measure.cli, webapp.serve, webapp.upgrade, wsgi
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
print(*(file for file in files if file and not file.startswith((sys.prefix, sys.base_prefix))))
"""
BASE = re.compile(r"^python:3\.12-slim@sha256:[0-9a-f]{64}$")


@pytest.fixture
def reachable(environment):
    """The test's servers, with sockets that the image's user can reach."""
    for host in (environment["POSTGRES_HOST"], environment["REDIS_HOST"]):
        if host.startswith("/"):
            for path in (Path(host), Path(host).parent):
                path.chmod(path.stat().st_mode | (0o777 if path.is_socket() else 0o011))
    return {**environment, "POINTS_PER_RUN": "50"}


@pytest.fixture
def container(reachable, folder, counter):
    place = folder / f"c{next(counter)}"
    place.mkdir()
    made = image.Container(place, reachable)
    yield made
    made.end()


@pytest.fixture
def queue(redis):
    return runs_queue(redis)


@pytest.fixture
def ports():
    """Two ports that nothing listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in (one, other)]


@pytest.fixture
def port(ports):
    return ports[0]


@pytest.fixture
def own_conn(reachable):
    with closing(connect(Settings.from_env(reachable))) as connection:
        yield connection


def get(port: str, path: str) -> tuple[int, dict] | None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"x-api-key": KEY})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return None


def metrics(port: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"x-api-key": KEY})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def stop(process, seconds: float) -> int:
    """Send SIGTERM, as a container engine does, and return the exit code if it comes in time."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=seconds)


def test_both_stages_use_the_same_pinned_base():
    (default,) = re.findall(r"^ARG PYTHON=(.*)$", image.DOCKERFILE, re.MULTILINE)

    assert BASE.match(default)
    assert re.findall(r"^FROM (\S+)", image.DOCKERFILE, re.MULTILINE) == ["${PYTHON}", "${PYTHON}"]


def test_it_runs_as_a_numeric_user_that_is_not_root():
    assert image.user() == (10001, 10001)


def test_only_what_the_image_needs_is_copied(container):
    names = {path.name for path in container.app.iterdir()}

    assert names == {
        *("docker", "jobs", "llm_measure", "migrations", "webapp"),
        *("gunicorn.conf.py", "requirements.txt", "wsgi.py"),
    }


def test_every_module_is_loaded_from_the_image(container):
    code, output = container.run("python", "-c", IMPORT_ALL)

    assert code == 0, output
    assert f"{container.app}/wsgi.py" in output.split()
    assert [path for path in output.split() if not path.startswith(str(container.app))] == []


def test_the_user_can_write_only_to_tmp(container):
    paths = " ".join(f"'{path}/x'" for path in (container.app, container.app / "webapp", ROOT, "/var/tmp"))
    _, output = container.run(
        "sh", "-c", f"for p in {paths}; do touch $p 2>/dev/null && echo $p; done; id -u"
    )

    expected = [f"{image.user()[0]}"] if os.geteuid() == 0 else [f"{os.getuid()}"]
    if not image.can_seal():
        output = output.replace("/var/tmp/x\n", "").replace(f"{ROOT}/x\n", "")
    assert output.split() == expected


def test_the_api_serves_is_healthy_and_ends_within_its_grace_period(container, port):
    api = container.start("api", PORT=port)
    assert until(lambda: get(port, "/readyz")) == (200, {
        "status": "ok",
        "checks": dict.fromkeys(CHECKS, "ok"),
    })  # fmt: skip

    assert get(port, RANKINGS)[0] == 200
    assert container.run("health", PORT=port, METRICS_PORT="1") == (0, "")
    assert stop(api, 10) == 0
    assert container.run("health", PORT=port, METRICS_PORT="1") == (1, "")


def test_an_api_that_is_stopped_answers_the_request_in_flight(container, port, reachable):
    api = container.start("api", PORT=port)
    until(lambda: get(port, "/healthz"))
    answers = []
    with Blocker(Settings.from_env(reachable), "BEGIN; LOCK TABLE llms IN ACCESS EXCLUSIVE MODE"):
        asker = threading.Thread(target=lambda: answers.append(get(port, "/api/v1/llms")))
        asker.start()
        with closing(connect(Settings.from_env(reachable))) as conn:
            until(lambda: query(conn, "SELECT FROM pg_locks WHERE NOT granted"))
        api.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert api.poll() is None
    asker.join(timeout=20)

    assert answers[0][0] == 200
    assert api.wait(timeout=20) == 0


def test_scheduler_and_worker_make_a_run_are_healthy_and_end_on_sigterm(container, own_conn, ports):
    scheduler = container.start("scheduler", "--run-now", METRICS_PORT=ports[0])
    worker = container.start("worker", METRICS_PORT=ports[1])
    finished = "SELECT FROM runs WHERE status = 'finished' AND generation IS NOT NULL"
    until(lambda: len(query(own_conn, finished)) >= 3)
    for port in ports:
        assert container.run("health", PORT="1", METRICS_PORT=port) == (0, "")
    assert "\nllm_benchmark_scheduler_last_poll_timestamp_seconds " in metrics(ports[0])

    assert stop(scheduler, 10) == 0
    assert stop(worker, 30) == 0


def test_a_worker_that_is_stopped_finishes_its_run_first(container, reachable, own_conn, queue):
    worker = container.start("worker", METRICS_PORT="")
    with Blocker(Settings.from_env(reachable), "BEGIN; LOCK TABLE points IN ACCESS EXCLUSIVE MODE"):
        slot = int(time.time())
        enqueue_simulation(queue, Settings.from_env(reachable), slot)
        until(lambda: query(own_conn, "SELECT FROM pg_locks WHERE NOT granted"))
        worker.send_signal(signal.SIGTERM)
        time.sleep(2)
        assert worker.poll() is None
    assert worker.wait(timeout=30) == 0

    assert finished_slots(own_conn) == [slot]


def test_containers_that_migrate_concurrently_wait_for_each_other(container, reachable, counter):
    name = f"fresh_{os.getpid()}_{next(counter)}"
    create_database(reachable, name)
    try:
        started = [container.start("migrate", POSTGRES_DB=name) for _ in range(3)]
        outputs = [process.communicate(timeout=60)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], outputs
        with closing(connect(Settings.from_env({**reachable, "POSTGRES_DB": name}))) as conn:
            assert len(query(conn, "SELECT FROM llms")) == 3
    finally:
        run_sql(reachable, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_compose_files_command_creates_grafanas_role(container, own_conn, superuser, may_create_roles):
    name = f"grafana_reader_{os.getpid()}"
    settings = {"GRAFANA_DB_USER": name, "GRAFANA_DB_PASSWORD": "word"}

    code, output = container.run("flask", "grafana-reader", **settings)
    assert (code, query(own_conn, "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", name)) == (
        0,
        [(True,)],
    ), output

    with superuser, superuser.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {name}")
        cursor.execute(f"DROP ROLE {name}")


def test_the_measuring_command_is_part_of_the_image(container):
    code, output = container.run("llm-measure", "--version")

    assert (code, output.split()[-1]) == (0, __version__), output


def test_a_wrong_setting_ends_it_with_one_line(container):
    assert container.run("api", API_KEY="") == (
        2, "setting API_KEY='': must contain at least one key; see make env\n",
    )  # fmt: skip


def test_migrations_and_the_role_for_grafana_need_no_api_key(container):
    assert container.run("migrate", API_KEY="")[0] == 0
    code, output = container.run("flask", "--app", "webapp", "grafana-reader", API_KEY="")
    assert (code, "GRAFANA_DB_PASSWORD" in output) == (2, True), output


def test_the_charts_own_test_passes_against_the_real_api_and_fails_without_it(container, port):
    source = (ROOT / "helm" / "files" / "smoke_test.py").read_text()
    settings = {"BASE": f"http://127.0.0.1:{port}", "API_KEY": KEY}
    container.start("api", PORT=port)
    until(lambda: get(port, "/healthz"))

    code, output = container.run("python", "-c", source, **settings)
    assert (code, output.count("passed:")) == (0, 3), output
    code, output = container.run("python", "-c", source, **settings | {"API_KEY": "wrong"})
    assert code == 1
    assert "FAILED: with the key" in output
