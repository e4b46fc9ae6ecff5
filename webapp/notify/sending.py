"""Sending of one message to one target, within a few seconds."""

import threading
from collections.abc import Callable
from typing import Any

from webapp.notify.errors import SendError, TargetError
from webapp.notify.webhook import post
from webapp.plan.rules import Rule
from webapp.settings import secret_variable

SEND_SECONDS = 10.0
# Of Apprise's services, those that are tested and documented.
SERVICES = (
    "discord", "mailto", "mailtos", "ntfy", "ntfys", "opsgenie", "pagerduty", "slack", "workflows",
)  # fmt: skip
SCHEMES = ("http", "https", *SERVICES)


def send(rule: Rule, key: str, body: dict[str, Any]) -> None:
    """Send the message to the rule's target now; `key` is the same at each attempt.

    Raises SendError, or TargetError if the environment lacks a variable or its value cannot be used.
    """
    url = _variable(rule.target)
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise TargetError(f"unknown scheme; expected a URL of {', '.join(SCHEMES)}")
    if scheme in SERVICES:
        _within(SEND_SECONDS, lambda: _services().notify(url, key, body))
        return
    if rule.secret_env is None:
        raise TargetError("secret_env: missing; expected the variable with the key of webhooks")
    secret = _variable(rule.secret_env)
    _within(SEND_SECONDS, lambda: post(url, secret, key, body, SEND_SECONDS))


def _variable(name: str) -> str:
    value = (secret_variable(name) or "").strip()
    if not value:
        raise TargetError(f"environment variable {name}: not set")
    return value


def _services() -> Any:
    from webapp.notify import services  # noqa: PLC0415  (Apprise takes a quarter of a second)

    return services


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do the work in a thread, and raise SendError when it takes longer than that.

    Timeouts of sockets do not bound it: a server may send a byte every few seconds.
    """
    outcome: list[Exception | None] = []

    def run() -> None:
        try:
            work()
            outcome.append(None)
        except SendError as error:
            outcome.append(error)
        except Exception as error:  # of a library; its text may show the URL
            outcome.append(SendError(f"not sent: {type(error).__name__}"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    failure = outcome[0] if outcome else SendError(f"no response within {seconds:g} s")
    if failure:
        raise failure
