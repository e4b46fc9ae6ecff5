from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import archive_llm, repeat_hours
from tests.webapp.api.shown_runs import finish_run, show
from webapp.api.history.routes import MOST_BUCKETS

URL = "/api/v1/benchmarks/history"
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = NOW.replace(minute=0, second=0)
ONE, OTHER = "GPT-4o", "Llama 3.1 70B"


@pytest.fixture
def runs(conn, redis):
    """Two LLMs, each with runs three hours, two hours and ten days ago."""
    for age in (timedelta(hours=3), timedelta(hours=2), timedelta(days=10)):
        values = [1.0 + age.days, 3.0 + age.days]
        finish_run(conn, HOUR - age, {ONE: {"ttft": values}, OTHER: {"ttft": values}})
    show(conn, NOW)
    redis.flushall()


def history(client, metric="ttft", **query) -> dict:
    response = client.get(f"{URL}/{metric}", query_string=query)
    assert response.status_code == 200, response.json
    return response.json


def starts(series: dict) -> list[datetime]:
    return [datetime.fromisoformat(bucket["starts_at"]) for bucket in series["buckets"]]


def test_a_series_lists_the_hours_with_values_oldest_first(client, runs):
    answer = history(client, window="24h")

    assert [series["llm_name"] for series in answer["series"]] == [ONE, OTHER]
    assert starts(answer["series"][0]) == [HOUR - timedelta(hours=3), HOUR - timedelta(hours=2)]
    bucket = answer["series"][0]["buckets"][0]
    assert (bucket["runs"], bucket["n"], bucket["mean"]) == (1, 2, 2.0)
    assert bucket["p50"] == pytest.approx(1.0, rel=0.01)
    assert bucket["p95"] == bucket["p99"] == pytest.approx(3.0, rel=0.01)
    assert (answer["unit"], answer["step"], answer["window"]) == ("s", "hour", "24h")


def test_longer_windows_reach_further_back_by_day_and_by_hour(client, runs):
    days = history(client, window="30d", step="day", llm=ONE)["series"]

    assert [series["llm_name"] for series in days] == [ONE]
    assert starts(days[0])[0] == (HOUR - timedelta(days=10)).replace(hour=0)
    assert len(history(client, window="all", llm=ONE)["series"][0]["buckets"]) == 3


def test_up_to_a_day_a_bucket_can_be_a_run(client, conn, redis):
    now = datetime.now(UTC).replace(microsecond=0)
    slots = [now - timedelta(minutes=minutes) for minutes in (50, 40, 30)]
    for number, slot in enumerate(slots, 1):
        finish_run(conn, slot, {ONE: {"ttft": [float(number), number + 2.0]}, OTHER: {"ttft": [9.0]}})
    finish_run(conn, now - timedelta(hours=25), {ONE: {"ttft": [5.0]}})
    show(conn, now)
    finish_run(conn, now, {ONE: {"ttft": [6.0]}})  # not published yet
    redis.flushall()

    for window in ("1h", "24h"):
        answer = history(client, window=window, step="run")
        assert answer["step"] == "run"
        assert [series["llm_name"] for series in answer["series"]] == [ONE, OTHER]
        assert starts(answer["series"][0]) == slots
        buckets = answer["series"][0]["buckets"]
        assert [(bucket["runs"], bucket["n"], bucket["mean"]) for bucket in buckets] == [
            (1, 2, 2.0),
            (1, 2, 3.0),
            (1, 2, 4.0),
        ]
        assert [bucket["p50"] for bucket in buckets] == [
            pytest.approx(value, rel=0.01) for value in (1, 2, 3)
        ]
        assert [bucket["p99"] for bucket in buckets] == [
            pytest.approx(value, rel=0.01) for value in (3, 4, 5)
        ]


def test_a_longer_window_is_refused_by_run(client):
    response = client.get(f"{URL}/ttft?window=7d&step=run")

    assert response.status_code == 422
    assert response.json["message"] == "window='7d': too long for step='run'; expected one of 1h, 24h"


def test_an_archived_llm_is_listed_only_if_requested_by_name(client, runs, conn):
    with conn:
        archive_llm(conn, ONE)

    assert [series["llm_name"] for series in history(client)["series"]] == [OTHER]
    assert [series["llm_name"] for series in history(client, llm=ONE)["series"]] == [ONE]


def test_a_metric_without_values_has_no_series(client, runs):
    assert history(client, "tps")["series"] == []


def test_too_many_buckets_are_refused_with_advice(client, conn, redis):
    finish_run(conn, HOUR, {ONE: {"ttft": [1.0]}})
    show(conn, NOW)
    with conn:
        repeat_hours(conn, MOST_BUCKETS)
    redis.flushall()

    response = client.get(f"{URL}/ttft?window=all")

    assert response.status_code == 422
    assert "name one llm" in response.json["message"]
    assert "take a shorter window or a longer step" in response.json["message"]
    assert len(history(client, window="all", step="day")["series"][0]["buckets"]) == 1


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("nope", 404, "metric_name"),
        ("ttft?window=latest", 422, "window"),
        ("ttft?step=minute", 422, "step"),
        ("ttft?llm=nobody", 422, "llm"),
        ("ttft?from=1", 422, "from"),
    ],
)
def test_the_error_names_the_invalid_argument(client, path, code, word):
    response = client.get(f"{URL}/{path}")

    assert response.status_code == code
    assert word in str(response.json)
