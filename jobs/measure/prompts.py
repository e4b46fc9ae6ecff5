"""Requests, byte for byte: prompts of a wanted length, or those of a dataset."""

import json
from collections.abc import Callable
from math import gcd
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from jobs.measure.words import WORDS
from jobs.measure.workload import UNIQUE_WORDS, Endpoint, Workload

POOL_WORDS = 1 << 16
# Unlike any prompt, so that it can be found in the JSON and replaced.
MARK = "\u0001"


class DatasetError(ValueError):
    """The dataset cannot be used; the message names the file and the line."""


def request_builder(
    endpoint: Endpoint, workload: Workload, seed: int, target: str, proxy_headers: bytes = b""
) -> Callable[[int], bytes]:
    """A function from a request's index to its bytes, head and body; the same for the same seed.

    `target` is what stands in the request line. DatasetError if there is a dataset that cannot be read.
    """
    head = _head(endpoint, target, proxy_headers)
    body = _dataset_bodies(endpoint, workload) if workload.dataset else _bodies(endpoint, workload, seed)

    def build(index: int) -> bytes:
        content = body(index)
        return b"%b%d\r\n\r\n%b" % (head, len(content), content)

    return build


def prompt_builder(tokens: int, unique: bool, seed: int) -> Callable[[int], str]:
    """A function from a request's index to a prompt of so many words.

    The first words spell the index, so that no two prompts begin alike, and the others are cut from a long
    text, each time elsewhere.
    """
    random = Random(seed)  # noqa: S311  (nothing secret)
    words = random.sample(WORDS, len(WORDS))
    base = len(words)
    # A step that shares no divisor with the number of indexes visits each of them once.
    indexes = base**UNIQUE_WORDS
    offset, step = random.randrange(indexes), _coprime(random, indexes)
    pool = random.choices(words, k=POOL_WORDS + tokens)
    at = [0]
    for word in pool:
        at.append(at[-1] + len(word) + 1)
    text = " ".join(pool) + " "

    def build(index: int) -> str:
        if not unique:
            return text[: at[tokens] - 1]
        number = (offset + index * step) % indexes
        first = []
        for _ in range(UNIQUE_WORDS):
            number, digit = divmod(number, base)
            first.append(words[digit])
        begin = (index * 7919) % POOL_WORDS
        rest = text[at[begin] : at[begin + tokens - UNIQUE_WORDS]]
        return f"{' '.join(first)} {rest}".rstrip()

    return build


def _coprime(random: Random, n: int) -> int:
    while True:
        candidate = random.randrange(n // 3, n)
        if gcd(candidate, n) == 1:
            return candidate


def _bodies(endpoint: Endpoint, workload: Workload, seed: int) -> Callable[[int], bytes]:
    prompt = prompt_builder(workload.input_tokens, workload.unique_prompts, seed)
    asked = {"messages": [{"role": "user", "content": MARK}]} if endpoint.api == "chat" else {"prompt": MARK}
    before, after = _json(endpoint, workload, asked, workload.output_tokens).split(json.dumps(MARK).encode())

    def body(index: int) -> bytes:
        return b'%b"%b"%b' % (before, prompt(index).encode(), after)

    return body


def _dataset_bodies(endpoint: Endpoint, workload: Workload) -> Callable[[int], bytes]:
    rows = read_dataset(Path(workload.dataset or ""))
    bodies = []
    for row in rows:
        if endpoint.api == "chat":
            messages = row.get("messages") or [{"role": "user", "content": row["prompt"]}]
            asked: dict[str, Any] = {"messages": messages}
        elif "prompt" in row:
            asked = {"prompt": row["prompt"]}
        else:
            raise DatasetError(f"{workload.dataset}: has messages, which the completions API does not take")
        bodies.append(_json(endpoint, workload, asked, row.get("output_tokens", workload.output_tokens)))
    return lambda index: bodies[index % len(bodies)]


def read_dataset(path: Path) -> list[dict[str, Any]]:
    """The rows: prompt (text) or messages (OpenAI's), and output_tokens if it differs from the workload's."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise DatasetError(f"{path}:{number}: is not JSON") from None
        prompted = isinstance(row, dict) and (
            isinstance(row.get("prompt"), str) or (isinstance(row.get("messages"), list) and row["messages"])
        )
        if not prompted:
            raise DatasetError(f"{path}:{number}: must be an object with prompt (text) or messages (a list)")
        tokens = row.get("output_tokens", 1)
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
            raise DatasetError(f"{path}:{number}: output_tokens={tokens!r}: must be a number of at least 1")
        rows.append(row)
    if not rows:
        raise DatasetError(f"{path}: holds no prompt")
    return rows


def _json(endpoint: Endpoint, workload: Workload, asked: dict[str, Any], output_tokens: int) -> bytes:
    body = {
        "model": endpoint.model,
        **asked,
        "max_tokens": output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        **workload.extra_body,
    }
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


def _head(endpoint: Endpoint, target: str, proxy_headers: bytes) -> bytes:
    """All of the head up to the number of the content's length."""
    url = urlsplit(endpoint.base_url)
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        "User-Agent: llm-benchmark",
    ]
    if endpoint.api_key:
        lines.append(f"Authorization: Bearer {endpoint.api_key}")
    return "\r\n".join(lines).encode() + b"\r\n" + proxy_headers + b"Content-Length: "


def path(endpoint: Endpoint) -> str:
    """The path that is asked, such as /v1/chat/completions."""
    name = "chat/completions" if endpoint.api == "chat" else "completions"
    return f"{urlsplit(endpoint.base_url).path.rstrip('/')}/{name}"
