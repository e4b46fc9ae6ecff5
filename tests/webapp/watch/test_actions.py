import pytest

from tests.incidents import store_incident
from tests.support import query
from webapp.store import incidents, views
from webapp.watch.actions import acknowledge, close, perform


@pytest.fixture
def incident_id(conn):
    found = store_incident(conn)
    conn.commit()
    return found


@pytest.fixture
def act(settings, redis):
    return lambda action, incident_id, note=None: perform(settings, redis, action, incident_id, note)


def test_acknowledging_records_when_and_the_note(conn, incident_id, act):
    assert act(acknowledge, incident_id, "on it")

    (incident,) = incidents.read(conn)
    assert incident.acknowledged_at
    assert (incident.note, incident.status) == ("on it", "open")
    event = incidents.events(conn, incident_id)[-1]
    assert (event.number, event.kind, event.state["note"]) == (2, "acknowledged", "on it")


def test_closing_resolves_the_incident_and_accepts_the_level(conn, incident_id, act):
    assert act(close, incident_id, "a new model")

    (incident,) = incidents.read(conn)
    assert (incident.status, incident.resolution, incident.note) == ("resolved", "closed", "a new model")
    assert query(conn, "SELECT ended_at IS NULL, accepted FROM signals") == [(False, True)]
    event = incidents.events(conn, incident_id)[-1]
    assert (event.kind, event.state["resolution"]) == ("closed", "closed")


def test_an_action_without_a_note_keeps_the_one_before(conn, incident_id, act):
    act(acknowledge, incident_id, "on it")
    act(close, incident_id)

    assert incidents.read(conn)[0].note == "on it"


@pytest.mark.parametrize("action", [acknowledge, close])
def test_an_action_is_visible_under_a_new_generation(conn, incident_id, act, action):
    before = views.generation(conn)
    conn.rollback()

    act(action, incident_id)

    assert views.generation(conn) > before


@pytest.mark.parametrize("action", [acknowledge, close])
def test_unknown_and_resolved_incidents_are_left_alone(conn, act, action):
    resolved = store_incident(conn, resolution="recovered")
    conn.commit()
    before = views.generation(conn)
    conn.rollback()

    assert not act(action, resolved)
    assert not act(action, resolved + 1)
    assert not action(conn, resolved, "too late")

    assert [event.kind for event in incidents.events(conn, resolved)] == ["opened"]
    assert views.generation(conn) == before
