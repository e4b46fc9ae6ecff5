"""Messages through Apprise, against servers that replace the services."""

import io
import logging
import socketserver
import threading
from email import message_from_bytes
from email.header import decode_header, make_header

import pytest
from apprise.manager_plugins import NotificationManager
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP
from apprise.plugins.pagerduty import PAGERDUTY_API_LOOKUP
from apprise.plugins.slack import NotifySlack

from tests.notifications import state
from webapp.notify.errors import SendError
from webapp.notify.sending import SERVICES, send
from webapp.notify.services import notify
from webapp.plan.rules import Rule

SECRET = "T0PS3CRETT0KEN"


def body(event: str = "opened", **changes: object) -> dict:
    return {"event": event, "incident": {"id": 7, **state(**changes)}}


def test_ntfy_gets_title_and_text(receiver, monkeypatch):
    monkeypatch.setenv("NTFY", receiver.url.replace("http", "ntfy") + "/my-topic")

    send(Rule("NTFY"), "incident-7-1", body())

    (request,) = receiver.requests
    assert request.json["topic"] == "my-topic"
    assert request.json["title"] == "Opened (minor): GPT-4o: ttft 30 % slower"
    assert "ttft (mean) 1 to 1.3 s, +30 % (95 % interval +25 % to +35 %)" in request.json["message"]


def test_slack_and_discord_get_title_and_text(receiver, monkeypatch):
    monkeypatch.setattr(NotifySlack, "webhook_url", receiver.url)
    monkeypatch.setattr(NotifyDiscord, "notify_url", receiver.url)

    receiver.body = b"ok"
    notify(f"slack://T1JJ3T3L2/A1BRTD4JD/{SECRET}TIiajkdnlazkcOXrIdev/#general", "key", body())
    notify(f"discord://123456789/{SECRET}abcdefgh", "key", body())

    assert len(receiver.requests) == 2
    for request in receiver.requests:
        assert b"GPT-4o: ttft 30 % slower" in request.content
        assert b"github.com" not in request.content  # where Apprise has its icons


def test_pagerduty_opens_and_resolves_one_alert_per_incident(receiver, monkeypatch):
    monkeypatch.setitem(PAGERDUTY_API_LOOKUP, "us", receiver.url)
    for number, (event, severity) in enumerate(
        [("opened", "minor"), ("updated", "critical"), ("resolved", "critical")]
    ):
        notify(f"pagerduty://{SECRET}@key", f"incident-7-{number}", body(event, severity=severity))

    found = [request.json for request in receiver.requests]
    assert [each["event_action"] for each in found] == ["trigger", "trigger", "resolve"]
    assert {each["dedup_key"] for each in found} == {"llm-benchmark-incident-7"}
    assert [each["payload"]["severity"] for each in found[:2]] == ["warning", "critical"]


def test_opsgenie_opens_and_closes_one_alert_per_incident(receiver, monkeypatch):
    monkeypatch.setitem(OPSGENIE_API_LOOKUP, "us", f"{receiver.url}/v2/alerts")
    for number, event in enumerate(["opened", "resolved"]):
        notify(f"opsgenie://{SECRET}", f"incident-7-{number}", body(event))

    opened, closed = receiver.requests
    assert (opened.path, opened.json["alias"]) == ("/v2/alerts", "llm-benchmark-incident-7")
    assert closed.path == "/v2/alerts/llm-benchmark-incident-7/close?identifierType=alias"
    assert closed.headers["authorization"] == f"GenieKey {SECRET}"


def test_a_redirect_is_not_followed(receiver):
    receiver.statuses[:] = [307]
    receiver.location = f"{receiver.url}/elsewhere"

    with pytest.raises(SendError):
        notify(receiver.url.replace("http", "ntfy") + "/topic", "key", body())

    assert len(receiver.requests) == 1


@pytest.fixture
def log():
    """What the program logs at any level."""
    handler, root = logging.StreamHandler(io.StringIO()), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_failure_has_its_status_and_no_part_of_the_url(receiver, monkeypatch, log):
    monkeypatch.setattr(NotifySlack, "webhook_url", receiver.url)
    monkeypatch.setitem(PAGERDUTY_API_LOOKUP, "us", receiver.url)
    monkeypatch.setitem(OPSGENIE_API_LOOKUP, "us", receiver.url)
    urls = (
        f"slack://T1JJ3T3L2/A1BRTD4JD/{SECRET}TIiajkdnlazkcOXrIdev",
        f"pagerduty://{SECRET}@{SECRET}",
        f"opsgenie://{SECRET}",
        receiver.url.replace("http://", f"ntfy://me:{SECRET}@") + f"/{SECRET}",
    )
    for url in urls:
        receiver.statuses[:] = [403]
        with pytest.raises(SendError, match="403") as caught:
            notify(url, "key", body())
        assert SECRET.lower() not in str(caught.value).lower()

    logging.getLogger("test").debug("the log works")
    assert "the log works" in log.getvalue()
    assert SECRET.lower() not in log.getvalue().lower()


def test_an_unreachable_service_is_reported_without_a_part_of_the_url(log):
    with pytest.raises(SendError) as caught:
        notify(f"ntfy://127.0.0.1:9/{SECRET}", "key", body())

    assert SECRET.lower() not in (str(caught.value) + log.getvalue()).lower()
    assert "127.0.0.1" not in str(caught.value)


class _Other(logging.Handler):
    """Has another thread, which sends to another URL, warn after each step of this one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.getMessage() != SECRET:
            other = threading.Thread(target=logging.getLogger("apprise").warning, args=(SECRET,))
            other.start()
            other.join()
        return False


def test_a_failure_is_not_described_by_what_another_thread_logs(receiver):
    receiver.statuses[:] = [403]
    log, other = logging.getLogger("apprise"), _Other()
    level = log.level
    log.addHandler(other)
    log.setLevel(logging.DEBUG)
    try:
        with pytest.raises(SendError) as caught:
            notify(receiver.url.replace("http", "ntfy") + "/topic", "key", body())
    finally:
        log.removeHandler(other)
        log.setLevel(level)

    assert SECRET not in str(caught.value)


def test_apprise_knows_every_scheme():
    known = NotificationManager()

    assert [scheme for scheme in SERVICES if scheme not in known] == []


class _Sink(socketserver.StreamRequestHandler):
    """Takes one message by SMTP."""

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 send\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.received.append(b"".join(lines))
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def mail_server():
    with socketserver.TCPServer(("127.0.0.1", 0), _Sink) as server:
        server.received = []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_mail_has_title_and_text(mail_server):
    port = mail_server.server_address[1]

    notify(f"mailto://127.0.0.1:{port}?from=bench@example.org&to=ops@example.org", "key", body())

    (received,) = mail_server.received
    mail = message_from_bytes(received)
    assert mail["To"] == "ops@example.org"
    assert str(make_header(decode_header(mail["Subject"]))) == "Opened (minor): GPT-4o: ttft 30 % slower"
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    assert "GPT-4o (simulation), incident 7" in part.get_payload(decode=True).decode()
