import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.webapp.api.shown_runs import finish_run
from tests.webapp.page.conftest import token
from webapp.settings import ROOT

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def runs(conn):
    """A finished run of GPT-4o and a failed one of Llama 3.1 70B."""
    finish_run(conn, NOW, {"GPT-4o": {"ttft": [1.0]}, "Llama 3.1 70B": {"ttft": [1.0]}})
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET status = 'failed', attempts = 3, error = '<b>disk</b> full',"
            " finished_at = started_at + interval '2 seconds' WHERE llm_id = 2"
        )


def shown(html):
    return re.findall(r'data-label="LLM"><a href="[^"]+"><bdi>([^<]+)', html)


def test_a_run_shows_its_status_duration_attempts_and_error(runs, reader):
    html = reader.get("/runs?status=failed").text

    assert shown(html) == ["Llama 3.1 70B"]
    assert '<span class="badge failed">failed</span>' in html
    assert 'data-label="Duration">2.0 s<' in html
    assert 'data-label="Attempts">3<' in html
    assert "&lt;b&gt;disk&lt;/b&gt; full" in html


def test_runs_are_narrowed_down_and_leafed_through(runs, conn, reader):
    for number in range(1, 4):
        finish_run(conn, NOW + timedelta(minutes=number), {"GPT-4o": {"ttft": [1.0]}})

    assert shown(reader.get("/runs?llm=GPT-4o").text) == ["GPT-4o"] * 4
    first = reader.get("/runs?limit=3").text
    assert shown(first) == ["GPT-4o"] * 3
    older = re.search(r'href="([^"]+)">Older runs', first)[1].replace("&amp;", "&")
    assert sorted(shown(reader.get(older).text)) == ["GPT-4o", "Llama 3.1 70B"]


def test_a_run_now_waits_in_the_queue_and_says_so(reader, redis):
    response = reader.post("/run-now", data={"csrf_token": token(reader, "/")})

    assert response.status_code == 303
    assert re.fullmatch(r"/runs\?job_id=simulation-\d+", response.headers["Location"])
    assert len(redis.keys("rq:job:*")) == 1
    assert "Your run waits in the queue" in reader.get(response.headers["Location"]).text


def test_without_redis_a_run_now_is_answered_with_a_page(own_app, own_redis, make_reader):
    client = make_reader(own_app)
    form = token(client, "/")
    own_redis.stop()

    response = client.post("/run-now", data={"csrf_token": form})
    assert response.status_code == 503
    assert "Redis cannot be reached" in response.text
    assert client.get("/runs").status_code == 200


def test_a_declared_measurement_is_asked_for_by_name(make_app, make_reader, redis):
    client = make_reader(make_app(benchmark_file=str(ROOT / "benchmark.example.yml")))
    html = client.get("/runs").text
    slug = re.search(r'<option value="([^"]+)">[^<]+@c', html)[1]

    response = client.post("/run-now", data={"csrf_token": token(client, "/"), "measurement": slug})
    assert response.status_code == 303
    assert f"job_id=measurement-{slug}" in response.headers["Location"]
    assert "Your run waits in the queue" in client.get(response.headers["Location"]).text
    unknown = {"csrf_token": token(client, "/"), "measurement": "unknown"}
    assert client.post("/run-now", data=unknown).status_code == 404
    assert len(redis.keys("rq:job:*")) == 1
