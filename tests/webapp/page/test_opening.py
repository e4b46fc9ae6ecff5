"""What a view shows if its address names neither source nor scenario."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.factories import add_llm, add_run, add_scenario
from tests.measured import measurement
from tests.webapp.api.shown_runs import finish_run, show

NOW = datetime.now(UTC).replace(microsecond=0)
SIMULATED, ONE, OTHER = "GPT-4o", "Measured 1", "Measured 2"
VIEWS = ["/", "/live/", f"/llm?name={ONE}", f"/compare?llm={ONE}&llm={OTHER}"]


@pytest.fixture
def measured(conn):
    """Values of the simulation, and of two LLMs in one scenario, one of which has another one, too."""
    with conn:
        for name in (ONE, OTHER):
            add_llm(conn, name)
        for name in ("chat@c8", "rag@c1"):
            add_scenario(conn, name)
    finish_run(conn, NOW, {SIMULATED: {"ttft": [1.0]}, ONE: {"ttft": [1.0]}})
    finish_run(conn, NOW, {ONE: {"ttft": [0.3]}}, "measurement", "rag@c1")
    finish_run(conn, NOW, {name: {"ttft": [0.2]} for name in (ONE, OTHER)}, "measurement", "chat@c8")
    show(conn, NOW)


def series(html):
    """The source and the scenario that are selected."""
    return re.search(r'data-source="([^"]*)" data-scenario="([^"]*)"', html).groups()


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_opens_on_the_scenario_that_most_of_its_llms_are_measured_in(measured, reader, path):
    html = reader.get(path).text

    assert series(html) == ("measurement", "chat@c8")
    assert "Simulated data" not in html
    assert '<option value="chat@c8" selected>' in html


def test_it_prefers_a_scenario_that_is_still_measured(measured, app, reader):
    rag = measurement(ONE, workload_name="rag")
    declared = [replace(rag, load=replace(rag.load, concurrency=1))]
    app.extensions["plan"] = SimpleNamespace(measurements=lambda: declared)

    assert series(reader.get("/").text) == ("measurement", "rag@c1")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("source=measurement", ("measurement", "chat@c8")),
        ("scenario=rag@c1", ("measurement", "rag@c1")),
        ("source=simulation", ("simulation", "default")),
        ("scenario=default", ("simulation", "default")),
        ("source=measurement&scenario=default", ("measurement", "default")),
    ],
)
def test_an_address_that_names_one_of_both_leaves_the_other_to_the_page(measured, reader, query, shown):
    assert series(reader.get(f"/?{query}").text) == shown


def test_an_llm_that_is_only_simulated_opens_on_the_simulation(measured, reader):
    html = reader.get(f"/llm?name={SIMULATED}").text

    assert series(html) == ("simulation", "default")
    assert "Simulated data" in html


@pytest.mark.parametrize(
    "path", ["/", f"/llm?name={SIMULATED}", f"/compare?llm={SIMULATED}&llm=Llama+3.1+70B"]
)
def test_where_nothing_is_measured_a_view_opens_on_the_simulation_marked_as_such(conn, reader, path):
    finish_run(conn, NOW, {SIMULATED: {"ttft": [1.0]}})
    show(conn, NOW)

    html = reader.get(path).text

    assert series(html) == ("simulation", "default")
    assert "Simulated data" in html
    assert "Measurements without values yet" not in html


def test_measurements_that_all_failed_are_one_click_from_the_simulation(conn, reader):
    with conn:
        add_scenario(conn, "chat@c8")
        add_run(conn, NOW, SIMULATED, "measurement", "chat@c8", status="failed", error="connect: refused")
    finish_run(conn, NOW, {SIMULATED: {"ttft": [1.0]}})
    show(conn, NOW)

    (link,) = re.findall(r'<a href="([^"]+)">Measurements without values yet', reader.get("/").text)

    assert "connect: refused" in reader.get(link.replace("&amp;", "&")).text


def test_the_first_measured_values_replace_the_simulation(conn, reader):
    finish_run(conn, NOW, {SIMULATED: {"ttft": [1.0]}})
    show(conn, NOW)
    assert series(reader.get("/").text) == ("simulation", "default")

    with conn:
        add_scenario(conn, "chat@c8")
    finish_run(conn, NOW + timedelta(seconds=1), {SIMULATED: {"ttft": [0.2]}}, "measurement", "chat@c8")
    show(conn, NOW)

    assert series(reader.get("/").text) == ("measurement", "chat@c8")


def test_links_name_source_and_scenario(measured, reader):
    html = reader.get("/").text

    (tab,) = re.findall(r'href="/\?([^"]+)">Tokens per second', html)
    assert {"source=measurement", "scenario=chat@c8"} < set(tab.split("&amp;"))
    assert f'href="/llm?name={ONE.replace(" ", "+")}&amp;source=measurement&amp;scenario=chat@c8"' in html


ENCODED = "source=measurement&scenario=texts@c8-embeddings"


@pytest.fixture
def encoded(conn):
    """Two LLMs measured by a workload with inputs, which has no time to the first token, and by another."""
    with conn:
        for name in (ONE, OTHER):
            add_llm(conn, name)
        add_scenario(conn, "texts@c8-embeddings", {"inputs": 8})
        add_scenario(conn, "chat@c8", {"output_tokens": 64})
    values = {name: {"e2e_latency": [0.2], "inputs_throughput": [320.0]} for name in (ONE, OTHER)}
    finish_run(conn, NOW, values, "measurement", "texts@c8-embeddings")
    finish_run(conn, NOW, {ONE: {"ttft": [0.2]}}, "measurement", "chat@c8")
    show(conn, NOW)


def tabs(html):
    return re.findall(r"metric=(\w+)", html[html.index('<nav class="tabs"') :].partition("</nav>")[0])


def headings(html):
    """The page's title and heading."""
    return re.search(r"<title>(.*) · ", html)[1], re.search("<h1>(.*)</h1>", html)[1]


@pytest.mark.parametrize("metric", ["", "&metric=ttft", "&metric=itl"])
def test_a_scenario_with_inputs_opens_on_a_metric_that_it_has(encoded, reader, metric):
    html = reader.get(f"/?{ENCODED}{metric}").text

    assert headings(html) == ("End-to-end latency",) * 2
    assert html.count("<tr data-llm=") == 2
    assert tabs(html) == [
        *("e2e_latency", "rps", "inputs_throughput", "prompt_throughput"),
        *("error_rate", "slo_attainment", "goodput"),
    ]


def test_another_metric_of_it_is_chosen_as_any(encoded, reader):
    assert headings(reader.get(f"/?{ENCODED}&metric=inputs_throughput").text) == ("Inputs per second",) * 2


def test_a_scenario_of_answers_has_no_metric_of_inputs(encoded, reader):
    html = reader.get("/?source=measurement&scenario=chat@c8&metric=inputs_throughput").text

    assert headings(html) == ("Time to first token",) * 2
    assert "inputs_throughput" not in tabs(html)


@pytest.mark.parametrize("path", [f"/llm?name={ONE}&", f"/compare?llm={ONE}&llm={OTHER}&"])
def test_other_views_of_it_show_no_metric_of_answers(encoded, reader, path):
    html = reader.get(f"{path}{ENCODED}").text

    assert "<h2>Inputs per second</h2>" in html
    assert "Time to first token" not in html
