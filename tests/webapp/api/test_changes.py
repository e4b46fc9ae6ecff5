from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import add_scenario
from tests.support import query
from tests.web import assert_error
from webapp.api.changes.routes import MOST_CHANGES
from webapp.store import views

URL = "/api/v1/benchmarks/changes"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def store(conn):
    """Stores a change that was detected in a slot."""

    def store(slot, llm="GPT-4o", change=0.3, source="simulation", scenario="default", times=1) -> None:
        query(
            conn,
            "INSERT INTO changes (source, scenario_id, llm_id, metric_id, statistic, slot, detected_slot,"
            " before, after, change, low, high, worse)"
            " SELECT %s, scenarios.id, llms.id, 1, 'mean', %s, %s::timestamptz + number * interval '1 s',"
            " 1.0, 1 + %s, %s, %s, %s, %s FROM scenarios, llms, generate_series(1, %s) AS number"
            " WHERE scenarios.name = %s AND llms.name = %s RETURNING 1",
            *(source, slot - timedelta(minutes=20), slot - timedelta(seconds=1), change, change),
            *(change - 0.1, change + 0.1, change > 0, times, scenario, llm),
        )

    return store


def listed(client, **asked) -> list[tuple[str, datetime]]:
    response = client.get(URL, query_string=asked)
    assert response.status_code == 200, response.json
    return [
        (each["llm_name"], datetime.fromisoformat(each["detected_slot"])) for each in response.json["changes"]
    ]


def test_a_change_is_listed_with_its_figures(client, store):
    store(NOW, change=-0.25)

    answer = client.get(URL).json

    (change,) = answer["changes"]
    assert answer["generation"] > 0
    assert datetime.fromisoformat(change.pop("slot")) == NOW - timedelta(minutes=20)
    assert datetime.fromisoformat(change.pop("detected_slot")) == NOW
    assert change == {
        "source": "simulation",
        "scenario": "default",
        "llm_name": "GPT-4o",
        "metric_name": "ttft",
        "statistic": "mean",
        "before": 1.0,
        "after": 0.75,
        "change": -0.25,
        "low": -0.35,
        "high": -0.15,
        "worse": False,
    }


def test_changes_of_30_days_are_listed_oldest_first(client, store):
    ages = [timedelta(days=1), timedelta(days=29), timedelta(days=31)]
    for age in ages:
        store(NOW - age)

    assert listed(client) == [("GPT-4o", NOW - ages[1]), ("GPT-4o", NOW - ages[0])]


def test_each_filter_selects_changes(client, store, conn):
    with conn:
        add_scenario(conn, "chat@c8")
    store(NOW, "GPT-4o")
    store(NOW, "Llama 3.1 70B", source="measurement", scenario="chat@c8")

    assert listed(client, llm="GPT-4o") == [("GPT-4o", NOW)]
    assert listed(client, source="measurement") == [("Llama 3.1 70B", NOW)]
    assert listed(client, scenario="chat@c8") == [("Llama 3.1 70B", NOW)]
    assert listed(client, llm="GPT-4o", source="measurement") == []


def test_a_window_includes_its_start_and_excludes_its_end(client, store):
    for hours in (1, 2, 3):
        store(NOW - timedelta(hours=hours))
    window = {"from": (NOW - timedelta(hours=2)).isoformat(), "to": (NOW - timedelta(hours=1)).isoformat()}

    assert listed(client, **window) == [("GPT-4o", NOW - timedelta(hours=2))]
    assert len(listed(client, **{"from": window["from"]})) == 2


def test_too_many_changes_are_refused_with_advice(client, store):
    store(NOW, times=MOST_CHANGES + 1)

    error = assert_error(client.get(URL), 422)

    assert error["message"] == "More than 10000 changes; name one llm, or a later `from`"


def test_the_list_is_304_until_the_next_generation(client, conn, store):
    store(NOW)
    etag = {"If-None-Match": client.get(URL).headers["ETag"]}

    assert client.get(URL, headers=etag).status_code == 304
    views.raise_generation(conn)
    conn.commit()
    assert client.get(URL, headers=etag).status_code == 200


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("llm=nobody", "llm"),
        ("scenario=nope", "scenario"),
        ("source=x", "source"),
        ("from=yesterday", "from"),
        ("from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "from"),
        ("since=2026-11-02", "since"),
    ],
)
def test_the_error_names_the_invalid_argument(client, asked, name):
    response = client.get(f"{URL}?{asked}")

    assert_error(response, 422)
    assert name in str(response.json)


def test_an_api_key_is_required(stranger):
    assert_error(stranger.get(URL), 401)
