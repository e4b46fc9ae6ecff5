"""Parsers of settings: each takes the text, stripped unless it is a password.

They raise ValueError with what is expected.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network

from webapp.scenarios import REGION, REGION_RULE
from webapp.settings.environment import ROOT

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("text", "json")
SHORTEST_SECRET = 32
MOST_DAYS = 36_500
LONGEST_SOCKET_PATH = 107  # bytes, in Linux


def text(raw: str) -> str:
    """Accept any name."""
    if not raw or "\0" in raw:
        raise ValueError("must be a name")
    return raw


def server(raw: str) -> str:
    """Accept a host, an address, or the path of a Unix socket."""
    if not raw:
        raise ValueError("must name a server; may be empty only with `make start`, which brings one")
    return raw


def keys(raw: str) -> tuple[str, ...]:
    """Return API keys that are separated by commas."""
    keys = tuple(key for key in (part.strip() for part in raw.split(",")) if key)
    if not keys:
        raise ValueError("must contain at least one key; see make env")
    if any(not key.isascii() or not key.isprintable() or " " in key for key in keys):
        raise ValueError("must contain keys of printable ASCII without spaces, separated by commas")
    return keys


def secret_key(raw: str) -> str:
    """Accept a long secret, or none."""
    if raw and len(raw) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} random characters, or be empty; see make env")
    return raw


def host(raw: str) -> str:
    """Accept one name or address to listen on, or the absolute path of a Unix socket after `unix:`."""
    if re.fullmatch(r"unix:/[^/\0\n][^\0\n]*", raw):
        if len(raw.encode()) > LONGEST_SOCKET_PATH + len("unix:"):
            raise ValueError(f"must have a path of at most {LONGEST_SOCKET_PATH} bytes")
        return raw
    odd = any(character.isspace() or character in "/,[]" for character in raw) or not raw.isascii()
    if odd or raw.startswith("unix:"):
        raise ValueError("must be one name or address, such as 127.0.0.1, 0.0.0.0 or ::, or unix:/path")
    return raw


def file(raw: str) -> str:
    """Return the absolute path of a file; empty for none."""
    # Relative to the project's folder, so that every working directory leads to the same file.
    if raw and not (ROOT / raw).is_file():
        raise ValueError("must be the path of a file, absolute or relative to the project's folder")
    return str(ROOT / raw) if raw else ""


def region(raw: str) -> str:
    """Accept the name of a region."""
    if not REGION.match(raw):
        raise ValueError(f"{REGION_RULE}; or empty")
    return raw


def password(raw: str) -> str:
    """Accept any characters but NUL, which no server can receive."""
    if "\0" in raw:
        raise ValueError("must not contain NUL")
    return raw


def key_prefix(raw: str) -> str:
    """Accept what keys of Redis may begin with; empty for nothing."""
    if not re.fullmatch(r"[\w.:-]{0,100}", raw, re.ASCII):
        raise ValueError("must be at most 100 of the characters a-z, A-Z, 0-9, _, ., : and -")
    return raw


def addresses(raw: str) -> tuple[tuple[str, int], ...]:
    """Parse hosts with optional ports, separated by commas; an IPv6 address is in brackets."""
    found = []
    for part in filter(None, map(str.strip, raw.split(","))):
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]]+))(?::(\d+))?", part)
        if not match or not 1 <= int(match[3] or 26379) <= 65535:
            raise ValueError("must be hosts with ports, such as a:26379, b:26379, [::1]:26379")
        found.append((match[1] or match[2], int(match[3] or 26379)))
    return tuple(found)


def networks(raw: str) -> tuple[str, ...]:
    """Parse addresses and networks, separated by commas; `*` is every address."""
    found = []
    for part in filter(None, map(str.strip, raw.split(","))):
        try:
            found.append(part if part == "*" else str(ip_network(part, strict=False)))
        except ValueError:
            raise ValueError(f"{part!r}: must be an address or network, such as 10.0.0.0/8, or *") from None
    return tuple(found)


def url_prefix(raw: str) -> str:
    """Return a path without a slash at its end; empty for the root."""
    trimmed = raw.rstrip("/")
    if trimmed and not re.fullmatch(r"(/[\w.~-]+)+", trimmed, re.ASCII):
        raise ValueError("must be a path of letters, digits, ., _, ~ and -, such as /llm, or empty")
    return trimmed


def frame_ancestors(raw: str) -> str:
    """Parse the sources of the directive frame-ancestors of Content-Security-Policy."""
    if any(character in ';,"' or not character.isprintable() for character in raw) or not raw.isascii():
        raise ValueError("must be sources separated by spaces, such as 'self' https://intranet.example.org")
    return raw


def seed(raw: str) -> int | None:
    """Return a whole number; None for fresh randomness."""
    try:
        return int(raw) if raw else None
    except ValueError:
        raise ValueError("must be a whole number, or empty for fresh randomness") from None


def minutes(raw: str) -> int:
    """Return a number of minutes in seconds."""
    try:
        seconds = round(float(raw) * 60)
        if 1 <= seconds <= 7 * 24 * 3600:
            return seconds
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a number of minutes between one second (0.0167) and one week (10080)")


def yes_or_no(raw: str) -> bool:
    """Return whether the text says yes."""
    if raw.lower() in ("1", "true", "yes", "on"):
        return True
    if raw.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Accept whole numbers from `low` to `high`."""

    def parser(raw: str) -> int:
        # int() alone would accept 1_0, digits of other scripts, and any number of digits.
        if raw.isascii() and raw.isdigit() and len(raw) <= len(str(high)) and low <= int(raw) <= high:
            return int(raw)
        raise ValueError(f"must be a whole number from {low} to {high}")

    return parser


def number(low: float, high: float) -> Callable[[str], float]:
    """Accept numbers from `low` to `high`."""

    def parser(raw: str) -> float:
        try:
            if low <= float(raw) <= high:
                return float(raw)
        except ValueError:
            pass
        raise ValueError(f"must be a number from {low:g} to {high:g}")

    return parser


def days(low: int) -> Callable[[str], int]:
    """Accept numbers of days, at least `low`, or 0 for no limit."""

    def parser(raw: str) -> int:
        try:
            days = whole(0, MOST_DAYS)(raw)
        except ValueError:
            days = -1
        if days != 0 and not low <= days:
            raise ValueError(f"must be a whole number of days from {low} to {MOST_DAYS}, or 0 for no limit")
        return days

    return parser


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Accept one of the choices."""

    def parser(raw: str) -> str:
        if raw not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return raw

    return parser
