"""Google's Gemini: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent.

Vertex AI has the same below its base URL, with an access token as the key:
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_measure.apis.base import (
    Answer,
    Content,
    Piece,
    Prompt,
    TokenCount,
    Usage,
    size,
    text_of,
    token_count,
)
from llm_measure.apis.errors import message_of
from llm_measure.apis.gemini_contents import contents_of
from llm_measure.framing import Framing, sse

# A model's name may say where it is, as in tunedModels/mine, or Vertex AI's endpoints/123.
COLLECTIONS = ("models/", "tunedModels/", "endpoints/", "publishers/")
# Finish reasons in OpenAI's words, by which reports count and tokens are attributed; others stay as they are.
FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    # The server withholds such an answer.
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "MALFORMED_RESPONSE": "error",
}
# https://cloud.google.com/apis/design/errors#handling_errors
STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
DEFAULT_STATUS = 500
REFUSED_STATUS = 400  # what a blocked prompt amounts to, as with providers that refuse it before the stream


class Counts(msgspec.Struct, gc=False, rename="camel"):
    """The usage up to a chunk: thoughts are counted apart from candidates, cached tokens with the prompt."""

    prompt_token_count: TokenCount | None = None
    candidates_token_count: TokenCount | None = None
    thoughts_token_count: TokenCount | None = None
    cached_content_token_count: Any = None

    def usage(self) -> Usage:
        """Return the counts; the total is of prompt and output, without what tools of the server read."""
        prompt, answer, thoughts = (
            self.prompt_token_count,
            self.candidates_token_count,
            self.thoughts_token_count,
        )
        output = None if answer is None and thoughts is None else token_count((answer or 0) + (thoughts or 0))
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=output,
            total=None if prompt is None or output is None else prompt + output,
            cached=self.cached_content_token_count,
            reasoning=thoughts,
        )


class FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    """A call of a tool, whole or, as Vertex AI may stream it, in parts."""

    name: Any = None
    args: msgspec.Raw = msgspec.Raw()
    partial_args: msgspec.Raw = msgspec.Raw()


class Part(msgspec.Struct, gc=False, rename="camel"):
    """A part of a content. Signatures of thoughts and results of the server's own tools are no output."""

    text: Any = None
    thought: Any = None  # whether the part is one
    inline_data: Any = None  # an image or sound
    function_call: FunctionCall | None = None
    executable_code: Any = None

    def called(self) -> int:
        """Return the size of a call of the client's tool, or of code that the server runs."""
        call, code = self.function_call, self.executable_code
        found = size(call.name) + len(call.args) + len(call.partial_args) if call else 0
        return found + (size(code.get("code")) if isinstance(code, dict) else 0)


class Contents(msgspec.Struct, gc=False):
    """What a chunk adds to a candidate."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One candidate of a chunk."""

    content: Contents | None = None
    finish_reason: str | None = None


class PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    """Why the prompt was blocked, if it was."""

    block_reason: Any = None
    block_reason_message: Any = None


class GeminiChunk(msgspec.Struct, gc=False, rename="camel"):
    """What is read of an event's JSON."""

    candidates: list[Candidate] | None = None
    usage_metadata: Counts | None = None
    prompt_feedback: PromptFeedback | None = None
    model_version: Any = None
    error: Any = None

    def content(self) -> Content:
        """Return what all candidates add, in parts that are mostly texts; a blocked prompt is an error."""
        text = reasoning = tool_calls = 0
        finish_reason = None
        for candidate in self.candidates or ():
            for part in (candidate.content and candidate.content.parts) or ():
                said = size(part.text or part.inline_data)
                if part.thought:
                    reasoning += said
                elif said:
                    text += said
                else:
                    tool_calls += part.called()
            reason = candidate.finish_reason
            if reason:
                finish_reason = FINISH_REASONS.get(reason, reason)
        feedback = self.prompt_feedback
        if feedback and feedback.block_reason:
            why = ": ".join(map(str, filter(None, (feedback.block_reason, feedback.block_reason_message))))
            self.error = {"code": REFUSED_STATUS, "message": f"prompt blocked: {why}"}
        return text, reasoning, tool_calls, finish_reason

    @property
    def usage(self) -> Usage | None:
        """The counts up to here."""
        return self.usage_metadata.usage() if self.usage_metadata else None


class Gemini:
    """POST {base}/models/{model}:streamGenerateContent?alt=sse."""

    name = "gemini"
    operation = "generate_content"
    framing: Framing = sse
    maximum_field = ("generationConfig", "maxOutputTokens")
    usage_field = None
    end = None
    decode = staticmethod(msgspec.json.Decoder(GeminiChunk).decode)

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return x-goog-api-key, if there is a key."""
        return {"x-goog-api-key": api_key} if api_key else {}

    def path(self, model: str) -> str:
        """Return the path with the model; events are sent with alt=sse alone."""
        place = model if model.startswith(COLLECTIONS) else f"models/{model}"
        return f"{quote(place)}:streamGenerateContent?alt=sse"

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; ValueError for calls of tools, and for parts that are not in the messages."""
        return contents_of(prompt) | {"generationConfig": {"maxOutputTokens": output_tokens}}

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a function that must be called, or the format of the response."""
        if kind == "json":
            return {
                "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema}
            }
        function = {"name": name, "description": description, "parametersJsonSchema": schema}
        calling = {"mode": "ANY", "allowedFunctionNames": [name]}
        return {
            "tools": [{"functionDeclarations": [function]}],
            "toolConfig": {"functionCallingConfig": calling},
        }

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield texts and whole calls of functions of the first candidate."""
        for candidate in (event.get("candidates") or ())[:1]:
            for part in (candidate.get("content") or {}).get("parts") or ():
                call = part.get("functionCall")
                if call:
                    name, arguments = text_of(call.get("name")), json.dumps(call.get("args") or {})
                    yield Piece(call=object(), name=name, arguments=arguments)
                elif not part.get("thought"):
                    yield Piece(text_of(part.get("text")))

    def model(self, data: bytes) -> str | None:
        """Return the field `modelVersion`."""
        try:
            named = self.decode(data).model_version
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return named if named and isinstance(named, str) else None

    def flat_error(self, data: bytes) -> Any:
        """Return the error of a list, as Google sends it without events, or of a proxy's body."""
        try:
            content = _only(msgspec.json.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not isinstance(content, dict) or "candidates" in content:
            return None
        return content.get("error") or (content if message_of(content) else None)

    def error_message(self, content: Any) -> str | None:
        """Return the message of {"error": {"code", "message", "status"}}, also in a list, or a proxy's."""
        return message_of(_only(content))

    def stream_error(self, error: Any) -> tuple[int, str]:
        """Return the error's code or, without one, that of its status, else 500, and the message."""
        found = error if isinstance(error, dict) else {}
        code, status = found.get("code"), found.get("status")
        if not isinstance(code, int) or not 400 <= code <= 599:
            code = STATUSES.get(status, DEFAULT_STATUS) if isinstance(status, str) else DEFAULT_STATUS
        return code, message_of({"error": error}) or str(error)


def _only(content: Any) -> Any:
    """Return the first of a list, and anything else as it is."""
    return content[0] if isinstance(content, list) and content else content
