"""Signed webhooks: a message as JSON, with a key by which a receiver ignores duplicates."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from webapp.notify.errors import SendError, TargetError, redacted

KEY_HEADER = "Idempotency-Key"
TIMESTAMP_HEADER = "X-LLM-Benchmark-Timestamp"
SIGNATURE_HEADER = "X-LLM-Benchmark-Signature"


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, which would send the message to somebody else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def post(url: str, secret: str, key: str, body: dict[str, Any], timeout_s: float) -> None:
    """Post the message, signed with the secret; raises SendError unless the status is one of success.

    The response's body is not read.
    """
    if "@" in urlsplit(url).netloc:
        raise TargetError("the URL of a webhook must not have a user or password; its requests are signed")
    document = {"id": key, **body, "sent_at": datetime.now(UTC).isoformat()}
    content = json.dumps(document, allow_nan=False).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "llm-benchmark",
        KEY_HEADER: key,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: f"sha256={signature(secret, timestamp, content)}",
    }
    try:
        request = Request(url, content, headers, method="POST")  # noqa: S310  (the scheme is http or https)
        build_opener(_NoRedirects).open(request, timeout=timeout_s).close()
    except HTTPError as error:
        error.close()
        raise SendError(f"responded with status {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise SendError(redacted(f"no response: {reason}", url, secret)) from None


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """Return the HMAC with SHA-256 of timestamp, a dot and the body, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()
