"""Events of incidents, which notifications send."""

from datetime import datetime

from webapp.store import Connection, incidents
from webapp.watch.state import state


def record(conn: Connection, incident_id: int, kind: str, now: datetime) -> None:
    """Add an event of that kind with the incident's present state."""
    (incident,) = incidents.read(conn, incident_id=incident_id)
    incidents.add_event(conn, incident_id, kind, state(incident), now)
