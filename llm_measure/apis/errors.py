"""The messages of error bodies, whose shapes providers share."""

from typing import Any


def message_of(content: Any) -> str | None:
    """Return the message of {"error": {"message"}}, FastAPI's {"detail"}, or {"message"}; None if none is."""
    if not isinstance(content, dict):
        return None
    error = content.get("error", content)
    if isinstance(error, str):
        return error
    found = error.get("message") or error.get("detail") if isinstance(error, dict) else None
    return str(found) if found else None
