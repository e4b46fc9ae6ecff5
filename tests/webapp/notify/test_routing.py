"""Which events become messages."""

import threading
from contextlib import closing
from datetime import time, timedelta

from tests.notifications import NOON, STATE
from tests.support import query
from webapp.notify.routing import route
from webapp.plan.rules import Rule
from webapp.store import connect

ALL = Rule("ALL")
CRITICAL = Rule("CRITICAL", severity="critical")
OTHERS = Rule("OTHERS", llms=("Llama 3.1 70B",))
QUIET = Rule("QUIET", quiet_hours=(time(10), time(13)))


def stored(conn) -> list[tuple]:
    return query(conn, "SELECT target, key FROM messages ORDER BY id")


def due(conn) -> list:
    return [due for (due,) in query(conn, "SELECT due_at FROM messages ORDER BY id")]


def test_an_event_becomes_a_message_for_each_target_that_wants_it(conn, store_event):
    store_event(7, 1, "opened")
    store_event(7, 2, "updated", severity="critical")

    assert route(conn, [ALL, CRITICAL, OTHERS], NOON) == 3

    assert stored(conn) == [("ALL", "incident-7-1"), ("ALL", "incident-7-2"), ("CRITICAL", "incident-7-2")]
    ((body,),) = query(conn, "SELECT body FROM messages WHERE key = 'incident-7-1'")
    assert body == {"event": "opened", "incident": {"id": 7, **STATE}}


def test_an_event_is_routed_once(conn, store_event):
    store_event(7, 1, "opened")

    assert [route(conn, [ALL], NOON), route(conn, [ALL, CRITICAL], NOON)] == [1, 0]
    assert query(conn, "SELECT routed FROM incident_events") == [(True,)]


def test_an_event_that_is_being_routed_by_another_process_is_awaited(conn, settings, store_event):
    store_event(7, 1, "opened")
    with closing(connect(settings)) as other:
        with other.cursor() as cursor:
            cursor.execute("UPDATE incident_events SET routed = true")
        done: list[int] = []
        thread = threading.Thread(target=lambda: done.append(route(conn, [ALL], NOON)))
        thread.start()
        thread.join(0.2)
        assert not done
        other.commit()
        thread.join(5)

    assert done == [0]


def test_acknowledgements_and_events_of_before_yesterday_are_sent_to_nobody(conn, store_event):
    store_event(7, 1, "opened", NOON - timedelta(hours=25))
    store_event(7, 2, "acknowledged")

    assert route(conn, [ALL], NOON) == 0
    assert query(conn, "SELECT DISTINCT routed FROM incident_events") == [(True,)]


def test_in_quiet_hours_a_message_waits_unless_it_is_critical(conn, store_event):
    store_event(7, 1, "opened")
    store_event(8, 1, "opened", severity="critical")

    route(conn, [QUIET], NOON)

    assert due(conn) == [NOON + timedelta(hours=1), NOON]


def test_a_critical_message_is_not_held_up_by_a_quiet_one_of_its_incident(conn, store_event):
    store_event(7, 1, "opened")
    store_event(8, 1, "opened")
    route(conn, [QUIET], NOON)
    store_event(7, 2, "updated", severity="critical")

    route(conn, [QUIET], NOON + timedelta(minutes=5))

    later = NOON + timedelta(minutes=5)
    assert due(conn) == [later, NOON + timedelta(hours=1), later]
