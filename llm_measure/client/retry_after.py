"""Retry-After: how long an endpoint asks to be left alone."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from llm_measure.client.exchange import Exchange

STATUSES = (429, 503, 529)  # Anthropic's servers are overloaded with a 529
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
LONGEST_S = 60.0  # that is waited, whatever an endpoint asks for


def asked_wait_s(exchange: Exchange, now: datetime | None = None) -> float | None:
    """Return how long the response asks to wait, at most a minute; None if it does not.

    The header holds seconds or a date, https://www.rfc-editor.org/rfc/rfc9110#field.retry-after. Azure sends
    the same, and more exactly, as retry-after-ms.
    """
    if exchange.status not in STATUSES:
        return None
    milliseconds = exchange.retry_after_ms.decode("latin-1").strip()
    if NUMBER.fullmatch(milliseconds):
        return min(float(milliseconds) / 1000, LONGEST_S)
    text = exchange.retry_after.decode("latin-1").strip()
    if NUMBER.fullmatch(text):
        return min(float(text), LONGEST_S)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - (now or datetime.now(UTC))).total_seconds(), 0.0), LONGEST_S)
