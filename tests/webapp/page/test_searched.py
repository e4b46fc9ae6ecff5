"""Searches for the capacity on the page of their run and on the leaderboard."""

import re
from dataclasses import replace

import pytest

from llm_measure.capacity import Attained, Search
from tests.searched import found, searched, step, store_search
from tests.support import query
from tests.web import slot
from webapp.ingest.publish import publish
from webapp.page.searched import HEIGHT, drawn

BY_CONCURRENCY = Search("concurrency", {"ttft:p95": 0.5})
CERTAIN = "the greatest load that certainly meets the objectives"
IN_TURNS = [step(12.0, "met", throughput=45.0), step(13.0, "missed", throughput=47.0)]
PATH = [step(1.0, "met"), step(16.0, "missed"), step(12.0, "met"), step(13.0, "missed")]


@pytest.fixture
def shown(conn, settings, redis, reader):
    """Stores a search and returns the text of its run's page."""

    def shown(result, what=None) -> str:
        store_search(conn, settings, redis, slot(1), result, what)
        publish(conn, settings, redis)
        ((run_id,),) = query(conn, "SELECT max(id) FROM runs")
        return reader.get(f"/run?id={run_id}").text

    return shown


def test_the_run_has_the_result_and_each_level_with_its_verdict(shown):
    html = shown(found(12.0, 13.0, path=PATH))

    assert (
        "<p>12 requests/s. The bracket is 12 to 13 requests/s, and each verdict has a confidence of 0.95.</p>"
        in html
    )
    assert re.findall(r'data-label="Verdict"><span class="verdict \w+">(\w+)<', html) == [
        *("Met", "Missed", "Met", "Missed"),
    ]
    assert re.findall(r'data-label="Load">([\d.]+)<', html) == ["1", "16", "12", "13"]
    assert '0.800 <span class="interval">0.700 to 0.900</span>' in html
    assert html.count('<svg class="search-path"') == 2


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (found(8.0, 16.0, decided=False), "Undecided: the capacity is 8 to 16 requests/s."),
        (found(12.0, 15.0, decided=False), "12 requests/s. The bracket is 12 to 15 requests/s"),
        (found(None, 0.1), "Even the least load misses the objectives."),
        (
            found(8, 9, search=BY_CONCURRENCY),
            f"8 concurrent requests; 8.00 requests/s at 8, {CERTAIN}",
        ),
        (
            found(27, 29, search=BY_CONCURRENCY, capacity=28.0),  # an estimate, at which nothing was measured
            f"28 concurrent requests; 27.0 requests/s at 27, {CERTAIN}."
            " The bracket is 27 to 29 concurrent requests",
        ),
        (
            found(12.0, 13.0, path=IN_TURNS, turns=True),
            f"12 conversations/s; 45.0 requests/s at 12, {CERTAIN}. The bracket is 12 to 13 conversations/s",
        ),
        (
            found(8, 16, search=BY_CONCURRENCY, decided=False, turns=True),
            "Undecided: the capacity is 8 to 16 concurrent conversations.",
        ),
    ],
)
def test_the_result_is_in_words(shown, result, words):
    assert words in shown(result)


def test_a_search_without_a_level_has_neither_picture_nor_table(shown):
    result = replace(found(8.0, 16.0, decided=False), low=None, high=None, capacity=None, path=[])

    html = shown(result)

    assert "Undecided: the capacity is unknown." in html
    assert '<svg class="search-path"' not in html


def test_the_leaderboard_has_the_load_of_a_search_by_concurrency(shown, reader):
    shown(found(8, 9, search=BY_CONCURRENCY), searched(search=BY_CONCURRENCY))

    html = reader.get("/?source=measurement&scenario=chat@max-concurrency").text

    assert "at 8 to 9 concurrent requests" in html
    assert re.findall(r"<h1>([^<]+)</h1>", html) == ["Capacity"]


def test_loads_far_apart_are_drawn_on_a_logarithmic_scale_and_others_on_a_linear_one():
    far = drawn(found(12.0, 13.0, path=PATH).to_dict())["pictures"][0]
    near = drawn(found(12.0, 13.0).to_dict())["pictures"][0]

    assert [text for _, text in far["x_ticks"]] == ["1", "2", "5", "10"]
    first, last, *_ = (point["x"] for point in far["points"])
    assert 0 < first < 0.05
    assert 0.95 < last < 1
    assert all(float(text) >= 11 for _, text in near["x_ticks"])
    left, width = near["bracket"]
    assert 0 < left < left + width < 1


def test_values_beyond_the_picture_and_unknown_ones_are_at_its_top():
    overload = {
        "ttft:p95": Attained(None, 2.0, None, "missed"),
        "error_rate": Attained(0.5, 0.4, 0.6, "missed"),
    }
    path = [step(8.0, "met"), replace(step(16.0, "missed"), attained=overload)]

    ttft, errors = drawn(found(8.0, 16.0, path=path).to_dict())["pictures"]

    assert [(point["y"], point["high"]) for point in (ttft["points"][1], errors["points"][1])] == [(0, 0)] * 2
    assert HEIGHT / 3 < ttft["at_bound"] < HEIGHT
