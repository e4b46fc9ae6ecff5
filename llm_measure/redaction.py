"""Texts from outside, made fit to be stored and shown: secrets hidden, control characters escaped, cut."""

import re
from collections.abc import Iterable

from llm_measure.records import Record
from llm_measure.text import printable

HIDDEN = "(hidden)"
MAX_DETAIL, MAX_FINISH_REASON, MAX_MODEL = 400, 100, 200  # characters that a record keeps
WINDOW = 1 << 14  # characters that are looked at; fewer are kept
# Shorter secrets would match ordinary words.
SHORTEST_SECRET = 4
# Credentials that a server or a proxy repeats: of a header, and of a URL.
CREDENTIALS = re.compile(
    r"""(?P<before>(?:authorization|x-amz-security-token)["']?\s{0,9}[:=]\s{0,9}["']?"""
    r"""(?:(?:bearer|basic)\s{1,9})?)[^\s"',;]+"""
    r"""|(?P<scheme>://)[^\s/@"']{1,200}(?=@)""",
    re.IGNORECASE,
)


class Secrets:
    """Secrets that no text may show; None and short ones are left out."""

    def __init__(self, known: Iterable[str | None] = ()):
        self._known: list[str] = []
        for word in known:
            self.learn(word)

    def learn(self, word: str | None) -> None:
        """Hide this secret, too."""
        if word and len(word) >= SHORTEST_SECRET and word not in self._known:
            # The longest first, since one may be part of another.
            self._known = sorted((*self._known, word), key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Return the text without the secrets."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return text

    def hide_parts(self, text: str) -> str:
        """Return the text without the secrets or their beginnings, since some servers show those."""
        for secret in self._known:
            if secret[:SHORTEST_SECRET] in text:
                for length in range(len(secret), SHORTEST_SECRET - 1, -1):
                    text = text.replace(secret[:length], HIDDEN)
        return text


def clean_texts(record: Record, secrets: Secrets) -> None:
    """Clean the record's texts in place, see `clean`."""
    if record.error_detail is not None:
        record.error_detail = clean(record.error_detail, MAX_DETAIL, secrets)
    if record.finish_reason is not None:
        record.finish_reason = clean(record.finish_reason, MAX_FINISH_REASON, secrets)
    if record.answered_by is not None:
        record.answered_by = clean(record.answered_by, MAX_MODEL, secrets)


def clean(text: str, limit: int, secrets: Secrets) -> str:
    """Return at most `limit` characters, all printable, without secrets and credentials.

    Other characters become escapes such as \\x00, so that they can neither control a terminal nor be refused
    by a database. What is clean stays as it is.
    """
    text = secrets.hide_parts(text[:WINDOW])
    text = CREDENTIALS.sub(lambda found: (found["before"] or found["scheme"]) + HIDDEN, text)
    return printable(text[:limit])[:limit]
