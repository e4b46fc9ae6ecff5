"""The project's own gunicorn: what its settings refuse, what its workers share, and how they end."""

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psutil
import pytest

from tests.support import query
from tests.web import GUNICORN, RANKINGS, assert_error, clean_environment, serving, show_run, wait_until
from webapp.generation import HINT
from webapp.settings import ROOT, Settings, SettingsError
from webapp.store import connect

SERVE = [sys.executable, "-m", "webapp.serve"]
# gunicorn's graceful_timeout, for which a connection that sends nothing may hold a worker, and a little more.
ENDING_SECONDS = 30
BACKENDS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'llm-benchmark api'"
)


@pytest.fixture
def server(environment, folder):
    with serving(environment, folder) as server:
        yield server


def start(command, environment, **more):
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**clean_environment(), **environment, **more},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_CONCURRENCY", "x"), ("PORT", "x"), ("API_KEY", ""), ("LOG_FORMAT", "xml")]
)
def test_a_bad_setting_is_named_in_one_line_and_nothing_starts(server_environment, name, value):
    done = start(SERVE, server_environment, **{name: value})

    assert done.returncode == 2
    assert done.stderr.startswith(f"setting {name}={value!r}: must ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("secret", ["", "short", "  "])
def test_without_a_good_secret_key_no_page_is_served(server_environment, secret):
    done = start([GUNICORN], server_environment, SECRET_KEY=secret)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("setting SECRET_KEY=")
    assert "a random text of at least 32 characters" in line
    assert "short" not in line


@pytest.mark.parametrize("name", ["PORT", "WEB_CONCURRENCY"])
@pytest.mark.parametrize("value", ["x", "0", "-1", "1.5", "65536", "9" * 5000, "1_0", chr(0x0661)])
def test_a_number_that_is_none_or_out_of_range_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"{name}=.*: must be a whole number from 1 to "):
        Settings.from_env({name: value})


@pytest.mark.parametrize("value", ["a b", "/tmp/x", "é", "[::1]", "127.0.0.1,::1"])
def test_a_host_that_is_no_one_address_is_refused(value):
    with pytest.raises(SettingsError, match=r"HOST=.*: must be one name or address"):
        Settings.from_env({"HOST": value})


def test_gunicorn_itself_names_every_bad_setting_at_once(server_environment):
    done = start([GUNICORN], server_environment, PORT="x", WEB_CONCURRENCY="0", API_KEY="")

    assert done.returncode == 2
    assert [line.split("=")[0] for line in done.stderr.splitlines()] == [
        "setting API_KEY",
        "setting PORT",
        "setting WEB_CONCURRENCY",
    ]


@pytest.mark.parametrize(
    ("environ", "bind", "workers"),
    [
        ({}, "127.0.0.1:8001", 2),
        ({"HOST": "", "PORT": " ", "WEB_CONCURRENCY": ""}, "127.0.0.1:8001", 2),
        ({"HOST": "::", "PORT": "80", "WEB_CONCURRENCY": "1"}, "[::]:80", 1),
        ({"HOST": "0.0.0.0", "PORT": "65535", "WEB_CONCURRENCY": "256"}, "0.0.0.0:65535", 256),
    ],
)
def test_where_to_listen_and_with_how_many_processes_is_read_from_the_environment(environ, bind, workers):
    serving = Settings.from_env(environ)

    assert (serving.bind, serving.workers) == (bind, workers)


def test_all_faults_of_the_three_are_reported_at_once():
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"HOST": "[::]", "PORT": "x", "WEB_CONCURRENCY": "y"})

    assert len(error.value.faults) == 3


def test_the_module_serves_as_gunicorn_does(environment, folder):
    with serving(environment, folder, command=SERVE, WEB_CONCURRENCY="3") as server:
        assert server.request(RANKINGS).status == 200
        wait_until(lambda: len(psutil.Process(server.process.pid).children()) == 3)


def test_workers_share_no_connection_and_read_without_errors_at_once(server, conn, redis):
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


def test_a_request_in_flight_is_answered_before_the_server_ends(server, conn, settings, redis):
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
    assert server.process.wait(ENDING_SECONDS) == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_all_its_processes(server, ending):
    children = psutil.Process(server.process.pid).children(recursive=True)
    os.kill(server.process.pid, ending)

    assert server.process.wait(ENDING_SECONDS) == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_workers_are_replaced_after_so_many_requests_and_none_of_them_fails(environment, folder):
    options = ("--max-requests", "40", "--max-requests-jitter", "10")
    with serving(environment, folder, *options) as server:
        first = {child.pid for child in psutil.Process(server.process.pid).children()}
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: server.request(RANKINGS).status, range(120)))

        assert set(statuses) == {200}
        wait_until(lambda: not first & {child.pid for child in psutil.Process(server.process.pid).children()})


def test_a_worker_that_is_killed_is_replaced(server):
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
def test_clients_that_send_half_a_request_stop_nobody_else_for_long(environment, folder, half):
    with serving(environment, folder, WEB_CONCURRENCY="1") as server, ExitStack() as stack:
        for _ in range(8):  # twice as many as there are threads
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            slow.sendall(half)

        assert server.request("/healthz").status == 200


def test_errors_of_gunicorn_itself_have_the_one_shape(server):
    assert_error(server.send(b"nonsense\r\n\r\n"), 400)
