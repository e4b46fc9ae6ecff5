"""Sending of what is in the outbox: at least once, to each target in the order of each incident's states."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from webapp.notify.errors import SendError
from webapp.notify.sending import send
from webapp.plan.rules import Rule
from webapp.store import Connection, messages
from webapp.store.messages import Message
from webapp.store.transactions import limit_idleness

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(hours=24)
UNKNOWN_TARGET = "target: no longer in the benchmark file"
# How long a message is locked: longer than it takes to send it.
LONGEST_LOCK_S = 30.0
# Of one call, well below RQ's timeout of its job.
LONGEST_S = 300


def deliver(
    conn: Connection,
    rules: Sequence[Rule],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, str]:
    """Send the messages that are due; return the errors by target. Commits after each message.

    A message's row is locked while it is sent, so that no two processes send it. A target that fails is not
    asked again in this call. What is sent while the database fails is sent again, with the same key.
    """
    known = {rule.target: rule for rule in rules}
    if given_up := messages.give_up_others(conn, known, UNKNOWN_TARGET, clock()):
        logger.warning("%d messages given up: their targets are no longer in the benchmark file", given_up)
    conn.commit()
    failing: dict[str, str] = {}
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        limit_idleness(conn, LONGEST_LOCK_S)
        message = messages.claim(conn, clock(), failing)
        if message is None:
            break
        rule = known.get(message.target)
        if rule is None:  # stored since by a process that knows a newer file
            failing[message.target] = "not yet in this machine's benchmark file"
        elif error := _attempt(conn, rule, message, clock):
            failing[message.target] = error
        conn.commit()
    conn.commit()
    return failing


def _attempt(conn: Connection, rule: Rule, message: Message, clock: Callable[[], datetime]) -> str | None:
    """Send the message and record how that ended; return the error."""
    try:
        send(rule, message.key, message.body)
    except SendError as error:
        _record_failure(conn, rule, message, str(error), clock())
        return str(error)
    messages.mark_sent(conn, message, clock())
    logger.info("%s: sent %s", message.target, message.key)
    return None


def _record_failure(conn: Connection, rule: Rule, message: Message, error: str, now: datetime) -> None:
    if now - _first_due(rule, message) >= GIVEN_UP_AFTER:
        logger.error("%s: %s given up: %s", message.target, message.key, error)
        messages.give_up(conn, message, error, now)
        return
    pause = min(FIRST_PAUSE * 2 ** min(message.attempts, 20), LONGEST_PAUSE)
    logger.warning("%s: %s: %s; next attempt in %s", message.target, message.key, error, pause)
    messages.mark_failed(conn, message, error, now + pause)


def _first_due(rule: Rule, message: Message) -> datetime:
    severity = message.body.get("incident", {}).get("severity")
    return rule.due(severity, message.created_at) if severity else message.created_at
