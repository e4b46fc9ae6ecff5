import json
import re
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from tests.factories import add_run
from tests.incidents import store_availability, store_incident
from tests.support import query
from tests.webapp.api.shown_runs import finish_run, show
from webapp.cache_backend import ORDER
from webapp.page import views

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = NOW.replace(minute=0, second=0)


def charts(html):
    """The data of each chart of the page."""
    return [json.loads(data) for data in re.findall(r'application/json" class="data">(.+?)</script>', html)]


@pytest.fixture
def hours(conn):
    """Values of GPT-4o two hours ago and now, and none in the hour between."""
    for back, values in ((2, [1.0, 1.0, 3.0]), (0, [2.0, 2.0, 2.0])):
        finish_run(conn, HOUR - timedelta(hours=back), {
            "GPT-4o": {"ttft": values}, "Llama 3.1 70B": {"ttft": [4.0]}
        })  # fmt: skip
    show(conn, HOUR + timedelta(minutes=1))


def test_a_chart_over_time_has_a_gap_where_nothing_was_measured(hours, reader):
    over_time, bars = charts(reader.get("/llm?name=GPT-4o&window=7d").text)

    start = int((HOUR - timedelta(hours=2)).timestamp())
    assert [line["x"] for line in over_time["lines"]] == [[start, start + 3600, start + 7200]] * 2
    p50, p95 = (line["values"] for line in over_time["lines"])
    assert p50 == [pytest.approx(1, rel=0.011), None, pytest.approx(2, rel=0.011)]
    assert p95[0] == pytest.approx(3, rel=0.011)
    assert sum(bars["lines"][0]["values"]) == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("window", ["1h", "24h"])
@pytest.mark.parametrize("path", ["/llm?name=GPT-4o", "/compare?llm=GPT-4o&llm=Llama+3.1+70B"])
def test_up_to_a_day_a_chart_has_each_run_and_a_gap_where_one_is_missing(conn, reader, path, window):
    now = datetime.now(UTC).replace(microsecond=0)  # the window's end
    slots = [now - timedelta(minutes=minutes) for minutes in (50, 40, 10, 0)]
    for number, slot in enumerate(slots):
        finish_run(conn, slot, {"GPT-4o": {"ttft": [number + 1.0]}})
    show(conn, now)

    line = charts(reader.get(f"{path}&window={window}").text)[0]["lines"][0]

    gap = slots[1] + timedelta(minutes=10)
    assert line["x"] == [int(slot.timestamp()) for slot in (*slots[:2], gap, *slots[2:])]
    assert line["values"] == [
        pytest.approx(value, rel=0.011) if value else None for value in (1, 2, None, 3, 4)
    ]


def test_of_more_runs_than_a_chart_can_show_it_shows_hours(conn, reader, monkeypatch):
    monkeypatch.setattr("webapp.page.charts.MOST_RUNS", 2)
    for minutes in range(3):
        finish_run(conn, HOUR + timedelta(minutes=minutes), {"GPT-4o": {"ttft": [1.0]}})
    show(conn, NOW)

    chart = charts(reader.get("/llm?name=GPT-4o&window=24h").text)[0]

    assert chart["step"] == "hour"
    assert chart["lines"][0]["x"] == [int(HOUR.timestamp())]


def test_each_metric_has_its_mean_count_and_rank(hours, reader):
    html = reader.get("/llm?name=GPT-4o").text

    assert '<span class="value">1.83</span> <span class="unit">s</span>' in html
    assert "6 in 2 runs" in html
    assert re.search(r">1(\u20132)? of 2<", html)


def test_new_runs_and_errors_appear_at_the_next_poll(hours, conn, reader):
    etag = re.search(r'data-etag="&#34;(\w+)&#34;"', reader.get("/llm?name=GPT-4o").text)[1]
    polling = {"If-None-Match": f'"{etag}"'}
    assert reader.get("/live/llm?name=GPT-4o", headers=polling).status_code == 304

    with conn:
        add_run(conn, HOUR + timedelta(minutes=2), status="failed", error="OSError: disk full")

    response = reader.get("/live/llm?name=GPT-4o", headers=polling)
    assert response.status_code == 200
    assert "OSError: disk full" in response.text


def test_an_llm_without_values_has_a_message_and_no_charts(reader):
    html = reader.get("/llm?name=GPT-4o").text

    assert "No data in this window" in html
    assert charts(html) == []


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/llm", 404, "name: missing; expected an LLM"),
        ("/llm?name=none", 404, "unknown LLM"),
        ("/llm?name=GPT-4o&window=latest", 422, "window: must be one of 1h, 24h"),
        ("/compare?llm=GPT-4o&llm=none", 422, "unknown LLM"),
        ("/compare?" + "&".join(f"llm={number}" for number in range(6)), 422, "6 names; expected at most 5"),
        ("/compare?llm=", 422, "invalid name; expected 1 to 200 characters"),
    ],
)
def test_an_invalid_address_names_the_fault(reader, path, code, message):
    response = reader.get(path)

    assert response.status_code == code
    assert message in response.text


def test_a_comparison_has_a_chart_per_metric_and_a_line_per_llm(hours, reader):
    html = reader.get("/compare?llm=Llama+3.1+70B&llm=GPT-4o").text

    (chart,) = charts(html)
    assert [line["label"] for line in chart["lines"]] == ["GPT-4o", "Llama 3.1 70B"]
    assert [len(line["values"]) for line in chart["lines"]] == [2, 2]
    assert html.count('<td class="muted" colspan="4">No data in this window') == 2 * 3


def test_a_single_llm_is_not_compared_but_others_can_be_added(hours, reader):
    html = reader.get("/compare?llm=GPT-4o").text

    assert "Select at least two LLMs" in html
    assert '<option value="Llama 3.1 70B">' in html
    assert '<option value="GPT-4o">' not in html


def test_a_comparison_is_cached_once_for_any_order_of_names(hours, reader, redis):
    def kept() -> int:
        return sum(b"/compare" in name for name in redis.zrange(ORDER, 0, -1))

    names = ("GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet")
    pages = {
        reader.get("/compare", query_string=[("llm", name) for name in order]).text.partition("<main")[2]
        for order in permutations(names)
    }

    assert (len(pages), kept()) == (1, 1)


def marks(html, metric):
    """The kind and text of each mark in the metric's chart over time."""
    chart = html.partition(f"<h2>{metric}</h2>")[2].partition("</figure>")[0]
    return re.findall(r'class="mark (\w+)"(?: href="[^"]+")? title="[^"]+ UTC: ([^"]+)"', chart)


@pytest.fixture
def three_metrics(conn):
    for minutes in (50, 40, 30, 20, 10):
        slot = NOW - timedelta(minutes=minutes)
        finish_run(conn, slot, {"GPT-4o": {"ttft": [1.0], "tps": [50.0], "rps": [5.0]}})


def test_charts_have_marks_where_an_incident_of_their_metric_began_and_ended(three_metrics, conn, reader):
    incident = store_incident(conn, metric="ttft", resolution="recovered", opened=NOW - timedelta(hours=2))
    store_incident(conn, kind="down", metric=None, severity="critical", opened=NOW - timedelta(minutes=5))
    store_incident(conn, "Llama 3.1 70B", metric="ttft", opened=NOW - timedelta(minutes=5))
    show(conn, NOW)

    html = reader.get("/llm?name=GPT-4o&window=24h").text

    slower = "ime to first token 30 % slower"
    assert marks(html, "Time to first token") == [
        ("minor", f"T{slower}"), ("resolved", f"Resolved: t{slower}"), ("critical", "Down"),
    ]  # fmt: skip
    assert marks(html, "Tokens per second") == [("critical", "Down")]
    assert f'href="/incidents/{incident}" title="{NOW - timedelta(hours=2):%Y-%m-%d %H:%M} UTC' in html
    assert f'<li data-at="{(NOW - timedelta(minutes=5)).timestamp()}">' in html


def test_charts_have_no_marks_of_what_lies_before_their_window(three_metrics, conn, reader):
    store_incident(conn, metric="ttft", opened=NOW - timedelta(hours=2))
    show(conn, NOW)

    assert marks(reader.get("/llm?name=GPT-4o&window=1h").text, "Time to first token") == []


def test_charts_have_marks_of_changes_for_the_better(three_metrics, conn, reader):
    for metric, worse in (("tps", False), ("rps", True)):
        query(
            conn,
            "INSERT INTO changes (source, scenario_id, llm_id, metric_id, statistic, slot, detected_slot,"
            " before, after, change, low, high, worse)"
            " SELECT 'simulation', scenarios.id, llms.id, metrics.id, 'mean',"
            " %s, %s, 40, 50, 0.25, 0.2, 0.3, %s FROM scenarios, llms, metrics"
            " WHERE scenarios.name = 'default' AND llms.name = 'GPT-4o' AND metrics.name = %s RETURNING id",
            *(NOW - timedelta(minutes=30), NOW - timedelta(minutes=10), worse, metric),
        )
    show(conn, NOW)

    html = reader.get("/llm?name=GPT-4o").text

    assert marks(html, "Tokens per second") == [("better", "Tokens per second +25 %, which is better")]
    assert marks(html, "Requests per second") == []


def test_an_llm_has_a_bar_for_each_day_with_its_availability(three_metrics, conn, reader):
    store_availability(conn, NOW, finished=9, failed=1)
    store_availability(conn, NOW, finished=1, llm="Llama 3.1 70B")
    show(conn, NOW)

    html = reader.get("/llm?name=GPT-4o").text

    assert re.findall(r'<rect class="(?:good|fair|poor)".+?<title>(.+?)</title>', html) == [
        f"{NOW.day} {NOW:%b}: 90 % of 10 runs"
    ]
    assert "by day over the last 90 days: 90 % of runs succeeded" in html
    assert "Days with failed runs (1)" in html


def test_the_bars_end_today_even_if_nothing_runs(three_metrics, conn, reader, monkeypatch):
    store_availability(conn, NOW, finished=9)
    assert f"{NOW.day} {NOW:%b}: 100 % of" in reader.get("/llm?name=GPT-4o").text
    query(conn, "UPDATE availability SET starts_at = starts_at - interval '2 days' RETURNING 1")
    assert f"{NOW.day} {NOW:%b}: 100 % of" in reader.get("/llm?name=GPT-4o").text

    monkeypatch.setattr(views, "PRESENT_SECONDS", 1e-3)

    assert f"{NOW.day} {NOW:%b}: no data" in reader.get("/llm?name=GPT-4o").text
