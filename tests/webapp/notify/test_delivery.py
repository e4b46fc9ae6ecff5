"""The outbox: each message reaches its target, in order, and with one key."""

import logging
import threading
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from tests.notifications import NOON, SECRET
from tests.support import query
from tests.web import wait_until
from webapp.notify import delivery
from webapp.notify.delivery import deliver
from webapp.notify.routing import route
from webapp.plan.rules import Rule
from webapp.store import connect

HOOK = Rule("HOOK", secret_env="HOOK_KEY")
OTHER = Rule("OTHER", secret_env="HOOK_KEY")


@pytest.fixture
def deliver_at(conn):
    """Routes and delivers as if it were some time after noon; returns the errors."""

    def deliver_at(*rules: Rule, **later: float) -> dict[str, str]:
        now = NOON + timedelta(**later)
        route(conn, rules, now)
        return deliver(conn, rules, lambda: now)

    return deliver_at


def test_each_state_reaches_the_target_once_although_it_fails_twice(hook, store_event, deliver_at):
    store_event(7, 1, "opened")
    store_event(7, 2, "resolved")
    hook.statuses[:] = [500, 500]

    first = deliver_at(HOOK)
    early = deliver_at(HOOK, seconds=29)
    second = deliver_at(HOOK, seconds=30)
    third = deliver_at(HOOK, seconds=90)
    again = deliver_at(HOOK, seconds=500)

    assert first == second == {"HOOK": "responded with status 500"}
    assert early == third == again == {}
    assert hook.keys == ["incident-7-1"] * 3 + ["incident-7-2"]
    assert [request.json["event"] for request in hook.requests[2:]] == ["opened", "resolved"]


def test_a_later_state_waits_for_the_earlier_and_other_incidents_do_not(hook, store_event, deliver_at):
    store_event(7, 1, "opened")
    hook.statuses[:] = [500]
    deliver_at(HOOK)
    store_event(7, 2, "resolved")
    store_event(8, 1, "opened")

    deliver_at(HOOK, seconds=10)
    assert hook.keys == ["incident-7-1", "incident-8-1"]

    deliver_at(HOOK, seconds=30)
    assert hook.keys[2:] == ["incident-7-1", "incident-7-2"]


def test_a_target_that_fails_is_asked_once_and_holds_up_no_other(hook, store_event, deliver_at, monkeypatch):
    monkeypatch.setenv("OTHER", hook.url)
    store_event(7, 1, "opened")
    store_event(8, 1, "opened")
    hook.statuses[:] = [500]

    assert deliver_at(HOOK, OTHER) == {"HOOK": "responded with status 500"}

    assert [request.path for request in hook.requests] == ["/the-secret-path", "/", "/"]


def test_two_processes_send_each_message_once(hook, store_event, conn, settings):
    for incident in range(10):
        store_event(incident, 1, "opened")
        store_event(incident, 2, "resolved")
    route(conn, [HOOK], NOON)
    hook.may_answer.clear()

    def work() -> None:
        with closing(connect(settings)) as own:
            deliver(own, [HOOK], lambda: NOON)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(hook.requests) == len(threads))
    hook.may_answer.set()
    for thread in threads:
        thread.join(20)

    assert len(hook.keys) == len(set(hook.keys)) == 20
    for incident in range(10):
        assert hook.keys.index(f"incident-{incident}-1") < hook.keys.index(f"incident-{incident}-2")


def test_a_message_is_locked_for_a_bounded_time_although_its_sender_has_vanished(
    hook, store_event, conn, settings, monkeypatch
):
    store_event(7, 1, "opened")
    route(conn, [HOOK], NOON)
    hook.may_answer.clear()
    errors: list[Exception] = []

    def work() -> None:
        with closing(connect(settings)) as own:
            try:
                deliver(own, [HOOK], lambda: NOON)
            except psycopg2.Error as error:
                errors.append(error)

    with monkeypatch.context() as brief:
        brief.setattr(delivery, "LONGEST_LOCK_S", 0.2)
        vanished = threading.Thread(target=work)
        vanished.start()
        wait_until(lambda: query(conn, "SELECT id FROM messages FOR UPDATE SKIP LOCKED") == [])
        wait_until(lambda: query(conn, "SELECT id FROM messages FOR UPDATE SKIP LOCKED"))
    hook.may_answer.set()
    vanished.join(10)

    assert deliver(conn, [HOOK], lambda: NOON) == {}
    assert hook.keys == ["incident-7-1"] * 2
    assert len(errors) == 1


def test_pauses_grow_and_after_a_day_the_message_is_given_up(hook, store_event, deliver_at, conn, caplog):
    store_event(7, 1, "opened")
    hook.statuses[:] = [500] * 100
    pauses = []
    now = timedelta()
    with caplog.at_level(logging.ERROR):
        while not caplog.records:
            deliver_at(HOOK, seconds=now.total_seconds())
            ((due,),) = query(conn, "SELECT due_at FROM messages")
            pauses.append((due - NOON - now).total_seconds())
            now = due - NOON

    assert pauses[:9] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert timedelta(hours=24) <= now < timedelta(hours=25)
    assert query(conn, "SELECT sent_at, error, given_up_at IS NULL FROM messages") == [
        (None, "responded with status 500", False)
    ]
    assert "HOOK: incident-7-1 given up" in caplog.text


def test_the_states_after_one_that_was_given_up_are_sent(hook, store_event, deliver_at):
    store_event(7, 1, "opened")
    hook.statuses[:] = [500, 500]
    deliver_at(HOOK)
    deliver_at(HOOK, hours=24)
    store_event(7, 2, "resolved", NOON + timedelta(hours=24))

    assert deliver_at(HOOK, hours=24) == {}
    assert hook.keys[2:] == ["incident-7-2"]


def test_messages_of_a_target_that_has_left_the_file_are_given_up(hook, store_event, deliver_at, conn):
    store_event(7, 1, "opened")
    route(conn, [HOOK], NOON)

    assert deliver_at(OTHER) == {}

    assert not hook.requests
    assert query(conn, "SELECT error FROM messages WHERE given_up_at IS NOT NULL") == [
        ("target: no longer in the benchmark file",)
    ]


@pytest.mark.parametrize(
    ("url", "key", "error"),
    [
        ("", SECRET, "environment variable HOOK: not set"),
        ("https://a.test/s3cret", "", "environment variable HOOK_KEY: not set"),
        ("s3cret.test/hook", SECRET, "unknown scheme; expected a URL of http, https, discord, mailto,"),
        ("file:///etc/passwd", SECRET, "unknown scheme"),
        ("http://me:s3cret@localhost", SECRET, "the URL of a webhook must not have a user or password"),
        ("slack://", SECRET, "not a URL that Apprise understands; see docs/notify.md"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(hook, store_event, deliver_at, monkeypatch, url, key, error):
    monkeypatch.setenv("HOOK", url)
    monkeypatch.setenv("HOOK_KEY", key)
    store_event(7, 1, "opened")

    assert deliver_at(HOOK)["HOOK"].startswith(error)


def test_neither_the_database_nor_the_log_has_url_or_key(hook, store_event, deliver_at, conn, caplog):
    store_event(7, 1, "opened")
    hook.statuses[:] = [403]
    with caplog.at_level(logging.DEBUG):
        deliver_at(HOOK)
        deliver_at(HOOK, hours=1)

    assert len(hook.requests) == 2
    rows = str(query(conn, "SELECT * FROM messages"))
    for secret in ("the-secret-path", SECRET, hook.url):
        assert secret not in rows + caplog.text
