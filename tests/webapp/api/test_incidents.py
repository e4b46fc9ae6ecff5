from datetime import datetime

import pytest

from tests.factories import archive_llm
from tests.incidents import store_incident
from tests.support import query
from tests.web import assert_error, slot
from webapp.api.incidents.schemas import LONGEST_NOTE
from webapp.store import views

URL = "/api/v1/benchmarks/incidents"
CAUSE = "rate_limited 4: account acme-prod"


@pytest.fixture
def incident(conn) -> str:
    """The URL of an open incident."""
    return f"{URL}/{store_incident(conn, cause=CAUSE)}"


def listed(client, asked="") -> list[int]:
    response = client.get(f"{URL}{asked}")
    assert response.status_code == 200, response.json
    return [incident["id"] for incident in response.json["incidents"]]


def test_without_incidents_the_list_is_empty(client):
    answer = client.get(URL).json

    assert (answer["incidents"], answer["next"]) == ([], None)
    assert answer["generation"] > 0


def test_an_incident_is_listed_with_its_signals(client, incident):
    (listed,) = client.get(URL).json["incidents"]

    assert listed["status"] == "open"
    assert (listed["severity"], listed["source"], listed["subject"]) == ("minor", "simulation", "GPT-4o")
    assert (listed["llm_names"], listed["cause"]) == (["GPT-4o"], CAUSE)
    assert datetime.fromisoformat(listed["opened_at"]) == slot(1)
    assert (listed["resolved_at"], listed["resolution"], listed["acknowledged_at"]) == (None, None, None)
    (signal,) = listed["signals"]
    assert (signal["kind"], signal["scenario"], signal["metric_name"]) == ("change", "default", "ttft")
    assert [signal[name] for name in ("before", "after", "change", "low", "high")] == [
        1.0,
        1.3,
        0.3,
        0.25,
        0.35,
    ]


def test_each_filter_selects_incidents_newest_first(client, conn):
    gpt = store_incident(conn, "GPT-4o", number=1, resolution="recovered")
    llama = store_incident(conn, "Llama 3.1 70B", number=2, kind="down", severity="critical", metric=None)
    measured = store_incident(conn, "GPT-4o", number=3, source="measurement", severity="critical")

    assert listed(client) == [measured, llama, gpt]
    assert listed(client, "?status=open") == [measured, llama]
    assert listed(client, "?status=resolved") == [gpt]
    assert listed(client, "?severity=critical") == [measured, llama]
    assert listed(client, "?source=simulation") == [llama, gpt]
    assert listed(client, "?llm=GPT-4o") == [measured, gpt]
    assert listed(client, "?llm=GPT-4o&source=measurement&status=open&severity=critical") == [measured]


def test_an_archived_llms_incidents_are_listed(client, conn, incident):
    with conn:
        archive_llm(conn, "GPT-4o")

    assert len(listed(client, "?llm=GPT-4o")) == 1


def test_pages_follow_each_other_without_gap_or_repetition(client, conn):
    stored = [store_incident(conn, number=number, resolution="recovered") for number in range(5)]
    seen, asked = [], "?limit=2"
    while asked:
        answer = client.get(f"{URL}{asked}").json
        seen.append([incident["id"] for incident in answer["incidents"]])
        asked = answer["next"] and f"?limit=2&cursor={answer['next']}"

    assert seen == [[stored[4], stored[3]], [stored[2], stored[1]], [stored[0]]]


def test_an_incident_has_its_events(client, incident):
    answer = client.get(incident).json

    (event,) = answer["events"]
    assert (event["number"], event["kind"], event["state"]) == (1, "opened", {"severity": "minor"})
    assert datetime.fromisoformat(event["at"]).tzinfo
    assert {name: answer[name] for name in answer if name != "events"} == client.get(URL).json["incidents"][0]


def test_a_list_and_an_incident_are_304_until_the_next_generation(client, conn, incident):
    for url in (URL, incident):
        etag = {"If-None-Match": client.get(url).headers["ETag"]}
        assert client.get(url, headers=etag).status_code == 304
        views.raise_generation(conn)
        conn.commit()
        assert client.get(url, headers=etag).status_code == 200


def test_acknowledging_keeps_the_note_and_shows_it_immediately(client, incident):
    assert client.get(incident).json["note"] is None  # which is now cached

    response = client.post(f"{incident}/acknowledge", json={"note": "  Provider\n knows\x1b[31m "})

    assert response.status_code == 200
    assert response.json["note"] == "Provider knows\\x1b[31m"
    assert response.json["status"] == "open"
    assert response.json["acknowledged_at"]
    assert [event["kind"] for event in response.json["events"]] == ["opened", "acknowledged"]
    assert client.get(incident).json == response.json
    assert client.get(URL).json["incidents"][0]["note"] == response.json["note"]


def test_a_second_acknowledgement_replaces_the_note_unless_it_has_none(client, incident):
    client.post(f"{incident}/acknowledge", json={"note": "first"})

    assert client.post(f"{incident}/acknowledge").json["note"] == "first"
    assert client.post(f"{incident}/acknowledge", json={"note": "second"}).json["note"] == "second"


def test_closing_resolves_the_incident_and_ends_its_signals(client, incident):
    client.get(URL)

    closed = client.post(f"{incident}/close", json={"note": "New hardware"}).json

    assert (closed["status"], closed["resolution"], closed["note"]) == ("resolved", "closed", "New hardware")
    assert closed["resolved_at"]
    assert all(signal["ended_at"] for signal in closed["signals"])
    assert [event["kind"] for event in closed["events"]] == ["opened", "closed"]
    assert listed(client, "?status=open") == []


@pytest.mark.parametrize("action", ["acknowledge", "close"])
def test_a_resolved_incident_is_left_as_it_is(client, conn, action):
    url = f"{URL}/{store_incident(conn, resolution='recovered')}"
    before = client.get(url)

    error = assert_error(client.post(f"{url}/{action}", json={"note": "late"}), 409)

    assert error["message"].endswith("already resolved; expected an open incident")
    assert client.get(url).json == before.json
    assert client.get(url).headers["ETag"] == before.headers["ETag"]  # other responses stay cached


@pytest.mark.parametrize("action", ["acknowledge", "close"])
def test_an_action_needs_no_body(client, incident, action):
    assert client.post(f"{incident}/{action}").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [({"note": "x" * (LONGEST_NOTE + 1)}, "note"), ({"note": 1}, "note"), ({"reason": "x"}, "reason")],
)
def test_an_unusable_note_is_refused(client, conn, incident, body, field):
    error = assert_error(client.post(f"{incident}/close", json=body), 422)

    assert field in error["errors"]["json"]
    assert query(conn, "SELECT count(*) FROM incident_events") == [(1,)]


def test_any_text_of_the_greatest_length_is_stored(client, incident):
    note = "\0\ud800\u202e" * (LONGEST_NOTE // 3)

    stored = client.post(f"{incident}/acknowledge", json={"note": note}).json["note"]

    assert stored.isprintable()
    assert 0 < len(stored) <= LONGEST_NOTE


@pytest.mark.parametrize("number", ["4711", "0", "x", "9" * 40, "\u0663"])
def test_an_unknown_incident_is_not_found(client, number):
    assert_error(client.get(f"{URL}/{number}"), 404)
    assert_error(client.post(f"{URL}/{number}/acknowledge"), 404)
    assert_error(client.post(f"{URL}/{number}/close"), 404)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("?status=closed", "status"),
        ("?severity=huge", "severity"),
        ("?source=x", "source"),
        ("?llm=nobody", "llm"),
        ("?limit=201", "limit"),
        ("?cursor=0", "cursor"),
        ("?page=2", "page"),
        ("/1?page=2", "page"),
    ],
)
def test_the_error_names_the_invalid_argument(client, asked, name):
    response = client.get(f"{URL}{asked}")

    assert_error(response, 422)
    assert name in str(response.json)


def test_an_api_key_is_required(stranger, incident):
    assert_error(stranger.get(URL), 401)
    assert_error(stranger.get(incident), 401)
    assert_error(stranger.post(f"{incident}/close"), 401)
