"""What a failed response says about itself: the class of its error, and a detail for people."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from llm_measure.apis import ProviderAPI
from llm_measure.client.exchange import Exchange
from llm_measure.records import Record

SHOWN_BYTES = 200  # of a response that is not understood
MAX_REFUSAL_BYTES = 1 << 20  # of an error body that is decoded
# What decoding raises: too deeply nested JSON ends in a RecursionError.
MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def fail(record: Record, failure: str, detail: str) -> None:
    """Record the class of error and its detail, as it is."""
    record.error, record.error_detail = failure, detail


def error_of(body: bytes, api: ProviderAPI) -> Any:
    """Return the error that a body without events is; empty if it is none."""
    try:
        content = msgspec.json.decode(body) if len(body) <= MAX_REFUSAL_BYTES else None
    except MALFORMED:
        return None
    return (content.get("error") if isinstance(content, dict) else None) or api.flat_error(body)


def error_in(data: bytes) -> Any:
    """Return the error that an event of this name holds: JSON with or without a field `error`, or a text."""
    try:
        content = msgspec.json.decode(data)
    except MALFORMED:
        return data.decode(errors="replace")
    return (isinstance(content, dict) and content.get("error")) or content or "no message"


def parse_refusal(exchange: Exchange, record: Record, api: ProviderAPI, url: str) -> None:
    """Record a response with a status other than 2xx."""
    status, body = exchange.status or 0, b"".join(exchange.parts)
    if 300 <= status < 400:
        fail(record, "malformed", f"{status}: redirect to {exchange.detail}; redirects are not followed")
        return
    try:
        content = msgspec.json.decode(body) if len(body) <= MAX_REFUSAL_BYTES else None
        detail = api.error_message(content) or shown(body)
    except MALFORMED:
        detail = shown(body)
    if status == 404 and url:
        version = "/v1" in urlsplit(url).path or "api-version=" in url
        detail = f"{detail[:SHOWN_BYTES]}; asked {url}" + ("" if version else "; does the base URL lack /v1?")
    if status == 401 and exchange.detail:
        detail = f"{exchange.detail}; {detail}"
    fail(record, class_of(status), f"{status}: {detail}")


def class_of(status: int) -> str:
    """Return the class of an error with this HTTP status."""
    if status == 429:
        return "rate_limited"
    return "http_4xx" if 400 <= status < 500 else "http_5xx"


def shown(body: bytes) -> str:
    """Return the beginning of the body, quoted."""
    return f"'{body[:SHOWN_BYTES].decode(errors='replace')}'"
