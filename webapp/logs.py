"""Logging for every process: one line an event, as text or as JSON, and no secret in any.

In JSON each line also carries what it is about: request_id, or job_id, slot and run_ids.
"""

import logging
import time
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from webapp.settings import Settings

TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# Shorter ones would be found in ordinary words.
SHORTEST_SECRET = 4
# What this thread is at, see `bind`.
CONTEXT: ContextVar[dict[str, Any] | None] = ContextVar("log_context", default=None)
# From now on, let the JSON log lines of this thread carry these fields and no others.
bind = CONTEXT.set
# What was sent must not be able to begin a line of its own, or to steer a terminal.
CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


class RedactingFilter(logging.Filter):
    """Takes keys and passwords, wherever they may come from, and control characters out of each record."""

    def __init__(self, settings: Settings):
        super().__init__()
        known = (
            *settings.api_keys,
            settings.postgres_password,
            settings.redis_password,
            settings.secret_key,
            settings.grafana_db_password,
        )
        # The longest first: one may be part of another.
        self._secrets = sorted(
            {word for word in known if len(word) >= SHORTEST_SECRET}, key=len, reverse=True
        )

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; none is dropped."""
        record.msg = self._hide(record.getMessage()).translate(CONTROL_CHARACTERS)
        record.args = ()
        for name, value in (CONTEXT.get() or {}).items():
            setattr(record, name, self._hide(value) if isinstance(value, str) else value)
        if record.exc_info:
            record.exc_text = self._hide(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "(hidden)")
        return text


def bind_more(**fields: Any) -> None:
    """Let the JSON log lines of this thread carry these fields, too, until the next `bind`."""
    bind({**(CONTEXT.get() or {}), **fields})


def configure_logging(settings: Settings) -> None:
    """Send all log records of this process to stderr in the format and from the level that are set."""
    formatter: logging.Formatter
    if settings.log_format == "json":
        formatter = JsonFormatter(
            ["asctime", "levelname", "name", "message"],
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    else:
        formatter = logging.Formatter(TEXT_FORMAT)
    formatter.converter = time.gmtime
    formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    formatter.default_msec_format = "%s.%03dZ"
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(RedactingFilter(settings))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
