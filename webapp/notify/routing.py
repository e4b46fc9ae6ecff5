"""Which events of incidents become messages, and to whom."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from webapp.plan.rules import Rule
from webapp.store import Connection, messages
from webapp.store.messages import Event

BATCH_EVENTS = 100
# What is older when it is found, after an outage or with the first rule, is sent to nobody.
LONGEST_AGE = timedelta(hours=24)
# Nobody has to act on an acknowledgement.
UNSENT_KINDS = ("acknowledged",)


def route(conn: Connection, rules: Sequence[Rule], now: datetime) -> int:
    """Store the messages of the events that have none yet; return the number of messages.

    Commits each batch of events together with their messages.
    """
    stored = 0
    while events := messages.lock_unrouted(conn, BATCH_EVENTS):
        for event in events:
            stored += _route_event(conn, rules, event, now)
            messages.mark_routed(conn, event)
        conn.commit()
    conn.commit()
    return stored


def _route_event(conn: Connection, rules: Sequence[Rule], event: Event, now: datetime) -> int:
    if event.kind in UNSENT_KINDS or now - event.at > LONGEST_AGE:
        return 0
    stored = 0
    for rule in rules:
        if not rule.wants(event.state):
            continue
        due = rule.due(event.state["severity"], now)
        stored += messages.insert(conn, rule.target, event.key, body_of(event), now, due)
        if due <= now:  # what was held back before it has to be sent first
            messages.hasten(conn, rule.target, event.incident_id, now)
    return stored


def body_of(event: Event) -> dict[str, Any]:
    """Return what the event's messages say."""
    return {"event": event.kind, "incident": {"id": event.incident_id, **event.state}}
