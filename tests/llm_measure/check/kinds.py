"""Endpoints of different kinds, each with one behaviour of real ones; errors in their providers' words."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.llm_measure.scripted import ScriptedServer, chunked, head, read_request, whole

JSON = "application/json"
TEMPLATE, PER_WORD = 9, 1  # tokens

OPENAI_MAX_TOKENS = {
    "error": {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model."
        " Use 'max_completion_tokens' instead.",
        "type": "invalid_request_error",
        "param": "max_tokens",
        "code": "unsupported_parameter",
    }
}


def mistral(field: str) -> dict:
    detail = {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted"}
    return {"object": "error", "message": {"detail": [detail]}, "type": "invalid_request_error", "code": None}


class Request:
    """What a kind reads of a request."""

    def __init__(self, raw: bytes):
        first, _, self.body = raw.partition(b"\r\n\r\n")
        self.method, self.path, _ = first.split(b"\r\n")[0].decode().split(" ")
        key = re.search(rb"authorization: bearer (\S+)", first, re.IGNORECASE)
        self.key = key[1].decode() if key else None
        self.asked: dict[str, Any] = json.loads(self.body) if self.body else {}
        self.prompt = (
            self.asked.get("prompt") or (self.asked.get("messages") or [{"content": ""}])[0]["content"]
        )
        self.tokens = TEMPLATE + PER_WORD * len(self.prompt.split())


# Returns the steps of an answer; None for that of an endpoint with nothing special.
Answer = Callable[[Request], "list[bytes | float] | None"]


class Kind(ScriptedServer):
    """An endpoint that serves the model `m` as its kind does."""

    def __init__(self, answer: Answer):
        self._answer = answer
        super().__init__([], keep=True, tls=None)

    def _respond(self, connection: socket.socket) -> None:
        while raw := read_request(connection):
            self.requests.append(raw)
            request = Request(raw)
            self._take(self._answer(request) or fine(request), connection)


@contextmanager
def kind(answer: Answer) -> Iterator[Kind]:
    server = Kind(answer)
    yield server
    server.close()


def refusal(status: str, content: dict | str) -> list[bytes]:
    body = content if isinstance(content, str) else json.dumps(content)
    return [whole(body.encode(), status, "text/plain" if isinstance(content, str) else JSON)]


def models(*names: str) -> list[bytes]:
    return refusal("200 OK", {"data": [{"id": name} for name in names]})


def event(content: dict) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def text(word: str | None, reason: str | None = None, field: str = "content") -> bytes:
    delta = {} if word is None else {field: word}
    return event({"choices": [{"index": 0, "delta": delta, "text": word or "", "finish_reason": reason}]})


def usage(prompt: int, completion: int = 5, **details: dict) -> bytes:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return event({"choices": [], "usage": {**counts, **details}})


def stream(*events: bytes, gap: float = 0.004, first: float = 0.0) -> list[bytes | float]:
    """The events one after another, with the end of the stream."""
    steps: list[bytes | float] = [head("200 OK", "text/event-stream", "transfer-encoding: chunked"), first]
    for part in chunked(*events, b"data: [DONE]\n\n"):
        steps += [part, gap]
    return steps


WORDS = [text(f" word{number}") for number in range(5)]


def fine(request: Request) -> list[bytes | float]:
    """A stream of five tokens, with usage if it was asked for."""
    if request.method == "GET":
        return list(models("m"))
    counts = [usage(request.tokens)] if request.asked.get("stream_options") else []
    return stream(*WORDS, text(None, "stop"), *counts)


def wrong_key(request: Request) -> list[bytes] | None:
    message = f"Incorrect API key provided: {request.key}. You can find your API key at https://example.org."
    return None if request.key == "right" else refusal("401 Unauthorized", {"error": {"message": message}})


def unknown_model(request: Request) -> list[bytes] | None:
    if request.method == "GET":
        return models("llama-3.1-8b", "llama-3.1-70b", "qwen")
    named = request.asked["model"]
    error = {"message": f"The model `{named}` does not exist.", "type": "NotFoundError", "code": 404}
    return None if named in ("llama-3.1-8b", "qwen") else refusal("404 Not Found", {"error": error})


def only_model(request: Request) -> list[bytes] | None:
    if request.method == "GET":
        return models("meta/llama")
    error = {"message": "The model `m` does not exist.", "code": "model_not_found"}
    return None if request.asked["model"] == "meta/llama" else refusal("404 Not Found", {"error": error})


def refuses_max_tokens(request: Request) -> list[bytes] | None:
    return refusal("400 Bad Request", OPENAI_MAX_TOKENS) if "max_tokens" in request.asked else None


def refuses_stream_options(request: Request) -> list[bytes | float] | None:
    """Mistral reports usage unasked."""
    if "stream_options" in request.asked:
        return list(refusal("422 Unprocessable Entity", mistral("stream_options")))
    return stream(*WORDS, text(None, "stop"), usage(request.tokens))


def refuses_both(request: Request) -> list[bytes] | None:
    for field in ("stream_options", "max_tokens", "max_completion_tokens"):
        if field in request.asked:
            return refusal("422 Unprocessable Entity", mistral(field))
    return None


def buffers(request: Request) -> list[bytes | float]:
    events = chunked(*WORDS, text(None, "stop"), usage(request.tokens), b"data: [DONE]\n\n")
    return [0.05, head("200 OK", "text/event-stream", "transfer-encoding: chunked") + b"".join(events)]


def reports_no_usage(request: Request) -> list[bytes | float]:
    return stream(*WORDS, text(None, "stop"))


def hides_reasoning(request: Request) -> list[bytes | float]:
    """All tokens go into reasoning if they are few."""
    most = request.asked["max_tokens"]
    details = {"completion_tokens_details": {"reasoning_tokens": min(most, 60)}}
    if most < 65:
        return stream(text(None, "length"), usage(request.tokens, most, **details))
    return stream(*WORDS, text(None, "stop"), usage(request.tokens, 65, **details))


def caching() -> Answer:
    seen: set[str] = set()

    def answer(request: Request) -> list[bytes | float]:
        cached = request.tokens if request.prompt in seen else 0
        seen.add(request.prompt)
        counts = usage(request.tokens, prompt_tokens_details={"cached_tokens": cached})
        return stream(*WORDS, text(None, "stop"), counts)

    return answer


def caching_silently() -> Answer:
    seen: set[str] = set()

    def answer(request: Request) -> list[bytes | float]:
        first = 0.02 if request.prompt in seen else 0.2
        seen.add(request.prompt)
        return stream(*WORDS, text(None, "stop"), usage(request.tokens), first=first)

    return answer


def needs_v1(request: Request) -> list[bytes] | None:
    known = request.path.partition("?")[0] in ("/v1/chat/completions", "/v1/models")
    return None if known else refusal("404 Not Found", {"detail": "Not Found"})


def only_completions(request: Request) -> list[bytes] | None:
    error = {"message": "The model does not support Chat Completions API", "type": "BadRequestError"}
    return (
        refusal("400 Bad Request", {"error": error}) if request.path.endswith("/chat/completions") else None
    )


def drops_the_last_chunk(request: Request) -> list[bytes | float]:
    events = chunked(*WORDS)
    return [head("200 OK", "text/event-stream", "transfer-encoding: chunked"), b"".join(events)]


def rate_limited(request: Request) -> list[bytes]:
    error = {"message": "Rate limit reached for requests", "code": "rate_limit_exceeded"}
    return refusal("429 Too Many Requests", {"error": error})


def does_not_stream(request: Request) -> list[bytes]:
    return refusal("200 OK", {"choices": [{"message": {"content": "hello"}}]})


def slow(request: Request) -> list[bytes | float]:
    time.sleep(1)
    return fine(request)
