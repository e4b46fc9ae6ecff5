import re
from datetime import UTC, datetime, timedelta

import pytest

from llm_measure.metrics import METRICS
from tests.factories import add_llm, add_run
from tests.incidents import store_incident
from tests.webapp.api.shown_runs import finish_run, show
from webapp.ingest.publish import publish
from webapp.page.leaderboard import FIRST_ROWS
from webapp.queries import SOURCES

NOW = datetime.now(UTC).replace(microsecond=0)


def rows(html):
    return re.findall(r'<tr data-llm="([^"]+)"', html)


def ranks(html):
    return re.findall(r'data-label="Rank">([^<]+)<', html)


def two_runs(conn, values):
    """Two runs of each LLM, an hour apart, around its value of each metric."""
    for hour, factor in enumerate((0.99, 1.01)):
        shifted = {
            name: {metric: [factor * value] * 2 for metric, value in of_llm.items()}
            for name, of_llm in values.items()
        }
        finish_run(conn, NOW - timedelta(hours=hour), shifted)
    show(conn, NOW)


@pytest.fixture
def three(conn):
    """GPT-4o is fast; the two others are slow, and their intervals overlap."""
    two_runs(conn, {
        "GPT-4o": {"ttft": 0.1, "tps": 90},
        "Llama 3.1 70B": {"ttft": 1.0, "tps": 30},
        "Claude 3.5 Sonnet": {"ttft": 1.001, "tps": 30.01},
    })  # fmt: skip


def test_the_best_llm_comes_first_in_each_metrics_direction(three, reader):
    assert rows(reader.get("/?metric=ttft&window=24h").text)[0] == "GPT-4o"
    assert rows(reader.get("/?metric=tps&window=24h").text)[0] == "GPT-4o"
    assert rows(reader.get("/?metric=ttft&window=24h&order=worst").text)[-1] == "GPT-4o"


def test_llms_with_overlapping_intervals_share_ranks(three, reader):
    assert ranks(reader.get("/?window=24h").text) == ["1", "2\N{EN DASH}3", "2\N{EN DASH}3"]


def test_a_row_has_values_units_and_marks(three, reader):
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


def test_a_row_has_the_intervals_of_its_quantiles_if_there_are_enough_values(conn, reader):
    finish_run(conn, NOW, {"GPT-4o": {"ttft": [1.0] * 50 + [2.0] * 50}})
    show(conn, NOW)

    html = reader.get("/").text
    cells = {
        name: re.search(rf'data-label="{name}">(.+?)</td>', html, re.DOTALL)[1]
        for name in ("p50", "p95", "p99")
    }
    assert "1.00 to 2.00" in cells["p50"]
    assert "1.97 to 2.00" in cells["p95"]  # within a bucket of the histogram
    assert "no interval" in cells["p99"]
    assert "1.97 to 2.00" in reader.get("/llm?name=GPT-4o").text


def test_a_row_has_the_percentage_of_failed_requests(conn, reader):
    values = {
        "GPT-4o": {"ttft": [1.0], "error_rate": [0.125]},
        "Llama 3.1 70B": {"ttft": [1.0], "error_rate": [0.0]},
    }
    finish_run(conn, NOW, values, source="measurement")
    show(conn, NOW)

    html = reader.get("/").text
    assert html.count(" % failed") == 1
    assert "12 % failed" in html.partition('data-llm="GPT-4o"')[2].partition("</tr>")[0]


# That of a search is on no level's leaderboard.
@pytest.mark.parametrize(
    "metric", [metric for metric in METRICS if metric.name != "capacity"], ids=lambda metric: metric.name
)
def test_the_heading_has_the_metrics_title_formula_unit_and_direction(reader, metric):
    html = reader.get(f"/?metric={metric.name}&source=measurement").text

    assert f"<h1>{metric.title}</h1>" in html
    heading = html.partition('<p class="lede">')[2].partition("</p>")[0]
    assert f"{metric.formula}, in {metric.unit.words}."[1:] in heading
    assert f"{metric.better.capitalize()} is better." in heading


def test_only_the_first_rows_are_sent_unless_all_are_requested(conn, reader):
    names = [f"LLM {number:02}" for number in range(40)]
    with conn:
        for name in names:
            add_llm(conn, name)
    finish_run(conn, NOW, {name: {"ttft": [number + 1.0]} for number, name in enumerate(names)})
    show(conn, NOW)

    first, everything = reader.get("/").text, reader.get("/?rows=all").text
    assert rows(first) == names[:FIRST_ROWS]
    assert "Show all 40 LLMs" in first
    assert rows(everything) == names
    assert first.partition('class="axis"')[2][:300] == everything.partition('class="axis"')[2][:300]


def test_a_poll_with_the_etag_returns_304_until_there_are_new_results(three, conn, settings, redis, reader):
    etag = re.search(r'data-etag="&#34;(g\d+)&#34;"', reader.get("/").text)[1]
    polling = {"If-None-Match": f'"{etag}"'}
    assert reader.get("/live/", headers=polling).status_code == 304

    finish_run(conn, NOW + timedelta(minutes=1), {"GPT-4o": {"ttft": [0.2]}})
    publish(conn, settings, redis)

    response = reader.get("/live/", headers=polling)
    assert response.status_code == 200
    assert '<span class="value">0.200</span>' in response.text
    assert "<html" not in response.text


def test_a_trend_has_each_run_of_the_last_day(conn, reader):
    for minutes in (20, 10, 0):
        finish_run(conn, NOW - timedelta(minutes=minutes), {"GPT-4o": {"ttft": [minutes + 1.0]}})
    show(conn, NOW)

    for window in ("latest", "24h"):
        (points,) = re.findall(r'<polyline points="([^"]+)"', reader.get(f"/?window={window}").text)
        assert len(points.split()) == 3


def test_of_many_runs_a_trend_has_each_hour(conn, reader, monkeypatch):
    monkeypatch.setattr("webapp.page.leaderboard.MOST_RUNS_OF_A_TREND", 2)
    for hours in (2, 1):
        for minutes in (1, 2):
            slot = NOW.replace(minute=minutes, second=0) - timedelta(hours=hours)
            finish_run(conn, slot, {"GPT-4o": {"ttft": [1.0]}})
    show(conn, NOW)

    html = reader.get("/?window=24h").text
    assert len(re.findall(r'<polyline points="([^"]+)"', html)[0].split()) == 2
    assert "Mean per hour over the last 24 hours" in html


def test_markup_in_names_is_escaped(conn, reader):
    name = "<script>alert(1)</script>\" onload='x'"
    with conn:
        add_llm(conn, name, name, name)
    two_runs(conn, {name: {"ttft": 0.5}, "GPT-4o": {"ttft": 0.6}})

    for path in ("/?window=24h", "/runs"):
        html = reader.get(path).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34; onload=&#39;x&#39;" in html
    for path in ("/llm", "/compare"):
        html = reader.get(path, query_string={"name" if path == "/llm" else "llm": name}).text
        assert "<script>alert" not in html


class TestWithoutData:
    def test_shows_when_the_first_run_is_due(self, reader):
        html = reader.get("/").text

        assert "No data yet" in html
        assert re.search(r"First run: <time[^>]+>\d{4}-\d\d-\d\d \d\d:\d\d UTC", html)

    def test_shows_that_the_first_run_is_queued(self, reader):
        reader.post("/run-now", data={"csrf_token": csrf(reader)})

        assert "First run queued" in reader.get("/").text

    def test_shows_that_the_first_run_is_in_progress(self, conn, reader):
        with conn:
            add_run(conn, NOW, status="running")

        assert "First run in progress" in reader.get("/").text

    @pytest.mark.parametrize(
        ("status", "reason"), [("failed", "error"), ("invalid", "invalid_reason")], ids=lambda value: value
    )
    def test_shows_the_status_and_reason_of_a_run_without_values(self, conn, reader, status, reason):
        with conn:
            add_run(conn, NOW, status=status, **{reason: "OSError: disk full"})

        html = reader.get("/").text
        assert f"Latest run {status}" in html
        assert "OSError: disk full" in html

    def test_in_the_window_leads_to_one_with_data(self, conn, reader):
        finish_run(conn, NOW - timedelta(days=3), {"GPT-4o": {"ttft": [0.2]}})
        show(conn, NOW)

        html = reader.get("/?window=1h").text
        assert "No data in this window" in html
        assert re.search(r'href="/\?[^"]*window=all', html)

    def test_of_any_measurement_explains_how_to_configure_one(self, reader):
        html = reader.get("/?source=measurement").text

        assert "No measurements yet" in html
        assert "BENCHMARK_FILE" in html


def test_an_llm_whose_latest_run_failed_or_was_invalid_is_marked_with_the_reason(
    three, conn, settings, redis, reader
):
    later = NOW + timedelta(minutes=1)
    with conn:
        add_run(conn, later, "GPT-4o", status="failed", error="OSError: <full>")
        add_run(conn, later, "Llama 3.1 70B", status="invalid", invalid_reason="the client could not keep up")
        add_llm(conn, "Never")
        add_run(conn, later, "Never", status="invalid", invalid_reason="no response")
    publish(conn, settings, redis)

    html = reader.get("/?window=24h").text
    assert "Latest run failed: OSError: &lt;full&gt;" in html
    assert "Latest run invalid: the client could not keep up" in html
    assert rows(html) == ["GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"]
    unranked = html.partition('class="unranked"')[2]
    assert "Never" in unranked
    assert "Latest run invalid: no response" in unranked


def test_the_mark_of_a_failure_needs_no_new_values_and_outlasts_the_next_attempt(
    three, conn, settings, redis, reader
):
    assert "Latest run failed" not in reader.get("/?window=24h").text
    with conn:
        add_run(conn, NOW + timedelta(minutes=1), status="failed", error="disk full")
        add_run(conn, NOW + timedelta(minutes=2), status="running")
    publish(conn, settings, redis)

    assert "Latest run failed: disk full" in reader.get("/?window=24h").text


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_that_is_not_simulated_is_shown_as_measured_only(reader, metric):
    for path in ("/", "/live/"):
        simulated, measured = (
            reader.get(f"{path}?metric={metric.name}&source={source}") for source in SOURCES
        )
        assert (simulated.status_code, measured.status_code) == (200, 200)
        assert ("is not simulated" in simulated.text) == (metric.simulated_range is None)
        assert "is not simulated" not in measured.text


def csrf(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("metric=speed", "metric: must be one of ttft"),
        ("window=2h", "window: must be one of latest"),
        ("color=red", "color: Unknown field"),
        ("window=1h&window=24h", "given 2 times"),
        ("scenario=none", "scenario=&#39;none&#39;: unknown scenario"),
    ],
)
def test_an_invalid_address_returns_a_page_that_names_the_fault(reader, query, message):
    response = reader.get(f"/?{query}")

    assert response.status_code == 422
    assert response.content_type.startswith("text/html")
    assert message in response.text


def test_without_the_database_it_is_served_from_the_cache_and_503_otherwise(
    make_app, make_reader, own_redis, three
):
    cached = make_reader(make_app(redis_host=str(own_redis.socket))).get("/?window=24h").text
    without_database = make_reader(make_app(redis_host=str(own_redis.socket), postgres_host="/nowhere"))

    assert rows(without_database.get("/?window=24h").text) == rows(cached)
    response = without_database.get("/?window=7d")
    assert response.status_code == 503
    assert "Database unreachable" in response.text


def test_an_llm_with_an_open_incident_has_a_link_to_it(conn, reader):
    finish_run(conn, NOW, {"GPT-4o": {"ttft": [1.0]}, "Llama 3.1 70B": {"ttft": [2.0]}})
    incident = store_incident(conn, severity="major", opened=NOW)
    store_incident(conn, "Llama 3.1 70B", resolution="recovered", opened=NOW)
    store_incident(conn, "Llama 3.1 70B", source="measurement", opened=NOW)
    show(conn, NOW)

    assert re.findall(r'<a class="badge severity (\w+)" href="([^"]+)">([^<]+)<', reader.get("/").text) == [
        ("major", f"/incidents/{incident}", "Major incident")
    ]
