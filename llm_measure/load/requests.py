"""Requests, byte for byte: head and body, for a generated prompt or a dataset's row."""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, cast
from urllib.parse import urlsplit

from llm_measure import __version__, apis
from llm_measure.apis import EncodingAPI, Signer, StreamingAPI
from llm_measure.apis.base import Prompt
from llm_measure.endpoints import Endpoint, encoded
from llm_measure.expectations import DESCRIPTION, NAME, expectation
from llm_measure.json_merge import merged
from llm_measure.limits import MAX_TOKENS
from llm_measure.load.datasets import DatasetError, read_dataset
from llm_measure.load.inputs import input_bodies, input_body
from llm_measure.load.lengths import generated_prompts, varying_maximum
from llm_measure.load.prompts import WORD_BY_WORD, Counting
from llm_measure.load.trace_prompts import trace_prompts
from llm_measure.load.traces import trace_of
from llm_measure.variables import filled
from llm_measure.workloads import Workload

# Unlike any prompt, so that it can be found in the JSON and replaced.
MARK = "\u0001"
# Unlike any other number, so that it can be found, too.
MAXIMUM = 7_305_846_129_018_354
MAXIMUM_MARK = str(MAXIMUM).encode()
AUTHORIZATION = "Authorization"
JSON = "application/json"
# How far a server may exceed the output tokens that it is asked for: this factor, and this number.
TOKENS_FACTOR, HIDDEN_TOKENS = 8, 32_768
OUTPUT_LENGTHS = 4096  # of a trace, whose bodies are kept but for the prompt

Build = Callable[[int, str | None], bytes]  # of a request, from its index and a key


def request_builder(  # noqa: PLR0913, PLR0917  (each names a part of a request)
    endpoint: Endpoint,
    workload: Workload,
    seed: int,
    target: str,
    proxy_headers: bytes = b"",
    counting: Counting = WORD_BY_WORD,
    level_index: int = 0,
) -> Build:
    """Return a function from a request's index and key to its bytes, head and body.

    They are the same for the same seed. `target` is the target of the request line, `counting` decides the
    number of words of generated prompts. `level_index` is the index that the first request of the level has.
    DatasetError if there is a dataset or trace that cannot be used.
    """

    head = _heads(endpoint, target, proxy_headers)
    api = apis.named(endpoint.api)
    if isinstance(api, EncodingAPI):
        body = input_bodies(endpoint, api, workload, seed, counting)
    elif workload.dataset:
        body = _dataset_bodies(endpoint, workload, seed)
    elif workload.trace:
        body = _trace_bodies(endpoint, workload, f"{seed} {level_index}", counting, level_index)
    else:
        body = _bodies(endpoint, workload, seed, counting)
    return lambda index, key: _whole(head(key), body(index))


def message_requests(
    endpoint: Endpoint,
    workload: Workload,
    target: str,
    proxy_headers: bytes = b"",
    signer: Signer | None = None,
) -> Callable[[list[dict[str, Any]], int], Build]:
    """Return a function from messages and a maximum of output tokens to what builds their request.

    It raises ValueError if the API refuses such messages. `signer` signs the requests, if they have to be.
    """
    head = _heads(endpoint, target, proxy_headers)

    def build(body: bytes, key: str | None) -> bytes:
        request = _whole(head(key), body)
        return signer.signed(request) if signer else request

    def building(messages: list[dict[str, Any]], output_tokens: int) -> Build:
        body = _json(endpoint, workload, messages, output_tokens)
        return lambda index, key: build(body, key)

    return building


def _heads(endpoint: Endpoint, target: str, proxy_headers: bytes) -> Callable[[str | None], bytes]:
    @lru_cache(maxsize=1)  # few requests have another key than the one before
    def head(key: str | None) -> bytes:
        return _post_head(endpoint.keyed(key), target, proxy_headers)

    return head


def prompt_request(
    endpoint: Endpoint, workload: Workload, prompt: str, target: str, proxy_headers: bytes = b""
) -> bytes:
    """Return the request with this prompt, or with inputs of this text, instead of the workload's own."""
    api = apis.named(endpoint.api)
    if isinstance(api, EncodingAPI):
        body = input_body(endpoint, api, workload, prompt)
    else:
        body = _json(endpoint, workload, prompt, max(1, round(workload.output_length.mean)))
    return _whole(_post_head(endpoint, target, proxy_headers), body)


def most_tokens(workload: Workload) -> int:
    """Return the most output tokens that an honest server may report of a request, hidden ones included.

    Reasoning may be hidden, and some servers ignore max_tokens; any number in `extra_body` may be a limit.
    Raises DatasetError.
    """
    rows = read_dataset(Path(workload.dataset)) if workload.dataset else []
    asked = [_most(workload), *(row.output_tokens or 0 for row in rows), *_limits(workload.extra_body)]
    if workload.trace:
        asked.append(int(trace_of(workload).output_tokens.max()))
    return min(TOKENS_FACTOR * max(asked) + HIDDEN_TOKENS, MAX_TOKENS)


def _most(workload: Workload) -> int:
    return min(round(workload.output_length.most), MAX_TOKENS)


def _limits(value: Any) -> Iterator[int]:
    """Yield the whole numbers within the value; what is removed leaves the limit to the server."""
    if value is None:
        yield HIDDEN_TOKENS
    elif isinstance(value, dict):
        for each in value.values():
            yield from _limits(each)
    elif isinstance(value, int):
        yield value


def plain_request(endpoint: Endpoint, target: str, proxy_headers: bytes = b"") -> bytes:
    """Return a GET request for JSON."""
    return _head("GET", endpoint, target, {"Accept": JSON}) + proxy_headers + b"\r\n"


def url_path(endpoint: Endpoint, path: str | None = None) -> str:
    """Return the path, such as /v1/chat/completions, and query that are requested.

    `path` is another one of the API.
    """
    url = urlsplit(endpoint.url(path or apis.named(endpoint.api).path(endpoint.model)))
    query = filled(url.query, endpoint.variables, encoded)
    return f"{url.path}?{query}" if query else url.path


def _post_head(endpoint: Endpoint, target: str, proxy_headers: bytes) -> bytes:
    api = apis.named(endpoint.api)
    accepted = JSON if isinstance(api, EncodingAPI) else api.framing.CONTENT_TYPE
    kinds = {"Accept": accepted, "Content-Type": JSON}
    return _head("POST", endpoint, target, kinds) + proxy_headers + b"Content-Length: "


def _whole(head: bytes, content: bytes) -> bytes:
    return b"%b%d\r\n\r\n%b" % (head, len(content), content)


def _bodies(endpoint: Endpoint, workload: Workload, seed: int, counting: Counting) -> Callable[[int], bytes]:
    """Build the body once around a mark, and replace the mark by each prompt, which needs no escaping."""
    prompt = generated_prompts(workload, seed, counting)
    maximum = varying_maximum(workload, seed)
    whole = _json(endpoint, workload, MARK, MAXIMUM if maximum else _most(workload))
    before, mark, after = whole.partition(json.dumps(MARK).encode())
    if not mark:  # extra_body brings a prompt
        return _with_maximum(lambda index: whole, maximum)
    return _with_maximum(lambda index: b'%b"%b"%b' % (before, prompt(index).encode(), after), maximum)


def _dataset_bodies(endpoint: Endpoint, workload: Workload, seed: int) -> Callable[[int], bytes]:
    """Build the body of each row; they are sent in an order that depends on the seed, again and again."""
    maximum = varying_maximum(workload, seed)
    usual = MAXIMUM if maximum else _most(workload)
    bodies = []
    for row in read_dataset(Path(workload.dataset or "")):
        try:
            bodies.append(_json(endpoint, workload, row.prompt, row.output_tokens or usual))
        except ValueError as error:
            raise DatasetError(f"{row.where}: {error}") from None
    Random(seed).shuffle(bodies)  # noqa: S311  (nothing secret)
    return _with_maximum(lambda index: bodies[index % len(bodies)], maximum)


def _with_maximum(
    body: Callable[[int], bytes], maximum: Callable[[int], int] | None
) -> Callable[[int], bytes]:
    """Return the bodies with the maximum of each request instead of MAXIMUM, if it varies."""
    if maximum is None:
        return body
    return lambda index: body(index).replace(MAXIMUM_MARK, b"%d" % maximum(index), 1)


def _trace_bodies(
    endpoint: Endpoint, workload: Workload, seed: str, counting: Counting, level_index: int
) -> Callable[[int], bytes]:
    """Build each body when it is sent: the trace may have any number of them, each of any length."""
    trace = trace_of(workload)
    prompt = trace_prompts(trace, seed, counting)

    @lru_cache(maxsize=OUTPUT_LENGTHS)
    def around(output_tokens: int) -> tuple[bytes, bytes, bytes]:
        return _json(endpoint, workload, MARK, output_tokens).partition(json.dumps(MARK).encode())

    def build(index: int) -> bytes:
        row = index - level_index
        before, mark, after = around(int(trace.output_tokens[row]))
        return b'%b"%b"%b' % (before, prompt(row).encode(), after) if mark else before

    return build


def _json(endpoint: Endpoint, workload: Workload, prompt: Prompt, output_tokens: int) -> bytes:
    api = cast(StreamingAPI, apis.named(endpoint.api))  # `input_bodies` asks the others
    body = api.body(endpoint.model, prompt, output_tokens)
    if endpoint.max_tokens_field == "max_completion_tokens" and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    if expected := expectation(workload):
        body = merged(body, api.expecting(expected.kind, NAME, DESCRIPTION, expected.schema))
    return json.dumps(merged(body, endpoint.asked(workload).extra_body)).encode()


def _head(method: str, endpoint: Endpoint, target: str, kinds: dict[str, str]) -> bytes:
    """Return the request line and headers; `kinds` are those of content types."""
    own = {name: filled(text, endpoint.variables) for name, text in endpoint.headers.items()}
    replaced = {name.lower() for name in own}
    headers = {
        "Host": endpoint.authority,
        **kinds,
        "User-Agent": f"llm-measure/{__version__}",
        **_api_headers(endpoint),
    }
    headers = {name: value for name, value in headers.items() if name.lower() not in replaced} | own
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n"


def _api_headers(endpoint: Endpoint) -> dict[str, str]:
    """Return the headers of the API, with the key where and how the endpoint expects it."""
    api, key = apis.named(endpoint.api), endpoint.api_key
    if key is None or (endpoint.key_header is None and endpoint.key_scheme is None):
        return api.headers(key)
    name, scheme = endpoint.key_header or AUTHORIZATION, endpoint.key_scheme
    if scheme is None:
        scheme = "Bearer" if name.lower() == AUTHORIZATION.lower() else ""
    return {**api.headers(None), name: f"{scheme} {key}".strip()}
