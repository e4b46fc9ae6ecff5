"""Bodies of requests with inputs, each with something to be answered: embeddings and rerank."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from llm_measure.apis import named
from llm_measure.apis.encoding import ONE, EncodingAPI, Wanted
from llm_measure.endpoints import Endpoint
from llm_measure.json_merge import merged
from llm_measure.load.datasets import DatasetError, read_dataset
from llm_measure.load.lengths import generated_prompts
from llm_measure.load.prompts import Counting, prompt_builder
from llm_measure.load.words import WORDS
from llm_measure.workloads import Workload

# Unlike any text, so that they can be found in the JSON and replaced.
INPUT, QUERY = "\u0001", "\u0002"
INPUT_MARK, QUERY_MARK = (json.dumps(mark).encode() for mark in (INPUT, QUERY))
QUERY_WORDS = 16


def input_bodies(
    endpoint: Endpoint, api: EncodingAPI, workload: Workload, seed: int, counting: Counting
) -> Callable[[int], bytes]:
    """Return a function from a request's index to its body, whose texts no other request has.

    A dataset's texts repeat after the last one. Raises DatasetError.
    """
    text = _dataset_texts(workload, seed) if workload.dataset else _texts(workload, seed, counting)
    query = prompt_builder(QUERY_WORDS, workload.unique_prompts, seed)
    whole = json.dumps(_body(endpoint, api, workload)).encode()
    pieces = re.split(b"(%b|%b)" % (re.escape(INPUT_MARK), re.escape(QUERY_MARK)), whole)
    number = pieces.count(INPUT_MARK)  # none if extra_body brings the inputs

    def piece_of(piece: bytes, index: int, numbers: Iterator[int]) -> bytes:
        if piece == INPUT_MARK:
            return text(next(numbers))
        return b'"%b"' % query(index).encode() if piece == QUERY_MARK else piece

    def build(index: int) -> bytes:
        numbers = count(index * number)
        return b"".join(piece_of(piece, index, numbers) for piece in pieces)

    return build


def input_body(endpoint: Endpoint, api: EncodingAPI, workload: Workload, text: str) -> bytes:
    """Return the body with this text as each input, and a query that is always the same."""
    body = api.body(endpoint.model, [text] * (workload.inputs or 1), " ".join(WORDS[:QUERY_WORDS]))
    return json.dumps(merged(body, endpoint.asked(workload).extra_body)).encode()


def wanted(endpoint: Endpoint, workload: Workload) -> Wanted:
    """Return what each request asks for: of APIs that generate, one answer."""
    api = named(endpoint.api)
    return api.wanted(_body(endpoint, api, workload)) if isinstance(api, EncodingAPI) else ONE


def _body(endpoint: Endpoint, api: EncodingAPI, workload: Workload) -> dict[str, Any]:
    body = api.body(endpoint.model, [INPUT] * (workload.inputs or 1), QUERY)
    return merged(body, endpoint.asked(workload).extra_body)


def _texts(workload: Workload, seed: int, counting: Counting) -> Callable[[int], bytes]:
    """Return a function from a text's number to its JSON; generated words need no escaping."""
    text = generated_prompts(workload, seed, counting)
    return lambda number: b'"%b"' % text(number).encode()


def _dataset_texts(workload: Workload, seed: int) -> Callable[[int], bytes]:
    rows = read_dataset(Path(workload.dataset or ""))
    for row in rows:
        if not isinstance(row.prompt, str):
            raise DatasetError(f"{row.where}: messages are no inputs; expected a prompt in each row")
    texts = [json.dumps(row.prompt).encode() for row in rows]
    Random(seed).shuffle(texts)  # noqa: S311  (nothing secret)
    return lambda number: texts[number % len(texts)]
