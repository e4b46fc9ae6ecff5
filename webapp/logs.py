"""Logging of every process: one line per event, as text or JSON, with secrets redacted.

A JSON line also has the context of the event: request_id, or job_id, slot and run_ids.
"""

import logging
import time
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from llm_measure.redaction import Secrets
from llm_measure.text import printable
from webapp.settings import SHORTEST_KEY, Settings

logger = logging.getLogger(__name__)

TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# What this thread is working on, see `bind`.
CONTEXT: ContextVar[dict[str, Any] | None] = ContextVar("log_context", default=None)
# Replaces the fields in the JSON log lines of this thread.
bind = CONTEXT.set


class RedactingFilter(logging.Filter):
    """Removes keys and passwords from each record, and what could forge a line or control a terminal."""

    def __init__(self, settings: Settings):
        super().__init__()
        known = (
            *settings.api_keys,
            settings.postgres_password,
            settings.redis_password,
            settings.redis_sentinel_password,
            settings.secret_key,
            settings.grafana_db_password,
        )
        self._hide = Secrets(known).hide

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place; every record passes."""
        record.msg = printable(self._hide(record.getMessage()))
        record.args = ()
        for name, value in (CONTEXT.get() or {}).items():
            setattr(record, name, self._hide(value) if isinstance(value, str) else value)
        if record.exc_info:
            traceback = self._hide(logging.Formatter().formatException(record.exc_info))
            record.exc_text = "\n".join(map(printable, traceback.split("\n")))
            record.exc_info = None
        return True


def bind_more(**fields: Any) -> None:
    """Add these fields to the JSON log lines of this thread, until the next `bind`."""
    bind({**(CONTEXT.get() or {}), **fields})


def configure_logging(settings: Settings) -> None:
    """Log to stderr in the format and from the level of the settings; warn of a short API key."""
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
    # Alembic logs the names of its plugins whenever it is imported.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    if settings.has_short_key:
        logger.warning("API_KEY has a key of fewer than %d characters, which can be guessed", SHORTEST_KEY)
