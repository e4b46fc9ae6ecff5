from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.factories import add_llm, add_run, add_scenario, archive_llm
from tests.incidents import store_incident
from tests.measured import measurement
from tests.web import assert_error, slot
from tests.webapp.api.shown_runs import finish_run, show

URL = "/api/v1/benchmarks/recommendation"
NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(minutes=10)
FAST, MIDDLE, SLOW = "GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"
APART = {FAST: [1.0, 1.01, 1.02], MIDDLE: [2.0, 2.01, 2.02], SLOW: [3.0, 3.01, 3.02]}


@pytest.fixture
def publish(conn, redis):
    """Finishes a run whose LLMs have the given values of a metric, and publishes it."""

    def publish(values, metric="ttft", slot=EARLIER, **kind):
        finish_run(conn, slot, {llm: {metric: numbers} for llm, numbers in values.items()}, **kind)
        show(conn, NOW)
        redis.flushall()

    return publish


@pytest.fixture
def measured(conn, publish):
    """LLMs that are measured by two workloads, by one of them at two levels."""
    with conn:
        for name in ("One", "Other"):
            add_llm(conn, name, provider=f"provider of {name}")
        for name in ("rag@c1", "chat@c1", "chat@c8"):
            add_scenario(conn, name)
    publish({FAST: [1.0]})
    publish({"One": [4.0]}, source="measurement", scenario="rag@c1")
    publish({"One": [1.0]}, source="measurement", scenario="chat@c1")
    publish({"One": [2.0], "Other": [3.0]}, source="measurement", scenario="chat@c8")


def recommended(client, **query) -> dict:
    response = client.get(URL, query_string={"objective": "ttft", **query})
    assert response.status_code == 200, response.json
    return response.json


def reasons(answer: dict) -> dict[str, str]:
    return {each["llm_name"]: each["reason"] for each in answer["excluded"]}


def test_the_best_llm_is_recommended_with_the_reason(client, publish):
    publish(APART)

    answer = recommended(client)

    assert (answer["llm_name"], answer["provider"], answer["model"]) == (FAST, "openai", None)
    assert (answer["source"], answer["scenario"], answer["window"]) == ("simulation", "default", "latest")
    assert (answer["objective"], answer["statistic"], answer["unit"]) == ("ttft", "mean", "s")
    assert answer["value"] == pytest.approx(1.01)
    assert answer["low"] < answer["value"] < answer["high"]
    assert datetime.fromisoformat(answer["last_measured"]) == EARLIER
    assert answer["reason"] == (
        "lowest mean time to first token of 3 LLMs in their latest runs; 50 % below Llama 3.1 70B;"
        " no open incident"
    )
    assert [each["llm_name"] for each in answer["alternatives"]] == [MIDDLE, SLOW]
    assert (answer["tied_with"], answer["excluded"]) == ([], [])


def test_where_more_is_better_the_highest_is_recommended(client, publish):
    publish(APART, "tps")

    answer = recommended(client, objective="tps", window="24h")

    assert answer["llm_name"] == SLOW
    assert answer["reason"].startswith(
        "highest mean tokens per second of 3 LLMs in the last 24 hours; 50 % above Llama 3.1 70B"
    )


def test_the_default_objective_is_the_whole_latency(client, publish):
    publish(APART, "e2e_latency")

    assert client.get(URL).json["objective"] == "e2e_latency"


def test_the_statistic_can_be_p95(client, publish):
    rarely_slow = {FAST: [1.0] * 90 + [9.0] * 10, MIDDLE: [2.0] * 100}
    publish(rarely_slow)

    assert recommended(client)["llm_name"] == FAST
    answer = recommended(client, statistic="p95")
    assert answer["llm_name"] == MIDDLE
    assert answer["value"] == pytest.approx(2.0, rel=0.01)
    assert answer["reason"].startswith("lowest p95 time to first token of 2 LLMs")


def test_llms_that_the_data_cannot_distinguish_are_named(client, publish):
    publish({FAST: [1.0, 2.0, 3.0], MIDDLE: [1.1, 2.1, 3.1], SLOW: [90.0, 90.1, 90.2]})

    answer = recommended(client)

    assert answer["tied_with"] == [MIDDLE]
    assert f"not distinguishable from {MIDDLE}" in answer["reason"]


def test_an_llm_that_is_down_is_not_recommended(client, publish, conn):
    publish(APART)
    store_incident(conn, FAST, kind="down", severity="critical", metric=None, statistic=None)

    answer = recommended(client)

    assert answer["llm_name"] == MIDDLE
    assert reasons(answer) == {FAST: f"down since {slot(1).isoformat()}"}
    assert FAST not in [each["llm_name"] for each in answer["alternatives"]]


def test_one_that_was_down_is_recommended_again(client, publish, conn):
    publish(APART)
    store_incident(
        conn, FAST, kind="down", severity="critical", metric=None, statistic=None, resolution="recovered"
    )

    assert recommended(client)["llm_name"] == FAST


def test_one_that_has_got_slower_is_recommended_with_a_hint(client, publish, conn):
    publish(APART)
    store_incident(conn, FAST, severity="minor")
    store_incident(conn, FAST, severity="critical", metric="tps", source="measurement")

    answer = recommended(client)

    assert answer["llm_name"] == FAST
    assert answer["reason"].endswith("; with an open minor incident")


def test_a_stale_llm_is_not_recommended_from_the_cache_either(client, app, publish):
    publish(APART)
    publish({MIDDLE: [2.0, 2.1]}, slot=NOW + timedelta(hours=1))
    assert recommended(client)["llm_name"] == FAST

    app.extensions["settings"] = replace(app.extensions["settings"], schedule_interval=60)

    answer = recommended(client)
    assert answer["llm_name"] == MIDDLE
    assert reasons(answer) == dict.fromkeys([FAST, SLOW], f"stale: no new values since {EARLIER.isoformat()}")
    assert answer["reason"].startswith("only usable LLM with a mean time to first token in its latest run")


def test_an_archived_llm_and_one_without_values_are_not_recommended(client, publish, conn, redis):
    with conn:
        archive_llm(conn, FAST)
        add_run(conn, EARLIER, SLOW, status="failed", error="OSError: account acme-prod")
    publish({FAST: [1.0], MIDDLE: [2.0]})

    answer = recommended(client)

    assert answer["llm_name"] == MIDDLE
    assert reasons(answer) == {SLOW: "no values; newest run failed"}


def test_one_that_fails_too_many_requests_is_not_recommended(client, conn, redis):
    values = {
        FAST: {"ttft": [1.0], "error_rate": [0.25]},
        SLOW: {"ttft": [3.0], "error_rate": [0.05]},
    }
    finish_run(conn, EARLIER, values, source="measurement")
    show(conn, NOW)

    answer = recommended(client, source="measurement")
    assert answer["llm_name"] == SLOW
    assert reasons(answer) == {FAST: "error rate 0.25; expected at most 0.1"}
    assert recommended(client, source="measurement", max_error_rate=0.3)["llm_name"] == FAST


def test_without_a_usable_llm_the_error_has_the_reasons(client, publish, conn):
    error = assert_error(client.get(URL), 404)
    assert error["message"] == "No LLM to recommend in scenario 'default': none has values"

    publish({FAST: [1.0]})
    store_incident(conn, FAST, kind="down", severity="critical", metric=None, statistic=None)

    error = assert_error(client.get(f"{URL}?objective=ttft"), 404)
    assert f"excluded are {FAST} (down since {slot(1).isoformat()})" in error["message"]
    error = assert_error(client.get(f"{URL}?source=measurement"), 404)
    assert error["message"] == "No LLM to recommend: nothing has been measured yet"


def test_the_default_workload_is_what_most_llms_are_measured_by(client, measured):
    answer = recommended(client)

    assert (answer["source"], answer["scenario"], answer["llm_name"]) == ("measurement", "chat@c8", "One")


@pytest.mark.parametrize(
    ("workload", "scenario"),
    [("rag", "rag@c1"), ("chat", "chat@c8"), ("chat@c1", "chat@c1"), ("default", "default")],
)
def test_a_workload_is_named_by_itself_or_with_its_level(client, measured, workload, scenario):
    assert recommended(client, workload=workload)["scenario"] == scenario


def test_of_several_levels_one_that_is_still_measured_is_taken(client, app, measured):
    chat = measurement("One")
    declared = [replace(chat, load=replace(chat.load, concurrency=1))]
    app.extensions["plan"] = SimpleNamespace(measurements=lambda: declared)

    answer = recommended(client, workload="chat")

    assert answer["scenario"] == "chat@c1"
    assert (answer["model"], answer["provider"]) == ("m", "provider of One")


def test_the_response_is_304_until_it_differs(client, app, publish, conn):
    publish(APART)
    publish({MIDDLE: [2.0, 2.1]}, slot=NOW + timedelta(hours=1))
    etag = {"If-None-Match": client.get(f"{URL}?objective=ttft").headers["ETag"]}

    assert client.get(f"{URL}?objective=ttft", headers=etag).status_code == 304
    app.extensions["settings"] = replace(app.extensions["settings"], schedule_interval=60)
    assert client.get(f"{URL}?objective=ttft", headers=etag).status_code == 200


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("workload=nope", "workload"),
        ("workload=chat&source=simulation", "workload"),
        ("objective=speed", "objective"),
        ("statistic=p50", "statistic"),
        ("window=2h", "window"),
        ("max_error_rate=2", "max_error_rate"),
        ("max_error_rate=nan", "max_error_rate"),
        ("region=eu", "region"),
    ],
)
def test_the_error_names_the_invalid_argument(client, asked, name):
    response = client.get(f"{URL}?{asked}")

    assert_error(response, 422)
    assert name in str(response.json)


def test_an_api_key_is_required(stranger):
    assert_error(stranger.get(URL), 401)
