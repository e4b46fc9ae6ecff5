"""Messages through Apprise: to Slack, Microsoft Teams, Discord, e-mail, PagerDuty, Opsgenie and ntfy."""

import logging
from contextvars import ContextVar
from typing import Any

import requests
from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP, NotifyOpsgenie
from apprise.plugins.pagerduty import NotifyPagerDuty

from webapp.notify.errors import SendError, TargetError, redacted
from webapp.notify.texts import text, title

TYPES = {"minor": NotifyType.WARNING, "major": NotifyType.WARNING, "critical": NotifyType.FAILURE}
ENDS = ("resolved", "closed")


class _Asset(AppriseAsset):
    app_id = "LLM Benchmark"
    app_desc = "LLM Benchmark"
    app_url = ""
    image_url_mask = ""
    image_url_logo = ""
    async_mode = False
    http_redirects = False


class _Warnings(logging.Handler):
    """Keeps what Apprise logs about a failure, which may show the URL.

    Of the call that it belongs to: another one may have timed out, and still be sending to another URL.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        return _CALL.get() is self

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


_CALL: ContextVar[_Warnings | None] = ContextVar("call", default=None)


def notify(url: str, key: str, body: dict[str, Any]) -> None:
    """Send the message to an Apprise URL; raises SendError, or TargetError if the URL cannot be used."""
    log = logging.getLogger("apprise")
    log.propagate = False
    logging.getLogger("urllib3").setLevel(logging.INFO)  # its DEBUG messages have the path of each request
    warnings = _Warnings()
    log.addHandler(warnings)
    call = _CALL.set(warnings)  # which Apprise's threads inherit
    try:
        sent = _notify(_plugin(url), key, body)
    finally:
        _CALL.reset(call)
        log.removeHandler(warnings)
    if not sent:
        raise SendError(redacted(warnings.texts[-1] if warnings.texts else "not sent", url))


def _plugin(url: str) -> NotifyBase:
    plugin = Apprise.instantiate(url, asset=_Asset(), suppress_exceptions=True)
    if not isinstance(plugin, NotifyBase):
        raise TargetError("not a URL that Apprise understands; see docs/notify.md")
    return plugin


def _notify(plugin: NotifyBase, key: str, body: dict[str, Any]) -> bool:
    """Send the message; to services of alerts, an incident is one alert, which its end resolves."""
    is_end = body["event"] in ENDS
    alert = f"llm-benchmark-{_subject(key, body)}"
    if isinstance(plugin, NotifyPagerDuty):
        plugin.dedup = alert
        plugin.action = "resolve" if is_end else "trigger"
    if isinstance(plugin, NotifyOpsgenie):
        plugin.alias = alert
        plugin.action = "new"
        if is_end:
            return _close(plugin, alert, body)
    sender = Apprise(asset=plugin.asset)
    sender.add(plugin)
    return bool(
        sender.notify(
            body=text(body), title=title(body), notify_type=_type(body), body_format=NotifyFormat.TEXT
        )
    )


def _subject(key: str, body: dict[str, Any]) -> str:
    return f"incident-{body['incident']['id']}" if "incident" in body else key


def _type(body: dict[str, Any]) -> NotifyType:
    if body["event"] in ENDS:
        return NotifyType.SUCCESS
    return TYPES[body["incident"]["severity"]] if "incident" in body else NotifyType.INFO


def _close(plugin: NotifyOpsgenie, alert: str, body: dict[str, Any]) -> bool:
    """Close the alert by its alias: Apprise only knows the alerts that the same process has created."""
    address = f"{OPSGENIE_API_LOOKUP[str(plugin.region_name)]}/{alert}/close"
    note = {"source": plugin.app_desc, "note": text(body)}
    success, _ = plugin._fetch(requests.post, address, note, {"identifierType": "alias"})
    return success
