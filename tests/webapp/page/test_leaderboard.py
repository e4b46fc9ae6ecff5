import re
from datetime import UTC, datetime, timedelta

import pytest

from llm_measure.metrics import METRICS
from tests.webapp.api.shown_runs import finish_run, show
from webapp.ingest.publish import publish
from webapp.page.leaderboard import FIRST_ROWS
from webapp.queries import SOURCES
from webapp.store import llms

NOW = datetime.now(UTC).replace(microsecond=0)


def rows(html):
    return re.findall(r'<tr data-llm="([^"]+)"', html)


def ranks(html):
    return re.findall(r'data-label="Rank">([^<]+)<', html)


def two_runs(conn, values):
    """Two runs of each LLM, an hour apart, around its value of each metric."""
    for hour, change in enumerate((0.99, 1.01)):
        shifted = {
            name: {metric: [change * value] * 2 for metric, value in of_llm.items()}
            for name, of_llm in values.items()
        }
        finish_run(conn, NOW - timedelta(hours=hour), shifted)
    show(conn, NOW)


@pytest.fixture
def three(conn):
    """GPT-4o is quick; the two others are slow and cannot be told apart."""
    two_runs(conn, {
        "GPT-4o": {"ttft": 0.1, "tps": 90},
        "Llama 3.1 70B": {"ttft": 1.0, "tps": 30},
        "Claude 3.5 Sonnet": {"ttft": 1.001, "tps": 30.01},
    })  # fmt: skip


def test_the_best_stands_first_by_each_metrics_own_direction(three, reader):
    assert rows(reader.get("/?metric=ttft&window=24h").text)[0] == "GPT-4o"
    assert rows(reader.get("/?metric=tps&window=24h").text)[0] == "GPT-4o"
    assert rows(reader.get("/?metric=ttft&window=24h&order=worst").text)[-1] == "GPT-4o"


def test_llms_that_cannot_be_told_apart_share_their_ranks(three, reader):
    assert ranks(reader.get("/?window=24h").text) == ["1", "2\N{EN DASH}3", "2\N{EN DASH}3"]


def test_a_row_has_its_figures_units_and_marks(three, reader):
    html = reader.get("/?window=24h").text
    row = html[html.index('data-llm="GPT-4o"') :].partition("</tr>")[0]

    assert '<span class="value">0.100</span> <span class="unit">s</span>' in row
    assert re.search(r"0\.08\d+ to 0\.11\d+", row)
    assert row.count('class="whisker"') == 3
    assert row.count('class="dot"') == 1
    assert "<polyline" in row
    assert ">4<" in row
    assert "2 runs" in row
    assert f'datetime="{NOW.isoformat()}"' in row


def test_only_the_first_rows_are_sent_and_all_when_asked(conn, reader):
    for number in range(40):
        llms.insert(conn, f"LLM {number:02}", "company", "provider")
    conn.commit()
    finish_run(conn, NOW, {f"LLM {number:02}": {"ttft": [number + 1.0]} for number in range(40)})
    show(conn, NOW)

    first, everything = reader.get("/").text, reader.get("/?rows=all").text
    assert rows(first) == [f"LLM {number:02}" for number in range(FIRST_ROWS)]
    assert "Show all 40 LLMs" in first
    assert len(rows(everything)) == 40
    assert first.partition('class="axis"')[2][:300] == everything.partition('class="axis"')[2][:300]


def test_the_page_asks_for_news_with_an_etag_and_is_answered_only_if_there_are_any(
    three, conn, redis, reader
):
    etag = re.search(r'data-etag="&#34;(g\d+)&#34;"', reader.get("/").text)[1]
    asking = {"If-None-Match": f'"{etag}"'}
    assert reader.get("/live/", headers=asking).status_code == 304

    finish_run(conn, NOW + timedelta(minutes=1), {"GPT-4o": {"ttft": [0.2]}})
    publish(conn, redis)

    news = reader.get("/live/", headers=asking)
    assert news.status_code == 200
    assert '<span class="value">0.200</span>' in news.text
    assert "<html" not in news.text


def test_markup_in_names_is_shown_and_not_run(conn, reader):
    name = "<script>alert(1)</script>\" onload='x'"
    llms.insert(conn, name, name, name)
    conn.commit()
    two_runs(conn, {name: {"ttft": 0.5}, "GPT-4o": {"ttft": 0.6}})

    for path in ("/?window=24h", "/runs"):
        html = reader.get(path).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34; onload=&#39;x&#39;" in html
    for path in ("/llm", "/compare"):
        html = reader.get(path, query_string={"name" if path == "/llm" else "llm": name}).text
        assert "<script>alert" not in html


def test_without_any_run_it_says_what_is_going_on(reader, redis, conn):
    assert "No run yet" in reader.get("/").text

    reader.post("/run-now", data={"csrf_token": csrf(reader)})
    assert "The first run waits for a worker" in reader.get("/").text

    redis.flushall()
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO runs"
            " (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at)"
            " VALUES ('simulation', 1, 1, now(), 'running', 1, gen_random_uuid(), 'job', now())"
        )
    assert "The first run is going on" in reader.get("/").text

    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET status = 'failed', finished_at = now(), error = 'OSError: disk full'")
    failed = reader.get("/").text
    assert "The newest run has failed" in failed
    assert "OSError: disk full" in failed


def test_an_llm_whose_newest_run_failed_or_was_invalid_is_marked_with_the_reason(three, conn, redis, reader):
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO runs (source, scenario_id, llm_id, slot, status, attempts, token, job_id,"
            " started_at, error, invalid_reason)"
            " SELECT 'simulation', 1, id, now(), CASE id WHEN 1 THEN 'failed' ELSE 'invalid' END, 1,"
            " gen_random_uuid(), 'job', now(), CASE id WHEN 1 THEN 'OSError: <full>' END,"
            " CASE id WHEN 2 THEN 'the client could not keep up' END FROM llms WHERE id IN (1, 2)"
        )
        cursor.execute(
            "INSERT INTO llms (name, company_name, provider) VALUES ('Never', 'c', 'p') RETURNING id"
        )
        cursor.execute(
            "INSERT INTO runs (source, scenario_id, llm_id, slot, status, attempts, token, job_id,"
            " started_at, invalid_reason)"
            " SELECT 'simulation', 1, id, now(), 'invalid', 1, gen_random_uuid(), 'job', now(), 'no answers'"
            " FROM llms WHERE name = 'Never'"
        )
    publish(conn, redis)

    html = reader.get("/?window=24h").text
    assert "newest run failed: OSError: &lt;full&gt;" in html
    assert "newest run invalid: the client could not keep up" in html
    assert rows(html) == ["GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"]
    unranked = html.partition('class="unranked"')[2]
    assert "Never" in unranked
    assert "newest run invalid: no answers" in unranked


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_that_a_source_does_not_have_is_said_to_be_measured_only(three, reader, metric):
    for path in ("/", "/live/"):
        answers = [reader.get(f"{path}?metric={metric.name}&source={source}") for source in SOURCES]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert ("is not simulated" in answers[0].text) == (metric.simulated_range is None)


def test_the_mark_of_a_failure_does_not_wait_for_values_and_outlasts_the_next_attempt(
    three, conn, redis, reader
):
    assert "newest run failed" not in reader.get("/?window=24h").text
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO runs"
            " (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at, error)"
            " SELECT 'simulation', 1, 1, now() + number * interval '1 minute',"
            " CASE number WHEN 1 THEN 'failed' ELSE 'running' END, 1, gen_random_uuid(), 'job', now(), 'gone'"
            " FROM generate_series(1, 2) AS number"
        )
    publish(conn, redis)

    assert "newest run failed: gone" in reader.get("/?window=24h").text


def test_a_window_without_values_leads_to_one_with_some(conn, reader):
    finish_run(conn, NOW - timedelta(days=3), {"GPT-4o": {"ttft": [0.2]}})
    show(conn, NOW)

    html = reader.get("/?window=1h").text
    assert "Nothing in this window" in html
    assert 'href="/?metric=ttft&amp;window=all"' in html


def csrf(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("metric=speed", 422, "metric: must be one of ttft"),
        ("window=2h", 422, "window: must be one of latest"),
        ("colour=red", 422, "colour: Unknown field"),
        ("window=1h&window=24h", 422, "given 2 times"),
        ("scenario=none", 422, "there is no such scenario"),
    ],
)
def test_a_bad_address_is_answered_with_a_page_that_names_the_fault(reader, query, code, message):
    response = reader.get(f"/?{query}")

    assert response.status_code == code
    assert response.content_type.startswith("text/html")
    assert message in response.text


def test_it_goes_on_from_the_cache_without_the_database_and_says_503_where_it_cannot(
    make_app, make_reader, own_redis, three
):
    cached = make_reader(make_app(redis_host=str(own_redis.socket))).get("/?window=24h").text
    away = make_reader(make_app(redis_host=str(own_redis.socket), postgres_host="/nowhere"))

    assert rows(away.get("/?window=24h").text) == rows(cached)
    response = away.get("/?window=7d")
    assert response.status_code == 503
    assert "the database cannot be reached" in response.text
