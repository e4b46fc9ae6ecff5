"""Errors of sending, which neither show a target's URL nor a part of it."""

import re
from urllib.parse import unquote

from llm_measure.redaction import HIDDEN, SHORTEST_SECRET
from llm_measure.text import printable

LONGEST_TEXT = 300
SEPARATORS = re.compile(r"[/:@?&=#,\s]+")


class SendError(Exception):
    """A message could not be sent now; the text is one line, and shows no secret."""


class TargetError(SendError):
    """A target cannot be used as it is configured."""


def redacted(text: str, *secrets: str) -> str:
    """Return the text in one line, cut, without the secrets and without parts of those that are URLs."""
    forms = [form for secret in secrets for form in (secret, unquote(secret))]
    parts = {part for form in forms for part in (form, *SEPARATORS.split(form.partition("://")[2]))}
    found = sorted((part for part in parts if len(part) >= SHORTEST_SECRET), key=len, reverse=True)
    if found:
        text = re.sub("|".join(map(re.escape, found)), HIDDEN, text, flags=re.IGNORECASE)
    return printable(" ".join(text.split())[:LONGEST_TEXT])
