"""What OpenAI's APIs have in common, as compatible servers speak them."""

import re
from typing import Any

import msgspec

from llm_measure.apis.base import Usage, token_count
from llm_measure.apis.errors import message_of
from llm_measure.framing import Framing, sse

# What a code or type such as rate_limit_exceeded or BadRequestError amounts to, by what its letters contain.
# Anything else, such as server_error or overloaded_error, is the server's fault.
MEANINGS = (
    (429, re.compile("ratelimit|quota|toomanyrequests|resourceexhausted|throttl")),
    (404, re.compile("notfound")),
    (401, re.compile("authenticat|apikey|unauthorized")),
    (403, re.compile("permission|forbidden")),
    (400, re.compile("invalid|badrequest|context(length|window|size)|content(filter|policy)|unprocessable")),
)
DEFAULT_STATUS = 500
DONE = b"[DONE]"


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


class OpenAIConventions:
    """Bearer key, and errors as {"error": {"message"}}."""

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the Authorization header, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def flat_error(self, data: bytes) -> Any:
        """Return an object without choices that is an error by its type, or by a message with a code."""
        try:
            content = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(content, dict) or "choices" in content:
            return None
        is_named = "error" in (content.get("object"), content.get("type"))
        has_code = any(content.get(name) for name in ("code", "type", "status")) or content.get("detail")
        return content if is_named or (has_code and self.error_message(content)) else None

    def error_message(self, content: Any) -> str | None:
        """Return the message of an error as OpenAI, FastAPI or a plain server writes it."""
        return message_of(content)

    def stream_error(self, error: Any) -> tuple[int, str]:
        """Return the status by the error's code, type or status, else 500, and the message."""
        message = message_of({"error": error}) or str(error)
        if not isinstance(error, dict):
            return DEFAULT_STATUS, message
        codes = [str(code) for name in ("code", "status", "type") if (code := error.get(name))]
        numbers = (int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code))
        meanings = (status for status in map(_meaning, codes) if status)
        return next(numbers, None) or next(meanings, DEFAULT_STATUS), message


class OpenAI(OpenAIConventions):
    """Streams of chat and completions, with `[DONE]` as the end."""

    framing: Framing = sse
    end: bytes | None = DONE
    maximum_field = ("max_tokens",)
    usage_field: str | None = "stream_options"

    def model(self, data: bytes) -> str | None:
        """Return the field `model`."""
        try:
            return _decode_model(data).model or None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


def _meaning(code: str) -> int | None:
    letters = re.sub("[^a-z]", "", code.lower())
    return next((status for status, pattern in MEANINGS if pattern.search(letters)), None)


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
