import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.webapp.api.shown_runs import finish_run, show

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def charts(html):
    """The data of each chart on the page."""
    return [json.loads(data) for data in re.findall(r'application/json" class="data">(.+?)</script>', html)]


@pytest.fixture
def hours(conn):
    """Values of GPT-4o two hours ago and now, with an hour between them that has none."""
    for back, values in ((2, [1.0, 1.0, 3.0]), (0, [2.0, 2.0, 2.0])):
        finish_run(conn, HOUR - timedelta(hours=back), {
            "GPT-4o": {"ttft": values}, "Llama 3.1 70B": {"ttft": [4.0]}
        })  # fmt: skip
    show(conn, HOUR + timedelta(minutes=1))


def test_a_metric_is_drawn_over_time_with_a_gap_where_nothing_was_measured(hours, reader):
    over_time, bars = charts(reader.get("/llm?name=GPT-4o").text)

    start = int((HOUR - timedelta(hours=2)).timestamp())
    assert over_time["x"] == [start, start + 3600, start + 7200]
    p50, p95 = (line["values"] for line in over_time["lines"])
    assert p50 == [pytest.approx(1, rel=0.011), None, pytest.approx(2, rel=0.011)]
    assert p95[0] == pytest.approx(3, rel=0.011)
    assert sum(bars["lines"][0]["values"]) == pytest.approx(100, abs=0.1)


def test_its_figures_and_its_rank_among_the_others_stand_beside(hours, reader):
    html = reader.get("/llm?name=GPT-4o").text

    assert '<span class="value">1.83</span> <span class="unit">s</span>' in html
    assert "6 in 2 runs" in html
    assert re.search(r">1(\u20132)? of 2<", html)


def test_its_runs_and_errors_show_as_soon_as_they_are_there(hours, conn, reader):
    etag = re.search(r'data-etag="&#34;(\w+)&#34;"', reader.get("/llm?name=GPT-4o").text)[1]
    asking = {"If-None-Match": f'"{etag}"'}
    assert reader.get("/live/llm?name=GPT-4o", headers=asking).status_code == 304

    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET status = 'failed', error = 'OSError: disk full' WHERE llm_id = 1")

    news = reader.get("/live/llm?name=GPT-4o", headers=asking)
    assert news.status_code == 200
    assert "OSError: disk full" in news.text


def test_an_llm_without_values_says_so(reader):
    html = reader.get("/llm?name=GPT-4o").text

    assert "No values in this window" in html
    assert charts(html) == []


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/llm", 404, "name an LLM"),
        ("/llm?name=none", 404, "there is no such LLM"),
        ("/llm?name=GPT-4o&window=latest", 422, "window: must be one of 24h"),
        ("/compare?llm=GPT-4o&llm=none", 422, "there is no such LLM"),
        ("/compare?" + "&".join(f"llm={number}" for number in range(6)), 422, "at most 5 can be compared"),
        ("/compare?llm=", 422, "must be names of 1 to 200 characters"),
    ],
)
def test_what_cannot_be_shown_is_said(reader, path, code, message):
    response = reader.get(path)

    assert response.status_code == code
    assert message in response.text


def test_a_comparison_has_a_line_for_each_llm_and_one_chart_for_each_metric(hours, reader):
    html = reader.get("/compare?llm=Llama+3.1+70B&llm=GPT-4o").text

    (chart,) = charts(html)
    assert [line["label"] for line in chart["lines"]] == ["Llama 3.1 70B", "GPT-4o"]
    assert [len(line["values"]) for line in chart["lines"]] == [3, 3]
    assert html.count("no values in this window") == 2 * 3


def test_one_llm_alone_is_no_comparison(hours, reader):
    html = reader.get("/compare?llm=GPT-4o").text

    assert "Choose at least two LLMs" in html
    assert '<option value="Llama 3.1 70B">' in html
    assert '<option value="GPT-4o">' not in html
