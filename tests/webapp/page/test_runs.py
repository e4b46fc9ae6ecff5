import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import add_run
from tests.webapp.page.conftest import token
from webapp.settings import ROOT

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def runs(conn):
    """A finished run of GPT-4o and a failed one of Llama 3.1 70B."""
    failed = {"attempts": 3, "error": "<b>disk</b> full", "finished_at": NOW + timedelta(seconds=2)}
    with conn:
        add_run(conn, NOW, "GPT-4o")
        add_run(conn, NOW, "Llama 3.1 70B", status="failed", **failed)


def shown(html):
    return re.findall(r'data-label="LLM"><a href="[^"]+"><bdi>([^<]+)', html)


def test_a_run_shows_its_status_duration_attempts_and_error(runs, reader):
    html = reader.get("/runs?status=failed").text

    assert shown(html) == ["Llama 3.1 70B"]
    assert '<span class="badge failed">Failed</span>' in html
    assert 'data-label="Duration">2.0 s<' in html
    assert 'data-label="Attempts">3<' in html
    assert "&lt;b&gt;disk&lt;/b&gt; full" in html


def test_runs_are_filtered_and_paginated(runs, conn, reader):
    with conn:
        for number in range(1, 4):
            add_run(conn, NOW + timedelta(minutes=number), "GPT-4o")

    assert shown(reader.get("/runs?llm=GPT-4o").text) == ["GPT-4o"] * 4
    first = reader.get("/runs?limit=3").text
    assert shown(first) == ["GPT-4o"] * 3
    older = re.search(r'href="([^"]+)">Older runs', first)[1].replace("&amp;", "&")
    assert sorted(shown(reader.get(older).text)) == ["GPT-4o", "Llama 3.1 70B"]


def test_run_now_enqueues_a_run_and_shows_its_status(reader, redis):
    response = reader.post("/run-now", data={"csrf_token": token(reader, "/")})

    assert response.status_code == 303
    assert re.fullmatch(r"/runs\?job_id=simulation-\d+", response.headers["Location"])
    assert len(redis.keys("rq:job:*")) == 1
    assert "Your run is queued" in reader.get(response.headers["Location"]).text


def test_run_now_without_redis_returns_an_error_page(own_app, own_redis, make_reader):
    client = make_reader(own_app)
    form = token(client, "/")
    own_redis.stop()

    response = client.post("/run-now", data={"csrf_token": form})
    assert response.status_code == 503
    assert "Redis unreachable" in response.text
    assert client.get("/runs").status_code == 200


def test_a_measurement_of_the_benchmark_file_can_be_run_now(make_app, make_reader, redis):
    client = make_reader(make_app(benchmark_file=str(ROOT / "benchmark.example.yml")))
    html = client.get("/runs").text
    slug = re.search(r'<option value="([^"]+)">[^<]+@c', html)[1]

    response = client.post("/run-now", data={"csrf_token": token(client, "/"), "measurement": slug})
    assert response.status_code == 303
    assert f"job_id=measurement-{slug}" in response.headers["Location"]
    assert "Your run is queued" in client.get(response.headers["Location"]).text
    unknown = {"csrf_token": token(client, "/"), "measurement": "unknown"}
    assert client.post("/run-now", data=unknown).status_code == 404
    assert len(redis.keys("rq:job:*")) == 1
