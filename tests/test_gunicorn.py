"""gunicorn with the project's settings: what it refuses, what its workers share, and how it stops."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import urlencode

import psutil
import pytest

from tests.support import KEY, query
from tests.web import (
    GUNICORN,
    QUICK,
    RANKINGS,
    assert_error,
    clean_environment,
    serving,
    show_run,
    wait_until,
)
from webapp.generation import HINT
from webapp.settings import ROOT
from webapp.store import connect

SERVE = [sys.executable, "-m", "webapp.serve"]
# A little more than graceful_timeout, for which an idle connection may keep a worker.
STOP_SECONDS = 30
BACKENDS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'llm-benchmark api'"
)


@pytest.fixture
def server(environment, folder):
    with serving(environment, folder) as server:
        yield server


def start(command, environment, folder=ROOT, **more):
    return subprocess.run(
        command,
        cwd=folder,
        env={**clean_environment(), **environment, **more},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_CONCURRENCY", "x"), ("PORT", "x"), ("API_KEY", ""), ("LOG_FORMAT", "xml")]
)
def test_a_bad_setting_is_reported_in_one_line_with_exit_code_2(server_environment, name, value):
    done = start(SERVE, server_environment, **{name: value})

    assert done.returncode == 2
    assert done.stderr.startswith(f"setting {name}={value!r}: must ")
    assert len(done.stderr.splitlines()) == 1


def test_gunicorn_itself_reports_all_bad_settings_together(server_environment):
    bad = {"PORT": "x", "WEB_CONCURRENCY": "0", "API_KEY": "", "SECRET_KEY": "too short"}

    done = start([GUNICORN], server_environment, **bad)

    assert done.returncode == 2
    assert [line.split("=")[0] for line in done.stderr.splitlines()] == [
        "setting API_KEY",
        "setting SECRET_KEY",
        "setting PORT",
        "setting WEB_CONCURRENCY",
    ]
    assert "too short" not in done.stderr


def test_host_port_and_number_of_processes_can_be_set_in_the_env_file(tmp_path, server_environment):
    for name in ("llm_measure", "webapp"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("gunicorn.conf.py", "wsgi.py"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".env").write_text("HOST=127.0.0.2\nPORT=8123\nWEB_CONCURRENCY=5\n")

    done = start([*SERVE, "--print-config"], server_environment, folder=tmp_path)

    config = dict(re.findall(r"^(\w+) += (.*)$", done.stdout, re.MULTILINE))
    assert (config["bind"], config["workers"]) == ("['127.0.0.2:8123']", "5"), done.stderr


def test_without_a_secret_key_a_page_session_is_valid_in_every_worker(environment, folder, conn):
    with serving(environment, folder, SECRET_KEY="") as server:
        signed_in = sign_in(server)

        def is_valid_in_both_workers():
            assert server.request("/runs", headers=signed_in).status == 200
            # Each worker that has answered has a connection, since the requests are sequential.
            return len(query(conn, BACKENDS)) == 2

        wait_until(is_valid_in_both_workers)
        assert "SECRET_KEY is empty: page sessions end when this server stops" in server.log


def sign_in(server):
    """Return the headers of a browser that has signed in to the page."""
    form = server.request("/sign-in", headers={})
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', form.body.decode())
    response = server.request(
        "/sign-in",
        "POST",
        {"Cookie": cookie(form), "Content-Type": "application/x-www-form-urlencoded"},
        urlencode({"csrf_token": token, "api_key": KEY}),
    )
    assert response.status == 303
    return {"Cookie": cookie(response)}


def cookie(response):
    return response.headers["set-cookie"].partition(";")[0]


def test_webapp_serve_runs_gunicorn_with_the_settings(environment, folder):
    with serving(environment, folder, command=SERVE, WEB_CONCURRENCY="3") as server:
        assert server.request(RANKINGS).status == 200
        wait_until(lambda: len(psutil.Process(server.process.pid).children()) == 3)


def test_workers_share_no_connection_and_answer_concurrent_requests(server, conn, redis):
    def read(_):
        redis.delete(HINT)
        return server.request(RANKINGS).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(400))) == {200}
    sockets = [
        {link.laddr for link in child.net_connections("unix") if ".s.PGSQL" in link.raddr}
        for child in psutil.Process(server.process.pid).children()
    ]

    assert len(sockets) == 2
    assert len(query(conn, BACKENDS)) >= 2
    assert psutil.Process(server.process.pid).net_connections("unix") == []
    assert "Traceback" not in server.log


def test_a_request_in_flight_is_answered_before_the_server_stops(server, conn, settings, redis):
    show_run(settings, redis, 1)
    redis.flushall()
    answers = []
    reader = threading.Thread(target=lambda: answers.append(server.request(RANKINGS)))
    with closing(connect(settings)) as other, other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE llms IN ACCESS EXCLUSIVE MODE")
        reader.start()
        wait_until(lambda: query(conn, f"{BACKENDS} AND wait_event_type = 'Lock'"))
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Handling signal: term" in server.log)
    reader.join(10)

    assert answers[0].status == 200
    assert server.process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_all_its_processes(server, stop):
    children = psutil.Process(server.process.pid).children(recursive=True)
    os.kill(server.process.pid, stop)

    assert server.process.wait(STOP_SECONDS) == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_workers_are_replaced_after_max_requests_without_failing_any(environment, folder):
    options = ("--max-requests", "40", "--max-requests-jitter", "10")
    with serving(environment, folder, *options) as server:
        first = {child.pid for child in psutil.Process(server.process.pid).children()}
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: server.request(RANKINGS).status, range(120)))

        assert set(statuses) == {200}
        wait_until(lambda: not first & {child.pid for child in psutil.Process(server.process.pid).children()})


def test_a_killed_worker_is_replaced(server):
    psutil.Process(server.process.pid).children()[0].kill()

    wait_until(lambda: "Booting worker" in server.log.partition("SIGKILL")[2])
    assert server.request(RANKINGS).status == 200


@pytest.mark.parametrize(
    "half",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 9\r\n\r\nx",
    ],
    ids=["head", "form"],
)
def test_clients_that_send_half_a_request_do_not_block_others(environment, folder, half):
    with serving(environment, folder, *QUICK, WEB_CONCURRENCY="1") as server, ExitStack() as stack:
        for _ in range(8):  # twice the number of threads
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(half)

        assert server.request("/healthz").status == 200


def test_errors_of_gunicorn_itself_are_json_errors(server):
    assert_error(server.send(b"nonsense\r\n\r\n"), 400)
