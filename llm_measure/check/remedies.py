"""Changes of an endpoint's options that may mend a refusal, by what real servers write."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from llm_measure import apis
from llm_measure.client.asking import Answer
from llm_measure.endpoints import Endpoint

Changes = Mapping[str, Any]

# With these, servers refuse a field of the body, and name it. Seen of OpenAI ("Unsupported parameter:
# 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."), Azure ("Unrecognized
# request argument supplied: stream_options"), Groq ("property 'stream_options' is unsupported"), xAI
# ("Argument not supported: stream_options"), Mistral and vLLM (pydantic's "extra_forbidden" with "loc":
# ["body", "stream_options"]), and TGI ("Failed to deserialize the JSON body into the target type:
# stream_options: ...").
REFUSALS = (400, 422)
# OpenAI's "This is not a chat model", vLLM's "does not support Chat Completions API" and "chat template".
ABOUT_CHAT = re.compile(rb"chat[ _]?(model|completions?|template)", re.IGNORECASE)
ABOUT_MODEL = re.compile(rb"model", re.IGNORECASE)
ABOUT_KEY = re.compile(rb"(api|access)[ _-]?key|unauthorized|authenticat", re.IGNORECASE)
OTHER_API = {"chat": "completions", "completions": "chat"}
WITH_DIGITS = re.compile(rb"[A-Za-z_-]*[0-9][A-Za-z0-9_-]*")
VERSION = re.compile(r"/v\d+[a-z0-9]*(/|$)")


def refuses_key(status: int | None, body: bytes) -> bool:
    """Return whether the key is what the server refuses; some say so with a 400."""
    if status == 401:
        return True
    if status == 403 and not is_of_model(body):
        return True
    return status in (400, 403) and bool(ABOUT_KEY.search(body))


def is_of_model(body: bytes) -> bool:
    """Return whether the refusal may be of the model."""
    return bool(ABOUT_MODEL.search(body))


def field_changes(endpoint: Endpoint, status: int | None, body: bytes) -> Iterator[Changes]:
    """Yield changes for a refused field of the body, that which the refusal names first."""
    if status not in REFUSALS:
        return
    named = {name: found.start() for name in _fields(endpoint) if (found := _naming(name).search(body))}
    for name in sorted(named, key=named.__getitem__):
        yield from _without(endpoint, name)


def api_changes(endpoint: Endpoint, status: int | None, body: bytes) -> Iterator[Changes]:
    """Yield another API of the same server, if it may be that the model lacks this one."""
    other = OTHER_API.get(endpoint.api)
    if other and (status in (404, 405, 501) or ABOUT_CHAT.search(body)):
        yield {"api": other}


def url_changes(endpoint: Endpoint) -> Iterator[Changes]:
    """Yield other base URLs: without the path of a request, and with a version."""
    base, mark, query = endpoint.base_url.partition("?")
    base = base.rstrip("/")
    path = "/" + apis.named(endpoint.api).path(endpoint.model).partition("?")[0].removeprefix("/")
    if base.endswith(path):
        yield {"base_url": f"{base.removesuffix(path)}{mark}{query}"}
    elif not VERSION.search(urlsplit(base).path):
        yield {"base_url": f"{base}/v1{mark}{query}"}


def model_changes(endpoint: Endpoint, models: list[str]) -> Iterator[Changes]:
    """Yield the model of the list that is meant: one that differs in case or by its path, or the only one."""
    alike = [name for name in models if _last(name) == _last(endpoint.model)]
    for meant in (alike, models):
        if len(meant) == 1 and meant[0] != endpoint.model:
            yield {"model": meant[0]}
            return


def makes_a_difference(changes: Changes, before: Answer, after: Answer) -> bool:
    """Return whether the changes have helped, or have led to another refusal."""
    was, is_now = before.record, after.record
    if is_now.error is None or was.status != is_now.status:
        return True
    can_differ = was.status in REFUSALS or "base_url" in changes
    return can_differ and _without_ids(before.body) != _without_ids(after.body)


def closest(model: str, models: list[str]) -> list[str]:
    """Return the models of the list in the order of their likeness."""
    like = get_close_matches(model, models, n=len(models) or 1, cutoff=0.0)
    return like or models


def changed(endpoint: Endpoint, changes: Changes) -> Endpoint:
    """Return the endpoint with the changes."""
    return replace(endpoint, **changes)


def _fields(endpoint: Endpoint) -> Iterator[str]:
    """Yield the fields of the body that options decide about."""
    api = apis.named(endpoint.api)
    yield from endpoint.extra_body
    if endpoint.stream_usage and api.usage_field:
        yield api.usage_field
    if endpoint.max_tokens_field == "max_tokens":
        yield api.maximum_field[-1]
    elif endpoint.max_tokens_field != "none":
        yield endpoint.max_tokens_field


def _without(endpoint: Endpoint, name: str) -> Iterator[Changes]:
    if name in endpoint.extra_body:
        yield {"extra_body": {**endpoint.extra_body, name: None}}
    elif name == apis.named(endpoint.api).usage_field:
        yield {"stream_usage": False}
    else:
        others = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        yield from ({"max_tokens_field": field} for field in (others.get(name), "none") if field)


def _naming(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![A-Za-z0-9_])" + re.escape(name.encode()) + rb"(?![A-Za-z0-9_])")


def _without_ids(body: bytes) -> bytes:
    """Return the body without what may differ from one request to the next: words with digits."""
    return WITH_DIGITS.sub(b"", body)


def _last(model: str) -> str:
    return model.lower().rstrip("/").rpartition("/")[2]
