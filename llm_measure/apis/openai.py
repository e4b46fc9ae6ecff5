"""What OpenAI's chat and completions APIs have in common, as compatible servers speak them."""

import re
from typing import Any

import msgspec

from llm_measure.apis.base import Usage, token_count


class _Model(msgspec.Struct):
    model: str | None = None


class OpenAIChunk(msgspec.Struct, gc=False):
    """What chunks of both APIs hold in addition to their choices."""

    usage: Usage | None = None
    error: Any = None
    timings: Any = None  # llama.cpp's

    def read_timings(self) -> None:
        """Read the number of cached tokens, which llama.cpp does not always report in the usage."""
        cached = token_count(self.timings.get("cache_n")) if isinstance(self.timings, dict) else None
        if cached is not None:
            self.usage = (self.usage or Usage()).over(Usage(cached=cached))


class OpenAI:
    """Bearer key, `[DONE]` as the end, and errors as {"error": {"message"}}."""

    end = b"[DONE]"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the Authorization header, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def model(self, data: bytes) -> str | None:
        """Return the field `model`."""
        try:
            return _decode_model(data).model or None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def error_message(self, content: Any) -> str | None:
        """Return the message of {"error": {"message"}}, FastAPI's {"detail"}, or {"message"}."""
        if not isinstance(content, dict):
            return None
        error = content.get("error", content)
        if isinstance(error, str):
            return error
        found = error.get("message") or error.get("detail") if isinstance(error, dict) else None
        return str(found) if found else None

    def stream_error(self, error: Any) -> tuple[int, str]:
        """Return the `code` or `status` if it is one of HTTP, else 500, and the message."""
        codes = (str(error.get(name)) for name in ("code", "status")) if isinstance(error, dict) else ()
        found = (int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code))
        return next(found, 500), self.error_message({"error": error}) or str(error)


_decode_model = msgspec.json.Decoder(_Model).decode


def streamed(model: str, asked: dict[str, Any], output_tokens: int) -> dict[str, Any]:
    """Return the body of a streamed request that asks for usage at its end."""
    return {
        "model": model,
        **asked,
        "max_tokens": output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
