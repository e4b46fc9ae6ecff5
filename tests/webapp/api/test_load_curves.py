from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import add_scenario, archive_llm
from tests.load_curves import LEVELS, slowed, store_levels
from tests.web import assert_error
from tests.webapp.api.shown_runs import finish_run, show
from webapp.store import leaderboard

URL = "/api/v1/benchmarks/load-curves"
NOW = datetime.now(UTC).replace(microsecond=0)
FAST, SLOW = "Fast", "Slow"


@pytest.fixture
def chat(conn):
    """Two LLMs at five concurrencies of one workload."""
    store_levels(conn, NOW, {FAST: 0.01, SLOW: 0.03})


def answer(client, **query) -> dict:
    response = client.get(URL, query_string=query)
    assert response.status_code == 200, response.json
    return response.json


def names(found: dict) -> list[tuple[str, str]]:
    return [(curve["llm_name"], curve["kind"]) for curve in found["curves"]]


def scenarios(found: dict) -> list[str]:
    return [level["scenario"] for curve in found["curves"] for level in curve["levels"]]


def test_each_llm_has_a_curve_of_its_levels_in_ascending_order(client, chat):
    found = answer(client, workload="chat", x="output_throughput", y="ttft_p95")

    assert names(found) == [(FAST, "concurrency"), (SLOW, "concurrency")]
    assert [level["level"] for level in found["curves"][0]["levels"]] == list(LEVELS)
    assert scenarios(found)[:5] == [f"chat@c{level}" for level in LEVELS]
    first = found["curves"][0]["levels"][0]
    assert (first["x"], first["n"], first["runs"]) == (pytest.approx(100), 100, 1)
    assert first["y"] == pytest.approx(0.2, rel=0.01)
    assert datetime.fromisoformat(first["last_measured"]) == NOW
    assert found["x"] == {
        "name": "output_throughput", "metric": "output_throughput", "statistic": "mean", "unit": "tokens/s",
        "better": "higher",
    }  # fmt: skip
    assert (found["y"]["metric"], found["y"]["statistic"], found["y"]["unit"]) == ("ttft", "p95", "s")
    assert (found["workload"], found["api"], found["region"]) == ("chat", "chat", None)


def test_levels_are_in_the_order_of_their_numbers_not_of_their_measurement(client, conn):
    store_levels(conn, NOW, {FAST: 0.01}, levels=(16, 2, 128, 8))

    assert scenarios(answer(client)) == ["chat@c2", "chat@c8", "chat@c16", "chat@c128"]


def test_the_knee_is_where_throughput_over_latency_is_greatest(client, chat):
    for query in ({"y": "itl_p50"}, {"y": "itl", "x": "concurrency"}, {"y": "tps"}):
        for curve in answer(client, **query)["curves"]:
            assert [level["level"] for level in curve["levels"] if level["knee"]] == [4]
    for curve in answer(client, y="rps")["curves"]:
        assert not any(level["knee"] for level in curve["levels"])


def test_two_levels_have_no_knee(client, conn):
    store_levels(conn, NOW, {FAST: 0.01}, levels=(1, 4))

    assert not any(level["knee"] for level in answer(client, y="itl")["curves"][0]["levels"])


def test_each_level_says_whether_it_meets_the_slo(client, chat):
    levels = answer(client, y="ttft_p95")["curves"][0]["levels"]

    assert [(level["slo"], level["meets_slo"]) for level in levels] == [
        (0.5, level["y"] <= 0.5) for level in levels
    ]
    assert {level["meets_slo"] for level in levels} == {True, False}
    for level in answer(client, y="itl")["curves"][0]["levels"]:
        assert (level["slo"], level["meets_slo"]) == (None, None)


def test_means_have_confidence_intervals(client, chat):
    mean = answer(client, y="ttft")["curves"][0]["levels"][0]
    assert mean["y"] == pytest.approx(0.11)
    assert mean["ci_low"] < mean["y"] < mean["ci_high"]
    assert answer(client, y="ttft_mean")["curves"][0]["levels"][0] == mean
    quantile = answer(client, y="ttft_p95")["curves"][0]["levels"][0]
    assert (quantile["ci_low"], quantile["ci_high"]) == (None, None)


def test_per_user_and_in_total(client, chat):
    levels = answer(client, x="output_throughput", y="tps")["curves"][0]["levels"]

    for level in levels:
        assert level["x"] == pytest.approx(level["level"] * level["y"])


def test_concurrency_rates_and_speeds_are_separate_curves(client, conn):
    store_levels(conn, NOW, {FAST: 0.01}, levels=(1, 2, 4))
    for name in ("chat@r{}.5", "chat@r{}-constant", "chat@x{}"):
        store_levels(conn, NOW, {FAST: 0.01}, levels=(1, 2), name=name.format)

    found = answer(client)
    assert names(found) == [(FAST, kind) for kind in ("concurrency", "rate", "rate-constant", "speed")]
    assert scenarios(answer(client, kind="rate")) == ["chat@r1.5", "chat@r2.5"]
    by_rate = answer(client, x="rate")
    assert names(by_rate) == [(FAST, "rate"), (FAST, "rate-constant")]
    assert [level["x"] for level in by_rate["curves"][0]["levels"]] == [1.5, 2.5]
    assert (by_rate["x"]["metric"], by_rate["x"]["unit"]) == (None, "requests/s")


def test_apis_and_regions_are_never_mixed(client, conn):
    for name in ("chat@c{}", "chat@c{}-rerank-tei", "chat@c{}@eu", "chat@c{}-completions@eu", "chat@c{}@us"):
        store_levels(conn, NOW, {FAST: 0.01}, levels=(1, 2), name=name.format)

    found = answer(client)
    assert scenarios(found) == ["chat@c1", "chat@c2"]
    assert (found["apis"], found["regions"]) == (["chat", "completions", "rerank-tei"], ["eu", "us"])
    assert scenarios(answer(client, region="eu")) == ["chat@c1@eu", "chat@c2@eu"]
    assert scenarios(answer(client, api="rerank-tei")) == ["chat@c1-rerank-tei", "chat@c2-rerank-tei"]
    only_eu = answer(client, api="completions")
    assert (only_eu["region"], scenarios(only_eu)[0]) == ("eu", "chat@c1-completions@eu")


def test_searches_for_a_capacity_are_not_levels(client, conn, chat):
    for name in ("chat@max", "chat@max-concurrency", "chat@max@eu", "chat@max-completions"):
        store_levels(conn, NOW, {FAST: 0.01}, levels=(1,), name=lambda _, name=name: name)

    found = answer(client)
    assert scenarios(found)[:5] == [f"chat@c{level}" for level in LEVELS]
    assert (found["apis"], found["regions"]) == (["chat"], [])


def test_the_default_workload_is_the_one_with_most_levels(client, conn):
    store_levels(conn, NOW, {FAST: 0.01}, levels=(1,), name="rag@c{}".format)
    store_levels(conn, NOW, {FAST: 0.01}, levels=(1, 2))

    found = answer(client)
    assert (found["workload"], found["workloads"]) == ("chat", ["chat", "rag"])


def test_one_llm_can_be_asked_for_and_archived_ones_are_left_out(client, conn, chat):
    assert names(answer(client, llm=SLOW)) == [(SLOW, "concurrency")]
    with conn:
        archive_llm(conn, SLOW)
    show(conn, NOW)

    assert names(answer(client)) == [(FAST, "concurrency")]


def test_windows_are_those_of_the_leaderboard(client, conn, chat):
    values = {FAST: slowed(1, 0.04)}
    finish_run(conn, NOW + timedelta(seconds=1), values, source="measurement", scenario="chat@c1")
    show(conn, NOW + timedelta(seconds=2))

    latest, day = (
        answer(client, window=window, llm=FAST)["curves"][0]["levels"][0] for window in ("latest", "24h")
    )
    assert (latest["runs"], latest["x"]) == (1, pytest.approx(25))
    assert (day["runs"], day["n"], day["x"]) == (2, 200, pytest.approx(62.5))


def test_a_level_without_values_of_an_axis_is_left_out(client, conn, chat):
    with conn:
        add_scenario(conn, "chat@c32")
    finish_run(conn, NOW, {FAST: {"ttft": [1.0]}}, source="measurement", scenario="chat@c32")
    show(conn, NOW)

    assert len(answer(client, llm=FAST)["curves"][0]["levels"]) == len(LEVELS)
    assert len(answer(client, llm=FAST, x="concurrency")["curves"][0]["levels"]) == len(LEVELS) + 1


def test_all_levels_are_read_by_one_query(client, chat, monkeypatch):
    calls = []
    read = leaderboard.read_scenarios
    monkeypatch.setattr(
        leaderboard, "read_scenarios", lambda *args, **kwargs: calls.append(1) or read(*args, **kwargs)
    )

    etag = client.get(URL).headers["ETag"]
    assert client.get(URL).status_code == 200
    assert client.get(URL, headers={"If-None-Match": etag}).status_code == 304

    assert len(calls) == 1


def test_without_any_measurement_there_is_no_curve(client):
    found = answer(client)

    assert (found["workload"], found["curves"], found["workloads"]) == (None, [], [])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("workload=nope", "workload='nope': has no levels; expected one of chat"),
        ("source=simulation&workload=default", "workload='default': has no levels"),
        ("api=gemini", "api='gemini': has no levels; expected one of chat"),
        ("region=eu", "region='eu': has no levels"),
        ("kind=rate", "kind='rate': has no levels; expected one of concurrency"),
        ("llm=nobody", "llm='nobody': unknown LLM"),
        ("y=speedy", "must be one of ttft, tps,"),
        ("y=ttft_p42", "_mean, _p50, _p90, _p95, _p99"),
        ("y=concurrency", "must be one of ttft, tps,"),
        ("x=nope", "concurrency, rate, speed"),
        ("x=concurrency_p50", "must be one of"),
        ("window=2h", "window"),
        ("scenario=chat@c8", "scenario"),
        ("y=ttft&y=itl", "'y': given 2 times; expected once"),
    ],
)
def test_what_is_unknown_is_refused_naming_what_is_known(client, chat, query, expected):
    response = client.get(f"{URL}?{query}")

    assert_error(response, 422)
    assert expected in str(response.json).replace('"', "'").replace("\\'", "'")


def test_an_api_key_is_required(stranger):
    assert_error(stranger.get(URL), 401)
