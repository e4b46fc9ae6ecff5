"""Amazon Bedrock's ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from llm_measure.apis.amazon_signature import AmazonSigner
from llm_measure.apis.base import (
    STOP_REASONS,
    SYSTEM_ROLES,
    Answer,
    Content,
    Piece,
    Prompt,
    Signer,
    TokenCount,
    Usage,
    messages_of,
    refuse_blank_answers,
    size,
    text_of,
    token_count,
)
from llm_measure.apis.errors import message_of
from llm_measure.framing import Framing, amazon_event_stream

ROLES = ("user", "assistant")
# Others remain as they are.
FINISH_REASONS = {
    **STOP_REASONS,
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
# By the letters of an exception's name, which has various forms.
STATUSES = {
    "validationexception": 400,
    "servicequotaexceededexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "modelerrorexception": 424,
    "modelstreamerrorexception": 424,
    "throttlingexception": 429,
    "modelnotreadyexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}
DEFAULT_STATUS = 500


class Counts(msgspec.Struct, gc=False, rename="camel"):
    """The usage as Bedrock writes it: cached input is apart, reasoning is a part of the output.

    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
    """

    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cache_read_input_tokens: Any = None
    cache_write_input_tokens: Any = None

    def usage(self) -> Usage:
        """Return the counts, with the cached input in the prompt."""
        prompt, read = self.input_tokens, token_count(self.cache_read_input_tokens)
        if prompt is not None:
            prompt = token_count(prompt + (read or 0) + (token_count(self.cache_write_input_tokens) or 0))
        return Usage(prompt_tokens=prompt, completion_tokens=self.output_tokens, cached=read)


class Reasoning(msgspec.Struct, gc=False, rename="camel"):
    """What a delta adds to the reasoning; its signature is no output of the model."""

    text: Any = None
    redacted_content: Any = None


class ToolUse(msgspec.Struct, gc=False):
    """A part of a tool call: its name at the start of the block, then its input."""

    name: Any = None
    input: Any = None


class Block(msgspec.Struct, gc=False, rename="camel"):
    """The start of a content block, or what is added to it; citations and images are no tokens."""

    text: str | None = None
    reasoning_content: Reasoning | None = None
    tool_use: ToolUse | None = None

    def content(self) -> Content:
        """Return what it adds."""
        reasoning, call = self.reasoning_content, self.tool_use
        return (
            size(self.text),
            size(reasoning.text) + size(reasoning.redacted_content) if reasoning else 0,
            size(call.name) + size(call.input) if call else 0,
            None,
        )


class Delta(msgspec.Struct, gc=False):
    """The event contentBlockDelta."""

    delta: Block | None = None


class Start(msgspec.Struct, gc=False):
    """The event contentBlockStart."""

    start: Block | None = None


class Stop(msgspec.Struct, gc=False, rename="camel"):
    """The event messageStop."""

    stop_reason: str | None = None


class Metadata(msgspec.Struct, gc=False):
    """The event metadata, the last one."""

    usage: Counts | None = None


class ConverseChunk(msgspec.Struct, gc=False, rename="camel"):
    """What is read of an event, which is under its type."""

    content_block_delta: Delta | None = None
    content_block_start: Start | None = None
    message_stop: Stop | None = None
    metadata: Metadata | None = None
    error: Any = None

    def content(self) -> Content:
        """Return what the event adds; most are deltas with a text, which are looked at first."""
        if self.content_block_delta is not None:
            block = self.content_block_delta.delta
        else:
            block = self.content_block_start.start if self.content_block_start else None
        if block is not None:
            return block.content()
        reason = self.message_stop.stop_reason if self.message_stop else None
        return 0, 0, 0, FINISH_REASONS.get(reason, reason) if reason else None

    @property
    def usage(self) -> Usage | None:
        """The counts at the stream's end."""
        return self.metadata.usage.usage() if self.metadata and self.metadata.usage else None


class BedrockConverse:
    """POST {base}/model/{model}/converse-stream, signed unless there is a Bedrock API key."""

    name = "bedrock"
    operation = "chat"
    framing: Framing = amazon_event_stream
    maximum_field = ("inferenceConfig", "maxTokens")
    usage_field = None
    end = None
    decode = staticmethod(msgspec.json.Decoder(ConverseChunk).decode)

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the Authorization header, if there is a Bedrock API key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def signer(self, base_url: str) -> Signer:
        """Return what signs requests by AWS credentials; ValueError without them."""
        return AmazonSigner(self.name, base_url)

    def path(self, model: str) -> str:
        """Return the path with the model's name or ARN, whose colons and slashes are escaped."""
        return f"model/{quote(model, safe='')}/converse-stream"

    def body(self, model: str, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
        """Return the body; ValueError for what is no text and no block of Bedrock's, and a blank answer."""
        messages = messages_of(prompt)
        system, asked = [], []
        for message in messages:
            role, content = _parts(message)
            if role in SYSTEM_ROLES:
                system += content
            else:
                asked.append({"role": role, "content": content})
        refuse_blank_answers(self.name, messages)
        return {
            "messages": asked,
            **({"system": system} if system else {}),
            "inferenceConfig": {"maxTokens": output_tokens},
        }

    def expecting(self, kind: Answer, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a tool that must be used, or the format of the text."""
        if kind == "json":
            structure = {"jsonSchema": {"name": name, "schema": json.dumps(schema)}}
            return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}
        tool = {"name": name, "description": description, "inputSchema": {"json": schema}}
        return {"toolConfig": {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": name}}}}

    def pieces(self, event: dict[str, Any]) -> Iterator[Piece]:
        """Yield texts, names of tools and pieces of their input."""
        found = event.get("contentBlockDelta") or event.get("contentBlockStart") or {}
        block = found.get("delta") or found.get("start") or {}
        use = block.get("toolUse")
        if use:
            name, piece = text_of(use.get("name")), text_of(use.get("input"))
            yield Piece(call=found["contentBlockIndex"], name=name, arguments=piece)
        else:
            yield Piece(text_of(block.get("text")))

    def model(self, data: bytes) -> str | None:
        """Return None, since no event names the model."""

    def flat_error(self, data: bytes) -> Any:
        """Return an object that is an error by its type, or by a message, as {"message"}."""
        try:
            content = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        is_error = isinstance(content, dict) and ("__type" in content or self.error_message(content))
        return content if is_error else None

    def error_message(self, content: Any) -> str | None:
        """Return the message of {"message"}, which some of Amazon's services call Message, or a proxy's."""
        named = isinstance(content, dict) and content.get("Message")
        return str(named) if named else message_of(content)

    def stream_error(self, error: Any) -> tuple[int, str]:
        """Return the model's own status, else that of the exception, else 500; and the message."""
        name, content = _exception(error)
        letters = re.sub("[^a-z]", "", name.rpartition("#")[2].partition(":")[0].lower())
        status = content.get("originalStatusCode") if isinstance(content, dict) else None
        if type(status) is not int or not 400 <= status < 600:
            status = STATUSES.get(letters, DEFAULT_STATUS)
        return status, self.error_message(content) or str(error)


def _exception(error: Any) -> tuple[str, Any]:
    """Return the name and the content of {"throttlingException": {...}}, or with the name in __type."""
    if not isinstance(error, dict):
        return "", error
    inner = next(((name, content) for name, content in error.items() if isinstance(content, dict)), None)
    return inner or (str(error.get("__type", "")), error)


def _parts(message: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return role and blocks of a message of OpenAI's, whose parts may also be Bedrock's own blocks."""
    role, content = (
        (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
    )
    parts = [{"text": content}] if isinstance(content, str) else content
    if (
        role not in ROLES + SYSTEM_ROLES
        or "tool_calls" in message
        or not isinstance(parts, list)
        or not all(isinstance(part, dict) and part.get("type", "text") == "text" for part in parts)
    ):
        raise ValueError(
            "the bedrock API takes no tool calls and images in OpenAI's shape; expected messages of system,"
            " user and assistant with texts or Bedrock's blocks"
        )
    return role, [{name: value for name, value in part.items() if name != "type"} for part in parts]
