"""Signed webhooks."""

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from tests.notifications import SECRET, STATE
from webapp.notify import sending
from webapp.notify.errors import SendError
from webapp.notify.sending import send
from webapp.notify.webhook import post
from webapp.plan.rules import Rule

BODY = {"event": "opened", "incident": {"id": 7, **STATE}}
HOOK = Rule("HOOK", secret_env="HOOK_KEY")


def test_the_body_is_the_documented_json(hook):
    send(HOOK, "incident-7-1", BODY)

    (request,) = hook.requests
    assert (request.method, request.path) == ("POST", "/the-secret-path")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "incident-7-1"
    sent_at = datetime.fromisoformat(request.json.pop("sent_at"))
    assert abs(datetime.now(UTC) - sent_at) < timedelta(seconds=30)
    assert {**request.json, "sent_at": None} == {"id": "incident-7-1", **BODY, "sent_at": None}


def test_the_receiver_can_check_who_sent_it_and_when(hook):
    send(HOOK, "incident-7-1", BODY)

    (request,) = hook.requests
    timestamp = request.headers["x-llm-benchmark-timestamp"]
    signed = timestamp.encode() + b"." + request.content
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert request.headers["x-llm-benchmark-signature"] == f"sha256={expected}"
    assert abs(time.time() - int(timestamp)) < 30


def test_a_redirect_is_not_followed(hook):
    hook.statuses[:] = [302]
    hook.location = f"{hook.url}/elsewhere"

    with pytest.raises(SendError, match="responded with status 302"):
        send(HOOK, "key", BODY)

    assert len(hook.requests) == 1


def test_an_unreachable_server_is_reported_without_its_address(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/the-secret-path"
        with pytest.raises(SendError, match=r"^no response: \[Errno 111\] Connection refused$"):
            post(url, SECRET, "key", BODY, 5)


def test_a_url_that_cannot_be_parsed_is_not_shown():
    with pytest.raises(SendError) as caught:
        post("http://localhost:9/the secret\npath", SECRET, "key", BODY, 5)

    assert not {"secret", "path"} & set(str(caught.value).split())
    assert caught.value.__cause__ is None


@pytest.fixture
def dripping():
    """The URL of a server that sends a header, byte by byte, for good."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not stop.wait(0.02):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        thread.join()


def test_a_server_that_answers_byte_by_byte_is_given_up(dripping, monkeypatch):
    monkeypatch.setattr(sending, "SEND_SECONDS", 0.3)
    monkeypatch.setenv("HOOK", dripping)
    monkeypatch.setenv("HOOK_KEY", SECRET)

    with pytest.raises(SendError, match=r"no response within 0\.3 s"):
        send(HOOK, "key", BODY)


def test_a_certificate_that_nobody_trusts_is_refused(monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(SendError, match="certificate verify failed"):
            post(f"https://127.0.0.1:{server.getsockname()[1]}/", SECRET, "key", BODY, 5)
        thread.join()


def test_the_body_is_the_same_json_however_often_it_is_read(hook):
    send(HOOK, "key", {"event": "test"})

    assert json.loads(hook.requests[0].content).keys() == {"id", "event", "sent_at"}
