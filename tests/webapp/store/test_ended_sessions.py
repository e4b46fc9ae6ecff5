from datetime import UTC, datetime, timedelta

from webapp.store import ended_sessions

LATER = datetime.now(UTC) + timedelta(days=1)


def test_an_ended_session_is_read_until_its_cookie_expires(conn):
    ended_sessions.insert(conn, "expired", datetime.now(UTC) - timedelta(seconds=1))
    ended_sessions.insert(conn, "b", LATER)
    ended_sessions.insert(conn, "a", LATER)

    assert ended_sessions.read_ids(conn) == ["a", "b"]


def test_a_session_that_is_ended_twice_keeps_its_first_expiry(conn):
    ended_sessions.insert(conn, "a", LATER)
    ended_sessions.insert(conn, "a", datetime.now(UTC) - timedelta(seconds=1))

    assert ended_sessions.read_ids(conn) == ["a"]
