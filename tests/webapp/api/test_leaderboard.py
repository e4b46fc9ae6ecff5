from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from llm_measure.metrics import METRICS
from llm_measure.stats.intervals import quantile_ranks
from llm_measure.workloads import Load
from tests.factories import add_rollups, add_run, add_scenario, archive_llm
from tests.measured import answered, level, measurement, store_level
from tests.support import query
from tests.web import assert_error
from tests.webapp.api.shown_runs import finish_run, show
from webapp.store import runs

URL = "/api/v1/benchmarks/leaderboard"
NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(minutes=10)
FAST, MIDDLE, SLOW = "GPT-4o", "Llama 3.1 70B", "Claude 3.5 Sonnet"
# What claims the runs of a slot.
AGAIN = {"source": "simulation", "scenario": "default", "slot": NOW, "token": uuid4(), "job_id": "again"}
# Valid values of ratios, too.
APART = {FAST: [0.1, 0.11, 0.12], MIDDLE: [0.2, 0.21, 0.22], SLOW: [0.3, 0.31, 0.32]}


@pytest.fixture
def publish(conn, redis):
    """Finishes a run whose LLMs have the given values of a metric, and publishes it."""

    def publish(values, metric="ttft", slot=NOW, **kind):
        finish_run(conn, slot, {llm: {metric: numbers} for llm, numbers in values.items()}, **kind)
        generation = show(conn, NOW)
        redis.flushall()
        return generation

    return publish


def board(client, **query) -> list[dict]:
    """Return the rows of the one requested metric."""
    response = client.get(URL, query_string={"metric": "ttft", **query})
    assert response.status_code == 200, response.json
    (metric,) = response.json["metrics"]
    return metric["llms"]


def names(rows: list[dict]) -> list[str]:
    return [row["llm_name"] for row in rows]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_best_llm_by_the_metrics_direction_is_first(client, publish, metric):
    publish(APART, metric.name)

    best_first = [FAST, MIDDLE, SLOW] if metric.better == "lower" else [SLOW, MIDDLE, FAST]
    assert names(board(client, metric=metric.name)) == best_first
    assert names(board(client, metric=metric.name, order="worst")) == best_first[::-1]
    assert names(board(client, metric=metric.name, order="name")) == sorted(best_first)
    assert [row["rank"] for row in board(client, metric=metric.name)] == [1, 2, 3]


def test_llms_with_overlapping_intervals_share_a_rank(client, publish):
    publish({FAST: [1.0, 2.0, 3.0], MIDDLE: [1.5, 2.5, 3.5], SLOW: [90.0, 90.1, 90.2]})

    assert [(row["rank"], row["rank_worst"]) for row in board(client)] == [(1, 2), (1, 2), (3, 3)]


def test_an_interval_does_not_exceed_the_metrics_bounds(client, publish):
    publish({FAST: [0.0, 0.0, 0.3], SLOW: [0.7, 1.0, 1.0]}, "slo_attainment")

    high, low = board(client, metric="slo_attainment")
    assert 0 < low["mean"] < low["ci_high"] < 1 == high["ci_high"]
    assert low["ci_low"] == 0 < high["ci_low"] < high["mean"]


def test_a_row_summarizes_all_runs_of_the_window(client, publish):
    publish({FAST: [1.0, 2.0, 3.0, 6.0]}, slot=EARLIER)
    publish({FAST: [2.0, 4.0]})

    (row,) = board(client, window="1h")

    plain = ("llm_name", "company_name", "provider", "runs", "n", "mean", "min", "max")
    assert [row[name] for name in plain] == [FAST, "openai", "openai", 2, 6, 3.0, 1.0, 6.0]
    assert row["ci_low"] == row["ci_high"] == 3.0  # both runs have the same mean
    assert row["stddev"] == pytest.approx(1.7888543819998317)
    assert row["p50"] == pytest.approx(2.0, rel=0.01)
    assert row["p99"] == pytest.approx(6.0, rel=0.01)
    assert datetime.fromisoformat(row["last_measured"]) == NOW


def test_a_single_value_has_no_interval_and_can_have_any_rank(client, publish):
    publish({FAST: [1.0], MIDDLE: [2.0, 2.1], SLOW: [9.0, 9.1]})

    row = board(client)[0]

    assert (row["llm_name"], row["ci_low"], row["ci_high"], row["stddev"]) == (FAST, None, None, None)
    assert (row["rank"], row["rank_worst"]) == (1, 3)


def test_each_window_reaches_back_as_far_as_its_name_states(client, publish):
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


def test_sources_and_scenarios_are_never_mixed(client, publish, conn):
    with conn:
        add_scenario(conn, "chat")
    publish({FAST: [1.0, 2.0]})
    publish({MIDDLE: [1.0, 2.0]}, source="measurement")
    publish({SLOW: [1.0, 2.0]}, scenario="chat")

    assert names(board(client)) == [FAST]
    assert names(board(client, source="measurement")) == [MIDDLE]
    assert names(board(client, scenario="chat")) == [SLOW]


def test_an_archived_llm_is_not_ranked(client, publish, conn):
    with conn:
        archive_llm(conn, MIDDLE)
    publish(APART)

    assert names(board(client)) == [FAST, SLOW]


def test_without_a_metric_all_of_a_level_are_listed_with_unit_direction_and_formula(client, publish):
    publish(APART)

    answer = client.get(URL).json["metrics"]

    listed = [(part["metric"], part["unit"], part["better"], part["formula"]) for part in answer]
    assert listed == [(m.name, m.unit.symbol, m.better, m.formula) for m in METRICS if m.name != "capacity"]


def test_the_response_has_its_generation_and_is_304_until_the_next(client, publish):
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
def test_the_error_names_the_invalid_filter(client, query, name):
    response = client.get(f"{URL}?{query}")

    assert response.status_code == 422
    assert name in str(response.json)


def test_an_api_key_is_required(stranger):
    assert stranger.get(URL).status_code == 401


def test_a_failed_invalid_or_missed_newest_run_is_marked_with_its_whole_reason(client, publish, conn):
    publish(APART, slot=EARLIER)
    reasons = {
        FAST: ("failed", "NoResponseError: all 5 requests failed (timeout 5)"),
        MIDDLE: ("invalid", "the client was the limit"),
        SLOW: ("missed", "no scheduler ran"),
    }
    with conn:
        for llm, (status, reason) in reasons.items():
            column = "invalid_reason" if status == "invalid" else "error"
            add_run(conn, NOW, llm, status=status, **{column: reason})
    publish({})

    rows = board(client, window="1h")

    assert names(rows) == [FAST, MIDDLE, SLOW]
    assert [row["failure"] for row in rows] == [
        {"status": status, "slot": NOW.isoformat(), "reason": reason} for status, reason in reasons.values()
    ]


@pytest.mark.parametrize("status", ["failed", "invalid", "missed"])
def test_a_failure_is_shown_by_the_next_generation_and_not_before(client, publish, conn, status):
    publish({FAST: [1.0, 2.0]}, slot=EARLIER)
    with conn:
        add_run(conn, NOW, FAST, status=status, error="why")

    (before,) = board(client)
    publish({})
    (after,) = board(client)

    assert (before["failure"], after["failure"]["status"]) == (None, status)


@pytest.mark.parametrize(("status", "attempts"), [("failed", 1), ("missed", 0)])
def test_a_run_that_is_tried_again_is_shown_as_before(client, publish, conn, redis, status, attempts):
    publish({FAST: [1.0, 2.0]}, slot=EARLIER)
    with conn:
        add_run(conn, NOW, FAST, status=status, error="why", attempts=attempts)
    publish({})
    (before,) = board(client)
    with conn:
        assert runs.claim(conn, **AGAIN)
    redis.flushall()

    assert board(client) == [before]
    assert before["failure"]["status"] == status


def fail(conn, claimed, again):
    runs.fail(conn, claimed, again["token"], "another reason")


def finish(conn, claimed, again):
    for run in claimed:
        add_rollups(conn, run.id, {"ttft": [3.0, 4.0]})
    runs.finish(conn, claimed, 2)


def invalidate(conn, claimed, again):
    runs.invalidate(conn, claimed, "another reason")


@pytest.mark.parametrize(
    ("end", "shown"),
    [
        (fail, {"status": "failed", "reason": "another reason"}),
        (invalidate, {"status": "invalid", "reason": "another reason"}),
        (finish, None),
    ],
)
def test_the_end_of_a_retry_is_shown_by_the_next_generation_and_not_before(
    client, publish, conn, redis, end, shown
):
    publish({FAST: [1.0, 2.0]}, slot=EARLIER)
    with conn:
        add_run(conn, NOW, FAST, status="failed", error="why")
    publish({})
    before = client.get(URL).data

    with conn:
        end(conn, runs.claim(conn, **AGAIN), AGAIN)
    redis.flushall()
    assert client.get(URL).data == before
    publish({})
    row = board(client)[0]

    assert row["failure"] == (shown and {**shown, "slot": NOW.isoformat()})


def test_a_retry_after_an_end_that_was_never_shown_leaves_what_was_shown(client, publish, conn, redis):
    with conn:
        add_run(conn, NOW, FAST, status="missed", error="why", attempts=0)
    publish({})
    before = client.get(URL).data

    for _ in range(2):
        with conn:
            fail(conn, runs.claim(conn, **AGAIN), AGAIN)
    with conn:
        runs.claim(conn, **AGAIN)
    redis.flushall()

    assert client.get(URL).data == before


def test_a_new_scenario_is_listed_by_the_generation_that_shows_a_run_of_it(client, publish, conn, redis):
    publish({})
    again = {**AGAIN, "source": "measurement", "scenario": "chat@c8"}

    def listed() -> list[str]:
        redis.flushall()
        return client.get(f"{URL}?source=measurement").json["scenarios"]

    with conn:
        add_scenario(conn, "chat@c8")
        claimed = runs.claim(conn, **again)
    assert listed() == []
    with conn:
        fail(conn, claimed, again)
    assert listed() == []
    publish({})
    assert listed() == ["chat@c8"]
    with conn:
        runs.claim(conn, **again)
    assert listed() == ["chat@c8"]


def test_an_llm_without_values_is_listed_as_unranked_with_the_reason(client, publish, conn):
    with conn:
        add_run(conn, NOW, MIDDLE, status="failed", error="ConnectionError: refused")
    publish({FAST: [1.0, 2.0]})

    (metric,) = client.get(f"{URL}?metric=ttft").json["metrics"]

    assert [(row["llm_name"], row["failure"]) for row in metric["llms"]] == [(FAST, None)]
    assert metric["unranked"] == [
        {
            "llm_name": MIDDLE,
            "status": "failed",
            "slot": NOW.isoformat(),
            "reason": "ConnectionError: refused",
        }
    ]


def test_a_row_is_stale_after_three_slots_without_new_values(client, publish):
    publish({FAST: [1.0, 2.0]})
    publish({FAST: [1.0, 2.0]}, source="measurement")

    (scheduled,), (imported,) = board(client), board(client, source="measurement")

    assert datetime.fromisoformat(scheduled["stale_at"]) == NOW + 3 * timedelta(minutes=10)
    assert imported["stale_at"] is None


def test_a_row_has_the_ratio_of_failed_requests(client, publish, conn, redis):
    values = {
        FAST: {"ttft": [1.0, 2.0], "error_rate": [0.25]},
        SLOW: {"ttft": [3.0, 4.0], "error_rate": [0.0]},
    }
    finish_run(conn, NOW, values, source="measurement")
    finish_run(conn, NOW, {FAST: {"ttft": [1.0]}})
    show(conn, NOW)

    assert [row["error_rate"] for row in board(client, source="measurement")] == [0.25, 0.0]
    assert [row["error_rate"] for row in board(client)] == [None]


@pytest.mark.parametrize("path", ["leaderboard?metric=ttft&", "history/ttft?"])
def test_without_values_the_response_lists_the_scenarios_of_the_source(client, publish, conn, path):
    with conn:
        add_scenario(conn, "chat@c8")
        add_scenario(conn, "rag@c1")
    publish({FAST: [1.0]})
    for scenario in ("chat@c8", "rag@c1"):
        publish({FAST: [1.0]}, source="measurement", scenario=scenario)

    url = f"/api/v1/benchmarks/{path}source=measurement"

    assert client.get(url).json["scenarios"] == ["chat@c8", "rag@c1"]
    response = client.get(f"{url}&scenario=chat")
    assert response.status_code == 422
    assert response.json["message"] == "scenario='chat': unknown scenario; expected one of chat@c8, rag@c1"


def test_the_error_lists_scenarios_up_to_a_length(client, publish, conn):
    scenarios = [f"{number:03}{'x' * 90}" for number in range(9)]
    with conn:
        for scenario in scenarios:
            add_scenario(conn, scenario)
    for scenario in scenarios:
        publish({FAST: [1.0]}, scenario=scenario)

    error = assert_error(client.get(f"{URL}?scenario=nope"), 422)

    assert scenarios[0] in error["message"]
    assert error["message"].endswith("...")


def test_quantiles_have_confidence_intervals_of_order_statistics_over_all_runs(client, publish):
    first, second = np.random.default_rng(20).lognormal(size=(2, 200))
    publish({FAST: first}, slot=EARLIER)
    publish({FAST: second})

    (row,) = board(client, window="1h")

    values = np.sort(np.append(first, second))
    for name, p in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        low, high = (values[rank - 1] for rank in quantile_ranks(400, p))
        assert 0.979 * low < row[f"{name}_low"] <= low
        assert high <= row[f"{name}_high"] < 1.021 * high
        assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]


def test_gaps_which_depend_on_each_other_have_no_intervals_of_quantiles(client, publish):
    publish({FAST: [1.0] * 400}, metric="itl")

    (row,) = board(client, metric="itl")

    assert [row[name] for name in ("p50_low", "p50_high", "p99_low", "p99_high")] == [None] * 4


def test_few_values_have_no_interval_of_a_high_quantile(client, publish):
    publish({FAST: [1.0] * 71})

    (row,) = board(client)

    assert (row["p50_low"], row["p50_high"]) == (1.0, 1.0)
    assert [row[name] for name in ("p95_low", "p95_high", "p99_low", "p99_high")] == [None] * 4


def test_a_row_has_the_details_of_its_newest_finished_run(client, conn, settings, redis):
    load = Load(rate=1, requests=4)
    result = replace(level([answered(index) for index in range(4)]), load=load)
    store_level(conn, settings, redis, NOW, measurement(load=load), result)
    ((run_id,),) = query(conn, "SELECT id FROM runs")
    show(conn, NOW)

    (row,) = board(client, source="measurement", scenario="chat@r1")

    assert row["newest_run"] == {
        "id": run_id,
        "measurement": client.get(f"/api/v1/benchmarks/runs/{run_id}").json["measurement"],
    }
    details = row["newest_run"]["measurement"]
    assert (details["client_wait_s"], details["saturated"], details["offered_rate"]) == (0.125, False, 1.0)


def test_a_simulated_run_has_no_details(client, publish):
    publish({FAST: [1.0]})

    (row,) = board(client)

    assert row["newest_run"]["measurement"] is None
