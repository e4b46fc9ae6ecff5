"""What people do with incidents. Each function takes the connection first; the caller commits."""

from webapp.store import Connection


def acknowledge(conn: Connection, incident_id: int, note: str) -> bool:
    """Record that someone looks after an open incident; return whether it was open."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents SET acknowledged_at = clock_timestamp(), note = nullif(%s, '')"
            " WHERE id = %s AND resolved_at IS NULL",
            (note, incident_id),
        )
        return cursor.rowcount > 0 and _add_event(conn, incident_id, "acknowledged", note)


def close(conn: Connection, incident_id: int, note: str) -> bool:
    """Close an open incident; return whether it was open."""
    with conn.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents SET resolved_at = clock_timestamp(), resolution = 'closed',"
            " note = coalesce(nullif(%s, ''), note) WHERE id = %s AND resolved_at IS NULL",
            (note, incident_id),
        )
        if not cursor.rowcount:
            return False
        cursor.execute(
            "UPDATE signals SET ended_at = clock_timestamp() WHERE incident_id = %s AND ended_at IS NULL",
            (incident_id,),
        )
        return _add_event(conn, incident_id, "closed", note)


def _add_event(conn: Connection, incident_id: int, kind: str, note: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incident_events (incident_id, number, kind, at, state)"
            " SELECT id, (SELECT coalesce(max(number), 0) + 1 FROM incident_events WHERE incident_id = id),"
            " %s, clock_timestamp(), jsonb_build_object('severity', severity, 'note', %s::text)"
            " FROM incidents WHERE id = %s",
            (kind, note, incident_id),
        )
    return True
