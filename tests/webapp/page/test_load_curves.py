import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from tests.load_curves import LEVELS, slowed, store_levels
from tests.webapp.api.shown_runs import finish_run, show
from webapp.curves.curve import Curve, Point
from webapp.page.curve_chart import COLORS, DASHES, LINES_PER_DASH, LinearScale, LogScale, chart, scale

NOW = datetime.now(UTC).replace(microsecond=0)
URL = "/load-curves"


@pytest.fixture
def chat(conn):
    store_levels(conn, NOW, {"Fast": 0.01, "Slow": 0.03})


def texts(html, pattern) -> list[str]:
    return [unescape(re.sub(r"<[^>]+>", "", each)).strip() for each in re.findall(pattern, html, re.DOTALL)]


def titles(html) -> list[str]:
    return texts(html, "<title>([^<]*)</title>")[1:]


def rows(html) -> list[str]:
    body = html[html.index('<table class="list levels">') :]
    return [" ".join(each.split()) for each in texts(body.partition("<tbody>")[2], "<tr>(.+?)</tr>")]


def selects(html) -> list[str]:
    return re.findall('<select name="([^"]+)"', html)


def test_each_point_says_llm_level_and_values(chat, reader):
    found = titles(reader.get(f"{URL}?y=itl&statistic=p50").text)

    assert len(found) == 2 * len(LEVELS)
    assert found[0] == "Fast, concurrency 1: 0.0100 s at 100 tokens/s"
    assert [each for each in found if each.endswith("the knee")] == [
        "Fast, concurrency 4: 0.0160 s at 250 tokens/s, the knee",
        "Slow, concurrency 4: 0.0480 s at 83.3 tokens/s, the knee",
    ]


def test_the_table_has_each_level_with_a_link_to_its_leaderboard(chat, reader):
    html = reader.get(URL).text

    assert len(rows(html)) == 2 * len(LEVELS)
    assert rows(html)[0] == "Fast 1 100 0.200 Met 100 1 run chat@c1"
    assert rows(html)[4] == "Fast 16 400 0.794 Missed 100 1 run chat@c16"
    assert "/?metric=ttft&amp;window=latest&amp;source=measurement&amp;scenario=chat@c16" in html
    for order, first in (("level", "Slow 1"), ("value", "Slow 1")):
        assert rows(reader.get(f"{URL}?order={order}").text)[1].startswith(first)


def test_per_user_and_in_total_is_a_mean_with_its_interval(chat, reader):
    html = reader.get(f"{URL}?y=tps").text

    assert "Mean of tokens per second of a user, in tokens per second" in html
    assert "output throughput of all users" in html
    assert "100 to 100" in rows(html)[0]
    assert "statistic" not in selects(html)
    assert "SLO" not in html


def test_a_selector_is_shown_only_where_there_is_a_choice(conn, reader, chat):
    usual = ["workload", "statistic", "window", "order"]
    assert selects(reader.get(URL).text) == usual
    for name in ("chat@r{}", "chat@c{}-completions", "chat@c{}@eu"):
        store_levels(conn, NOW, {"Fast": 0.01}, levels=(1, 2), name=name.format)

    html = reader.get(URL).text
    assert selects(html) == ["workload", "kind", "api", "region", "statistic", "window", "order"]
    assert '<option value="">None</option>' in html
    assert "request rate 2" in titles(reader.get(f"{URL}?kind=rate").text)[1]


def test_a_workload_of_inputs_has_latency_against_inputs_per_second(conn, reader):
    def encoded(level, itl):
        return {"e2e_latency": [itl * level] * 3, "inputs_throughput": [100.0], "rps": [10.0]}

    store_levels(conn, NOW, {"Encoder": 0.1}, values=encoded, inputs=8)

    html = reader.get(URL).text
    assert texts(html, '<a href="[^"]*y=[^"]*"[^>]*>([^<]+)</a>') == ["End-to-end latency"]
    assert "100 inputs/s" in titles(html)[0]


def test_without_levels_or_values_the_page_says_what_makes_some(conn, reader):
    assert "No data yet" in reader.get(URL).text
    long_ago = NOW - timedelta(days=40)
    store_levels(conn, long_ago, {"Fast": 0.01})
    show(conn, NOW)

    html = reader.get(f"{URL}?window=24h").text
    assert "No data in this window" in html
    assert "window=all" in html
    assert len(titles(reader.get(f"{URL}?window=all").text)) == len(LEVELS)


def test_new_results_appear_and_the_rest_is_a_304(conn, reader, chat):
    etag = reader.get(f"/live{URL}").headers["ETag"]
    assert reader.get(f"/live{URL}", headers={"If-None-Match": etag}).status_code == 304
    values = {"Fast": slowed(1, 0.04)}
    finish_run(conn, NOW + timedelta(seconds=1), values, source="measurement", scenario="chat@c1")
    show(conn, NOW + timedelta(seconds=2))

    assert "Fast 1 25.0" in rows(reader.get(f"/live{URL}", headers={"If-None-Match": etag}).text)[0]


@pytest.mark.parametrize("query", ["workload=nope", "kind=rate", "y=rps", "statistic=p42", "nope=1"])
def test_what_is_unknown_is_refused(chat, reader, query):
    response = reader.get(f"{URL}?{query}")

    assert response.status_code == 422
    assert query.partition("=")[0] in response.text


def curves(number: int, *values: float) -> list[Curve]:
    points = tuple(
        Point(1, "chat@c1", value, value, 1, 1, None, None, None, None, False, NOW) for value in values
    )
    return [Curve(f"LLM {each}", "concurrency", points) for each in range(number)]


def test_thirty_six_lines_look_different_and_few_are_labelled():
    lines = chart(curves(36, 1.0, 2.0), None).lines

    assert len({(line.color, line.dash) for line in lines}) == 36 == COLORS * DASHES
    assert {line.dash for line in lines[:LINES_PER_DASH]} == {0}
    assert [chart(curves(number, 1.0), None).labels_all for number in (4, 5)] == [True, False]


def test_a_scale_begins_at_zero_unless_it_would_hide_small_values():
    assert scale([1, 30]) == LinearScale(30 * 1.08)
    assert LinearScale(32.4).ticks() == [0, 10, 20, 30]
    assert LinearScale(0.86).ticks() == [0, 0.2, 0.4, 0.6, 0.8]
    log = scale([1, 100])
    assert isinstance(log, LogScale)
    assert log.at(10) == pytest.approx(0.5)
    assert log.ticks() == [1, 2, 5, 10, 20, 50, 100]
    assert scale([0, 100]) == LinearScale(108)
    assert scale([0]) == LinearScale(1)


def test_an_slo_far_above_all_values_does_not_compress_them():
    assert chart(curves(1, 1.0, 2.0), 3.0).slo == pytest.approx(1 - 1 / 1.08)
    assert chart(curves(1, 1.0, 2.0), 5.0).slo is None
