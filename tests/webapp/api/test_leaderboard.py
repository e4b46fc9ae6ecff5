from datetime import UTC, datetime, timedelta

import pytest

from llm_measure.metrics import METRICS
from tests.webapp.api.shown_runs import finish_run, show

URL = "/api/v1/benchmarks/leaderboard"
NOW = datetime.now(UTC).replace(microsecond=0)
FAST, MIDDLE, SLOW = "GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"
# Shares, too, may have these values.
APART = {FAST: [0.1, 0.11, 0.12], MIDDLE: [0.2, 0.21, 0.22], SLOW: [0.3, 0.31, 0.32]}


@pytest.fixture
def publish(conn, redis):
    """Finishes a run whose LLMs have the given values of a metric, and shows it."""

    def publish(values, metric="ttft", slot=NOW, **kind):
        finish_run(conn, slot, {llm: {metric: numbers} for llm, numbers in values.items()}, **kind)
        generation = show(conn, NOW)
        redis.flushall()
        return generation

    return publish


def board(client, **query) -> list[dict]:
    """The rows of the one metric asked for."""
    response = client.get(URL, query_string={"metric": "ttft", **query})
    assert response.status_code == 200, response.json
    (metric,) = response.json["metrics"]
    return metric["llms"]


def names(rows: list[dict]) -> list[str]:
    return [row["llm_name"] for row in rows]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_best_comes_first_in_each_metrics_own_direction(client, publish, metric):
    publish(APART, metric.name)

    best_first = [FAST, MIDDLE, SLOW] if metric.better == "lower" else [SLOW, MIDDLE, FAST]
    assert names(board(client, metric=metric.name)) == best_first
    assert names(board(client, metric=metric.name, order="worst")) == best_first[::-1]
    assert names(board(client, metric=metric.name, order="name")) == sorted(best_first)
    assert [row["rank"] for row in board(client, metric=metric.name)] == [1, 2, 3]


def test_llms_that_cannot_be_told_apart_share_a_rank(client, publish):
    publish({FAST: [1.0, 2.0, 3.0], MIDDLE: [1.5, 2.5, 3.5], SLOW: [90.0, 90.1, 90.2]})

    assert [(row["rank"], row["rank_worst"]) for row in board(client)] == [(1, 2), (1, 2), (3, 3)]


def test_an_interval_ends_where_values_do(client, publish):
    publish({FAST: [0.0, 0.0, 0.3], SLOW: [0.7, 1.0, 1.0]}, "goodput")

    high, low = board(client, metric="goodput")
    assert 0 < low["mean"] < low["ci_high"] < 1 == high["ci_high"]
    assert low["ci_low"] == 0 < high["ci_low"] < high["mean"]


def test_a_row_tells_all_that_is_known(client, publish):
    publish({FAST: [1.0, 2.0, 3.0, 6.0]}, slot=NOW - timedelta(minutes=10))
    publish({FAST: [2.0, 4.0]})

    (row,) = board(client, window="1h")

    plain = ("llm_name", "company_name", "provider", "runs", "n", "mean", "min", "max")
    assert [row[name] for name in plain] == [FAST, "openai", "openai", 2, 6, 3.0, 1.0, 6.0]
    assert row["ci_low"] == row["ci_high"] == 3.0  # both runs have the same mean
    assert row["stddev"] == pytest.approx(1.7888543819998317)
    assert row["p50"] == pytest.approx(2.0, rel=0.01)
    assert row["p99"] == pytest.approx(6.0, rel=0.01)
    assert datetime.fromisoformat(row["last_measured"]) == NOW


def test_a_single_value_has_no_interval_and_any_rank(client, publish):
    publish({FAST: [1.0], MIDDLE: [2.0, 2.1], SLOW: [9.0, 9.1]})

    row = board(client)[0]

    assert (row["llm_name"], row["ci_low"], row["ci_high"], row["stddev"]) == (FAST, None, None, None)
    assert (row["rank"], row["rank_worst"]) == (1, 3)


def test_each_window_reaches_back_as_far_as_its_name_says(client, publish):
    ages = {
        "1h": timedelta(0),
        "24h": timedelta(hours=5),
        "7d": timedelta(days=5),
        "30d": timedelta(days=20),
        "all": timedelta(days=50),
    }
    for age in ages.values():
        publish({FAST: [1.0, 2.0]}, slot=NOW - age)

    found = {window: board(client, window=window)[0]["runs"] for window in ["latest", *ages]}

    assert found == {"latest": 1, "1h": 1, "24h": 2, "7d": 3, "30d": 4, "all": 5}


def test_sources_and_workloads_are_never_mixed(client, publish, conn):
    with conn, conn.cursor() as cursor:
        cursor.execute("INSERT INTO scenarios (name, description) VALUES ('chat', 'short prompts')")
    publish({FAST: [1.0, 2.0]})
    publish({MIDDLE: [1.0, 2.0]}, source="measurement")
    publish({SLOW: [1.0, 2.0]}, scenario="chat")

    assert names(board(client)) == [FAST]
    assert names(board(client, source="measurement")) == [MIDDLE]
    assert names(board(client, scenario="chat")) == [SLOW]


def test_an_archived_llm_is_left_out(client, publish, conn):
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE llms SET archived_at = now() WHERE name = %s", (MIDDLE,))
    publish(APART)

    assert names(board(client)) == [FAST, SLOW]


def test_without_a_metric_all_are_answered_with_unit_and_meaning(client, publish):
    publish(APART)

    answer = client.get(URL).json["metrics"]

    told = [(part["metric"], part["unit"], part["better"], part["formula"]) for part in answer]
    assert told == [(m.name, m.unit, m.better, m.formula) for m in METRICS]


def test_the_answer_carries_its_generation_and_is_304_until_the_next(client, publish):
    generation = publish(APART)
    response = client.get(URL)
    assert response.json["generation"] == generation

    again = {"If-None-Match": response.headers["ETag"]}
    assert client.get(URL, headers=again).status_code == 304

    publish({FAST: [5.0, 6.0]}, slot=NOW + timedelta(seconds=1))
    assert client.get(URL, headers=again).status_code == 200


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("metric=nope", "metric"),
        ("window=2h", "window"),
        ("source=dream", "source"),
        ("order=up", "order"),
        ("scenario=nope", "scenario"),
        ("scenario=", "scenario"),
        ("scenario=" + "x" * 300, "scenario"),
        ("scenario=%00", "scenario"),
        ("limit=3", "limit"),
        ("metric=ttft&metric=tps", "metric"),
    ],
)
def test_a_filter_that_is_wrong_is_named(client, query, name):
    response = client.get(f"{URL}?{query}")

    assert response.status_code == 422
    assert name in str(response.json)


def test_a_key_is_needed(stranger):
    assert stranger.get(URL).status_code == 401
