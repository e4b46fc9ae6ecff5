"""A server that gives each conversation its answers, and checks that they come back as they were given."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from tests.llm_measure.event_streams import CONTENT_TYPE as AMAZON
from tests.llm_measure.event_streams import event as amazon_event
from tests.llm_measure.scripted import ScriptedServer, chunked, head, read_request
from tests.llm_measure.streams import block, block_end, chat, delta, event, named, started

Said = list[tuple[str, str]]  # role and text


def answer_to(said: Said) -> str:
    """What the server answers after all of that: another text for each history, of any characters."""
    digest = sha256(json.dumps(said).encode()).hexdigest()
    return f'"{digest[:12]}" \\ \n höher 日本 \U0001f600\u2028 {len(said)}'


def _chat(text: str) -> Iterator[bytes]:
    yield chat({"role": "assistant", "content": ""}).encode()
    yield chat({"reasoning_content": "No part of the answer."}).encode()
    for piece in _pieces(text):
        yield chat({"content": piece}).encode()
    yield chat({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 5}).encode()
    yield b"data: [DONE]\n\n"


def _anthropic(text: str) -> Iterator[bytes]:
    yield (started(input_tokens=9) + block(0, type="thinking", thinking="")).encode()
    yield (delta(0, "thinking_delta", thinking="No part of the answer.") + block_end(0)).encode()
    yield block(1, type="text", text="").encode()
    for piece in _pieces(text):
        yield delta(1, "text_delta", text=piece).encode()
    end = named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
    yield (block_end(1) + end + named("message_stop")).encode()


def _gemini(text: str) -> Iterator[bytes]:
    for part in ({"text": "No part of it.", "thought": True}, *({"text": piece} for piece in _pieces(text))):
        yield event(candidates=[{"content": {"role": "model", "parts": [part]}}]).encode()
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 5}
    yield event(candidates=[{"finishReason": "STOP"}], usageMetadata=counts).encode()


def _responses(text: str) -> Iterator[bytes]:
    yield named("response.reasoning_text.delta", delta="No part of the answer.").encode()
    for piece in _pieces(text):
        yield named("response.output_text.delta", delta=piece).encode()
    usage = {"input_tokens": 9, "output_tokens": 5}
    yield named("response.completed", response={"status": "completed", "usage": usage}).encode()


def _bedrock(text: str) -> Iterator[bytes]:
    yield amazon_event("contentBlockDelta", delta={"reasoningContent": {"text": "No part of it."}})
    for piece in _pieces(text):
        yield amazon_event("contentBlockDelta", contentBlockIndex=1, delta={"text": piece})
    yield amazon_event("messageStop", stopReason="end_turn")
    yield amazon_event("metadata", usage={"inputTokens": 9, "outputTokens": 5})


def _pieces(text: str) -> list[str]:
    return [text[at : at + 5] for at in range(0, len(text), 5)]


def _messages(messages: list[dict[str, Any]], text: Callable[[Any], str] = str) -> Said:
    return [(message["role"], text(message["content"])) for message in messages]


def _only_text(parts: list[dict[str, str]]) -> str:
    (part,) = parts
    return part["text"]


def _contents(body: dict[str, Any]) -> Said:
    roles = {"user": "user", "model": "assistant"}
    return [(roles[each["role"]], _only_text(each["parts"])) for each in body["contents"]]


# How an API streams an answer, and what its requests say.
APIS: dict[str, tuple[Callable[[str], Iterator[bytes]], Callable[[dict[str, Any]], Said]]] = {
    "chat": (_chat, lambda body: _messages(body["messages"])),
    "azure": (_chat, lambda body: _messages(body["messages"])),
    "messages": (_anthropic, lambda body: _messages(body["messages"])),
    "gemini": (_gemini, _contents),
    "responses": (_responses, lambda body: _messages(body["input"])),
    "bedrock": (_bedrock, lambda body: _messages(body["messages"], _only_text)),
}


class ConversingServer(ScriptedServer):
    """Answers as `answer` says, None being a failure, and keeps what each request has said."""

    def __init__(self, api: str, answer: Callable[[Said], str | None], meanwhile: Callable[[], object]):
        self._stream, self._read = APIS[api]
        self._answer, self._meanwhile = answer, meanwhile
        self._kind = AMAZON if api == "bedrock" else "text/event-stream"
        self._lock = threading.Lock()
        self.said: list[Said] = []
        super().__init__((), True, None)

    @property
    def lengths(self) -> Counter[int]:
        """The number of conversations by that of their turns."""
        firsts = Counter(json.dumps(said[:1]) for said in self.said)
        return Counter(firsts.values())

    def faults(self) -> list[str]:
        """What is wrong with the histories: roles, order or answers, or a message that was said twice."""
        found = []
        for said in self.said:
            roles = [role for role, _ in said]
            if roles != ["user", "assistant"] * (len(said) // 2) + ["user"]:
                found.append(f"roles {roles}")
            found += [
                f"{text!r} instead of {self._answer(said[:at])!r}"
                for at, (role, text) in enumerate(said)
                if role == "assistant" and text != self._answer(said[:at])
            ]
        asked = Counter(said[-1][1] for said in self.said)
        return found + [f"{text!r} was asked {number} times" for text, number in asked.items() if number > 1]

    def _respond(self, connection: socket.socket) -> None:
        while request := read_request(connection):
            said = self._read(json.loads(request.partition(b"\r\n\r\n")[2]))
            with self._lock:
                self.said.append(said)
            self._meanwhile()
            self._take(self._steps_of(self._answer(said)), connection)

    def _steps_of(self, answer: str | None) -> Sequence[bytes]:
        if answer is None:
            return [head("500 Internal Server Error", "application/json", "content-length: 0")]
        return [head("200 OK", self._kind, "transfer-encoding: chunked"), *chunked(*self._stream(answer))]


@contextmanager
def conversing(
    api: str = "chat",
    answer: Callable[[Said], str | None] = answer_to,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[ConversingServer]:
    server = ConversingServer(api, answer, meanwhile)
    yield server
    server.close()
