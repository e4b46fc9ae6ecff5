"""A provider API is one class: registered here, it is measured from end to end with no other edit."""

import json
from typing import Any

import msgspec
import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.apis.base import Content, Usage
from llm_measure.framing import sse
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.scripted import chunked, head, scripted, whole


class ToyChunk(msgspec.Struct):
    said: str = ""
    thought: str = ""
    call: str = ""
    why: str | None = None
    usage: Usage | None = None
    error: Any = None

    def content(self) -> Content:
        return len(self.said), len(self.thought), len(self.call), self.why


class ToyAPI:
    """Unlike OpenAI's in path, headers, body, end and errors."""

    name = "toy"
    operation = "chat"
    framing = sse
    end = b"BYE"
    maximum_field = ("most",)
    usage_field = None
    decode = staticmethod(msgspec.json.Decoder(ToyChunk).decode)

    def headers(self, api_key: str | None) -> dict[str, str]:
        return {"X-Toy-Key": api_key or "", "X-Toy-Version": "1"}

    def path(self, model: str) -> str:
        return "speak"

    def body(self, model: str, prompt: str | list, output_tokens: int) -> dict[str, Any]:
        if not isinstance(prompt, str):
            raise ValueError("the toy API takes no messages; expected a prompt")
        return {"who": model, "ask": prompt, "most": output_tokens}

    def model(self, data: bytes) -> str | None:
        return json.loads(data).get("who")

    def flat_error(self, data: bytes) -> Any:
        return json.loads(data).get("complaint")

    def error_message(self, content: Any) -> str | None:
        return content.get("complaint") if isinstance(content, dict) else None

    def stream_error(self, error: Any) -> tuple[int, str]:
        return 429, f"complaint {error}"


def event(**chunk: Any) -> bytes:
    return b"event: toy\ndata: %b\n\n" % json.dumps(chunk).encode()


STREAM = [event(who="another"), event(thought="hm"), event(call="f()"), event(said="yes", why="done"),
          event(usage={"prompt_tokens": 9, "completion_tokens": 3}), b"data: BYE\n\n"]  # fmt: skip
RESPONSE = [head("200 OK", "text/event-stream", "transfer-encoding: chunked"), *chunked(*STREAM)]


@pytest.fixture(autouse=True)
def toy_api():
    apis.register(ToyAPI())
    yield
    apis.unregister("toy")


def test_a_registered_api_is_measured():
    with scripted(*RESPONSE, keep=True) as server:
        endpoint = Endpoint(server.url, "toy", api="toy", api_key="sesame")
        result = measure(endpoint, Workload(output_tokens=7), Load(concurrency=1, requests=3))

    for request in server.requests:
        assert request.startswith(b"POST /v1/speak HTTP/1.1\r\n")
        assert b"\r\nX-Toy-Key: sesame\r\nX-Toy-Version: 1\r\n" in request
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        assert (body["who"], body["most"], len(body["ask"].split())) == ("toy", 7, 128)
    for record in result.records:
        assert (record.error, record.finish_reason) == (None, "done")
        assert (record.prompt_tokens, record.output_tokens, record.token_source) == (9, 3, "usage")
        assert record.chunk_tokens == [1, 1, 1]
        assert (record.reasoning_tokens, record.answered_by) == (1, "another")
    assert result.metrics["ttft"].n == 3


@pytest.mark.parametrize(
    ("steps", "error", "detail"),
    [
        ([whole(event(said="a") + event(error=5))], "rate_limited", "within the stream: complaint 5"),
        ([whole(event(said="a") + event(complaint=6))], "rate_limited", "within the stream: complaint 6"),
        ([whole(b'{"complaint": "no"}', "400 No", "application/json")], "http_4xx", "400: no"),
        ([whole(event(said="a"))], "truncated", "the stream broke off after 1 events"),
    ],
)
def test_its_errors_have_their_classes(steps, error, detail):
    with scripted(*steps) as server:
        result = measure(Endpoint(server.url, "m", "toy"), Workload(), Load(concurrency=1, requests=1))

    assert [(record.error, record.error_detail) for record in result.records] == [(error, detail)]


def test_the_command_measures_it_too():
    with scripted(*RESPONSE, keep=True) as server:
        asked = ["--base-url", server.url, "--model", "toy-1", "--api", "toy", "--requests", "2"]
        done = invoke("run", *asked, "--format", "json")

    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["endpoint"]["api"], found["levels"][0]["errors"]) == ("toy", {})
    assert f"[{'|'.join(apis.names())}]" in invoke("run", "--help").stdout


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="api='toy': duplicate name"):
        apis.register(ToyAPI())


def test_an_unknown_api_is_reported_with_the_known_ones():
    with pytest.raises(ValueError, match=r"api='play': unknown provider API; expected one of chat, .*, toy"):
        Endpoint("http://x/v1", "m", "play")
