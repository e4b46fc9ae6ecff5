from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import add_scenario, archive_llm
from tests.support import query
from tests.web import assert_error
from webapp.store import views

URL = "/api/v1/benchmarks/availability"
DAY = timedelta(days=1)
ONE, OTHER = "GPT-4o", "Llama 3.1 70B"


@pytest.fixture
def today() -> datetime:
    """The begin of the day, which may be another one than when the tests began."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def store(conn):
    """Stores the numbers of finished, failed, invalid and missed runs of an hour or a day."""

    def store(starts_at, *counts, llm=ONE, period="day", source="simulation", scenario="default") -> None:
        query(
            conn,
            "INSERT INTO availability (period, source, scenario_id, llm_id, starts_at, finished, failed,"
            " invalid, missed) SELECT %s, %s, scenarios.id, llms.id, %s, %s, %s, %s, %s FROM scenarios, llms"
            " WHERE scenarios.name = %s AND llms.name = %s RETURNING 1",
            *(period, source, starts_at, *counts, scenario, llm),
        )

    return store


def llms(client, **asked) -> dict[str, dict]:
    response = client.get(URL, query_string=asked)
    assert response.status_code == 200, response.json
    return {llm["llm_name"]: llm for llm in response.json["llms"]}


def starts(llm: dict) -> list[datetime]:
    return [datetime.fromisoformat(period["starts_at"]) for period in llm["periods"]]


def test_each_llm_has_its_days_oldest_first_and_their_sum(client, store, today):
    store(today - DAY, 9, 1, 0, 2)
    store(today, 6, 4, 3, 0)
    store(today, 5, 0, 0, 0, llm=OTHER)

    answer = client.get(URL).json

    assert [answer[name] for name in ("period", "window", "source", "scenario")] == [
        "day",
        "30d",
        "simulation",
        None,
    ]
    one, other = answer["llms"]
    assert (one["llm_name"], other["llm_name"]) == (ONE, OTHER)
    assert starts(one) == [today - DAY, today]
    assert [period["ratio"] for period in one["periods"]] == [0.9, 0.6]
    assert {name: one[name] for name in ("finished", "failed", "invalid", "missed", "ratio")} == {
        "finished": 15,
        "failed": 5,
        "invalid": 3,
        "missed": 2,
        "ratio": 0.75,
    }


def test_runs_that_say_nothing_have_no_ratio(client, store, today):
    store(today, 0, 0, 3, 4)

    (period,) = llms(client)[ONE]["periods"]

    assert (period["invalid"], period["missed"], period["ratio"]) == (3, 4, None)


def test_scenarios_are_added_up_unless_one_is_named(client, store, conn, today):
    with conn:
        add_scenario(conn, "chat@c8")
    store(today, 1, 0, 0, 0)
    store(today, 0, 1, 0, 0, scenario="chat@c8")
    store(today, 7, 0, 0, 0, source="measurement", scenario="chat@c8")

    assert llms(client)[ONE]["ratio"] == 0.5
    assert llms(client, scenario="chat@c8")[ONE]["ratio"] == 0.0
    assert llms(client, source="measurement")[ONE]["finished"] == 7


def test_hours_are_listed_for_up_to_a_week(client, store):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for age in (0, 23, 25, 167, 169):
        store(hour - timedelta(hours=age), 1, 0, 0, 0, period="hour")

    assert starts(llms(client, period="hour")[ONE]) == [hour - timedelta(hours=23), hour]
    assert len(llms(client, period="hour", window="7d")[ONE]["periods"]) == 4
    error = assert_error(client.get(f"{URL}?period=hour&window=30d"), 422)
    assert error["message"] == "window='30d': too long for period='hour'; expected one of 24h, 7d"


@pytest.mark.parametrize(("window", "days"), [("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90)])
def test_a_window_has_as_many_days_as_its_name_states(client, store, window, days, today):
    for age in range(95):
        store(today - age * DAY, 1, 0, 0, 0)

    found = starts(llms(client, window=window)[ONE])

    assert found == [today - age * DAY for age in reversed(range(days))]


def test_an_archived_llm_is_listed_only_if_requested_by_name(client, store, conn, today):
    store(today, 1, 0, 0, 0)
    with conn:
        archive_llm(conn, ONE)

    assert llms(client) == {}
    assert list(llms(client, llm=ONE)) == [ONE]


def test_the_response_is_304_until_the_next_generation(client, conn):
    etag = {"If-None-Match": client.get(URL).headers["ETag"]}

    assert client.get(URL, headers=etag).status_code == 304
    views.raise_generation(conn)
    conn.commit()
    assert client.get(URL, headers=etag).status_code == 200


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("period=week", "period"),
        ("window=2d", "window"),
        ("source=x", "source"),
        ("scenario=nope", "scenario"),
        ("llm=nobody", "llm"),
        ("step=day", "step"),
    ],
)
def test_the_error_names_the_invalid_argument(client, asked, name):
    response = client.get(f"{URL}?{asked}")

    assert_error(response, 422)
    assert name in str(response.json)


def test_an_api_key_is_required(stranger):
    assert_error(stranger.get(URL), 401)
