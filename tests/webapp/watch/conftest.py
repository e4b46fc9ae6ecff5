"""A measured endpoint whose runs are judged."""

import pytest

from tests.watched import Watched
from webapp.store import Connection, incidents
from webapp.store.incidents import Event, Incident


@pytest.fixture
def watched(conn, settings, redis) -> Watched:
    return Watched(conn, settings, redis)


@pytest.fixture
def opened(conn):
    """Reads the incidents, newest first."""

    def opened() -> list[Incident]:
        with conn:
            return incidents.read(conn)

    return opened


@pytest.fixture
def kinds(conn):
    """Reads the kinds of an incident's events, oldest first."""

    def kinds(incident_id: int = 1) -> list[str]:
        return [event.kind for event in events(conn, incident_id)]

    return kinds


def events(conn: Connection, incident_id: int = 1) -> list[Event]:
    with conn:
        return incidents.events(conn, incident_id)
