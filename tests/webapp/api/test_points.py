"""Raw points, exported by a real gunicorn: complete, in constant memory, or visibly broken."""

import csv
import http.client
import io
import json
import math
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import psutil
import pytest

from llm_measure.metrics import METRICS
from tests.factories import add_llm, add_run, add_scenario
from tests.support import query
from tests.web import KEYED, QUICK, assert_error, serving, wait_until
from tests.webapp.api.shown_runs import show
from webapp.store import partitions, points
from webapp.store.export import APPLICATION_NAME, CHUNK_ROWS, COLUMNS

POINTS = "/api/v1/benchmarks/points"
NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)
DAY = "from=2026-10-24T00:00:00Z&to=2026-10-25T00:00:00Z"
EXPORTS = (
    "SELECT pid FROM pg_stat_activity"
    f" WHERE datname = current_database() AND application_name = '{APPLICATION_NAME}'"
)


@pytest.fixture
def server(environment, folder):
    with serving(environment, folder, WEB_CONCURRENCY="1") as server:
        yield server


def store(conn, slot, values, *, shown=True, **run) -> int:
    """Store a run with these values of each named metric, and return its id."""
    with conn:
        partitions.ensure(conn, slot.date())
        run_id = add_run(conn, slot, **run)
        points.copy(
            conn,
            [
                points.encode(slot, run_id, METRICS[name].id, np.array(numbers, dtype=float))
                for name, numbers in values.items()
            ],
        )
    if shown:
        show(conn, slot)
    return run_id


def store_many(conn, count: int, slot: datetime = NOON) -> float:
    """Store a run with `count` values of one metric, and return their sum."""
    values = np.random.default_rng(20).uniform(0.05, 2.0, count)
    store(conn, slot, {"ttft": values})
    return math.fsum(values)


def rows(response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.data[:300]
    return list(csv.DictReader(io.StringIO(response.data.decode(), newline="")))


def values(response) -> list[float]:
    return [float(row["value"]) for row in rows(response)]


def test_each_point_is_a_row_with_run_llm_source_scenario_and_metric(client, conn):
    run_id = store(conn, NOON, {"ttft": [0.1, 5e-324], "rps": [1e300]})

    response = client.get(f"{POINTS}?{DAY}")

    same = {
        "recorded_at": "2026-10-24T12:00:00.000000+00:00",
        "run_id": str(run_id),
        "llm_name": "GPT-4o",
        "source": "simulation",
        "scenario": "default",
    }
    assert rows(response) == [
        same | {"metric": "ttft", "unit": "s", "value": "0.1"},
        same | {"metric": "ttft", "unit": "s", "value": "5e-324"},
        same | {"metric": "rps", "unit": "requests/s", "value": "1e+300"},
    ]
    assert response.content_type.startswith("text/csv")
    assert response.headers["Content-Disposition"] == (
        "attachment; filename=points-20261024T000000Z-20261025T000000Z.csv"
    )


def test_json_lines_have_the_same_columns_with_numbers_as_numbers(client, conn):
    run_id = store(conn, NOON, {"ttft": [0.1, math.pi]})

    response = client.get(f"{POINTS}?{DAY}&format=ndjson")

    found = [json.loads(line) for line in response.data.splitlines()]
    assert [row["value"] for row in found] == [0.1, math.pi]
    assert {tuple(row) for row in found} == {COLUMNS}
    assert {row["run_id"] for row in found} == {run_id}
    assert response.content_type == "application/x-ndjson"
    assert response.headers["Content-Disposition"].endswith(".ndjson")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-2", "@a", "\tb", "\rb"])
def test_no_name_is_a_formula_for_a_spreadsheet_and_numbers_stay_numbers(client, conn, name):
    with conn:
        add_llm(conn, name)
    store(conn, NOON, {"ttft": [0.5]}, llm=name)

    (row,) = rows(client.get(POINTS, query_string={"from": "2026-10-24", "to": "2026-10-25", "llm": name}))

    assert (row["llm_name"], row["value"]) == (f"'{name}", "0.5")


@pytest.mark.parametrize("name", ['a,b"c"', "two\nlines\r\nmore", " é日本 ", "'", "\\", "%s"])
def test_any_name_is_read_back_unchanged(client, conn, name):
    with conn:
        add_llm(conn, name)
    store(conn, NOON, {"ttft": [1, 2]}, llm=name)

    assert [row["llm_name"] for row in rows(client.get(f"{POINTS}?{DAY}"))] == [name, name]
    lines = client.get(f"{POINTS}?{DAY}&format=ndjson")
    assert [json.loads(line)["llm_name"] for line in lines.data.decode().split("\n")[:-1]] == [name, name]


def test_the_window_includes_its_start_and_excludes_its_end(client, conn):
    for minutes in (-1, 0, 9, 10):
        store(conn, NOON + timedelta(minutes=minutes), {"ttft": [minutes]})

    window = "from=2026-10-24T14:00:00%2B02:00&to=2026-10-24T12:10:00"

    assert values(client.get(f"{POINTS}?{window}")) == [0, 9]


def test_the_default_window_is_the_last_24_hours(client, conn):
    now = datetime.now(UTC)
    for hours, value in ((30, 1), (23, 2), (0, 3)):
        store(conn, now - timedelta(hours=hours), {"ttft": [value]})

    assert values(client.get(POINTS)) == [2, 3]


def test_only_points_that_match_every_filter_are_exported(client, conn):
    with conn:
        add_scenario(conn, "other")
    store(conn, NOON, {"ttft": [1], "rps": [2]})
    store(conn, NOON, {"ttft": [3]}, llm="Llama 3.1 70B")
    store(conn, NOON, {"ttft": [4]}, source="measurement")
    store(conn, NOON, {"ttft": [5]}, scenario="other")

    def found(arguments: str) -> list[float]:
        return sorted(values(client.get(f"{POINTS}?{DAY}&{arguments}")))

    assert found("metric=ttft") == [1, 3]
    assert found("llm=GPT-4o") == [1, 2]
    assert found("llm=GPT-4o&metric=rps") == [2]
    assert found("source=measurement") == [4]
    assert found("scenario=other") == [5]


def test_values_of_unfinished_or_unpublished_runs_are_omitted(client, conn):
    store(conn, NOON, {"ttft": [1]})
    store(conn, NOON, {"ttft": [2]}, llm="Llama 3.1 70B", status="running")
    store(conn, NOON, {"ttft": [3]}, llm="Claude 3.5 Sonnet", shown=False)

    assert values(client.get(f"{POINTS}?{DAY}")) == [1]


def test_a_window_without_points_is_only_a_header(client):
    assert client.get(f"{POINTS}?{DAY}").data.decode() == ",".join(COLUMNS) + "\r\n"
    assert client.get(f"{POINTS}?{DAY}&format=ndjson").data == b""


@pytest.mark.parametrize(
    "arguments",
    [
        "from=2026-10-25T00:00:00Z&to=2026-10-24T00:00:00Z",
        "from=2026-10-25T00:00:00Z&to=2026-10-25T00:00:00Z",
        "from=2126-10-25T00:00:00Z",
        "from=yesterday",
        "to=0001-01-01T00:00:00%2B14:00",
        "from=9999-12-31T23:59:59-14:00",
        "metric=speed",
        "llm=nobody",
        "scenario=nothing",
        "source=guess",
        "format=xml",
        "limit=1",
        "metric=ttft&metric=rps",
    ],
)
def test_an_unknown_or_invalid_argument_is_refused(client, arguments):
    assert_error(client.get(f"{POINTS}?{arguments}"), 422)


def test_an_api_key_is_required(stranger):
    assert_error(stranger.get(POINTS), 401)


def test_a_client_with_the_current_generation_gets_304(client, conn):
    store(conn, NOON, {"ttft": [1]})
    url = f"{POINTS}?{DAY}"
    etag = client.get(url).headers["ETag"]
    ((generation,),) = query(conn, "SELECT value FROM generation")

    again = client.get(url, headers={"If-None-Match": etag})
    assert etag == f'"g{generation}"'
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)

    store(conn, NOON, {"ttft": [2]}, llm="Llama 3.1 70B")
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 200


def test_the_etag_contains_an_end_that_moves_with_the_clock(client):
    fixed = client.get(f"{POINTS}?{DAY}").headers["ETag"]
    moving = client.get(POINTS).headers["ETag"]

    assert moving.startswith(fixed.rstrip('"') + "-")


def test_every_request_releases_its_connection(client, conn):
    store(conn, NOON, {"ttft": range(3 * CHUNK_ROWS)})
    etag = client.get(f"{POINTS}?{DAY}").headers["ETag"]
    for _ in range(3):
        assert client.get(f"{POINTS}?{DAY}").status_code == 200
        assert client.head(f"{POINTS}?{DAY}").status_code == 200
        assert client.get(f"{POINTS}?{DAY}", headers={"If-None-Match": etag}).status_code == 304
        assert client.get(f"{POINTS}?llm=nobody").status_code == 422

    wait_until(lambda: not query(conn, EXPORTS))


def test_300_000_points_arrive_complete_and_the_worker_stays_small(server, conn):
    count = 300_000
    total = store_many(conn, count)
    (worker,) = psutil.Process(server.process.pid).children()
    server.request(f"{POINTS}?{DAY}&metric=rps")
    before = worker.memory_info().rss

    found, highest = 0, before
    numbers = []
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", f"{POINTS}?{DAY}", headers=KEYED)
        response = connection.getresponse()
        assert response.getheader("Transfer-Encoding") == "chunked"
        for row in csv.DictReader(io.TextIOWrapper(response, newline="")):
            numbers.append(float(row["value"]))
            found += 1
            if found % 10_000 == 0:
                highest = max(highest, worker.memory_info().rss)

    assert found == count
    assert math.fsum(numbers) == total
    assert highest - before < 16 << 20, f"grew by {(highest - before) >> 20} MiB"


def begin(server) -> tuple[socket.socket, http.client.HTTPResponse]:
    """Start an export and read its head alone; the small buffer makes the server wait."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    head = "".join(f"{name}: {value}\r\n" for name, value in {**KEYED, "Host": "localhost"}.items())
    connection.sendall(f"GET {POINTS}?{DAY} HTTP/1.1\r\n{head}\r\n".encode())
    response = http.client.HTTPResponse(connection)
    response.begin()
    assert response.status == 200
    return connection, response


def test_the_connection_is_closed_after_the_client_disconnects(server, conn):
    store_many(conn, 300_000)
    connection, response = begin(server)
    response.read(100)
    assert len(query(conn, EXPORTS)) == 1

    response.close()
    connection.close()

    wait_until(lambda: not query(conn, EXPORTS))
    assert server.request(f"{POINTS}?{DAY}&metric=rps").status == 200


def test_an_export_that_fails_halfway_is_visibly_incomplete(server, conn):
    store_many(conn, 300_000)
    connection, response = begin(server)
    with closing(connection), closing(response):
        response.read(100)

        query(conn, EXPORTS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))

        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
    wait_until(lambda: "Traceback" in server.log)
    assert server.request(f"{POINTS}?{DAY}&metric=rps").status == 200


def test_concurrent_exports_are_limited_so_that_other_requests_are_answered(server, conn):
    store_many(conn, 300_000)
    started = [begin(server) for _ in range(2)]

    refused = server.request(f"{POINTS}?{DAY}")

    assert_error(refused, 503)
    assert refused.headers["retry-after"] == "5"
    assert server.request("/api/v1/benchmarks/rankings").status == 200
    for connection, response in started:
        response.close()
        connection.close()
    wait_until(lambda: server.request(f"{POINTS}?{DAY}&metric=rps").status == 200)


def test_a_client_that_stops_reading_is_disconnected(environment, folder, conn):
    store_many(conn, 300_000)
    with serving(environment, folder, *QUICK) as server:
        connection, response = begin(server)
        with closing(connection), closing(response):
            assert len(query(conn, EXPORTS)) == 1

            wait_until(lambda: not query(conn, EXPORTS))

            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                response.read()


def test_a_run_that_commits_during_an_export_is_not_exported(server, conn):
    store_many(conn, 100_000)
    connection, response = begin(server)
    with closing(connection), closing(response):
        store(conn, NOON, {"ttft": [1]}, llm="Llama 3.1 70B")

        assert response.read().count(b"\r\n") == 100_001


def test_an_unreachable_database_is_503(make_app):
    client = make_app(postgres_host="/nowhere").test_client()

    error = assert_error(client.get(POINTS, headers=KEYED), 503)
    assert error["message"] == "Database unreachable; try again in a moment"
