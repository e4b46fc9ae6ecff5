"""Where an LLM is served, and how it is asked."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from llm_measure import apis, variables
from llm_measure.json_merge import combined, removal
from llm_measure.workloads import Workload

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What the client alone decides: headers of the connection, and of the body.
OF_CONNECTION = frozenset(
    (
        "host",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    )
)
OF_BODY = frozenset(
    ("accept-encoding", "content-encoding", "content-length", "content-type", "expect", "transfer-encoding")
)

MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens", "none")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and the options of its requests; ValueError if one of them is unusable.

    Values of headers and of the URL's query may name environment variables as ${VAR}; `with_variables` reads
    them. What has no repr is secret, and no report has it.
    """

    base_url: str  # up to the API's version, such as http://localhost:8000/v1, and any query
    model: str
    api: str = "chat"  # the name of a provider API, see `llm_measure.apis`
    api_key: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict)  # replace those of the same name
    key_header: str | None = None  # that the key is sent in; by default the API's
    key_scheme: str | None = None  # before the key; by default Bearer in Authorization, nothing in another
    max_tokens_field: str = "max_tokens"  # or max_completion_tokens; none: no maximum is asked for
    stream_usage: bool = True  # whether the server is asked for its token counts
    extra_body: dict[str, Any] = field(default_factory=dict)  # merged over the workload's; None removes
    variables: dict[str, str] = field(default_factory=dict, repr=False)  # values by name

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        apis.named(self.api)
        if not self.model or not self.model.isprintable():
            raise ValueError(f"model={self.model!r}: must be a printable name")
        self._check_options_of_streams()
        # A header can hold nothing else, and the value is a secret that no message may show.
        if self.api_key is not None and not _fits_a_header(self.api_key):
            raise ValueError("api_key: must be printable ASCII")
        _check_headers(self.headers)
        if self.key_header is not None:
            _check_header_name("key_header", self.key_header)
        if self.key_scheme and not HEADER_NAME.fullmatch(self.key_scheme):
            raise ValueError(f"key_scheme={self.key_scheme!r}: must be one word, such as Bearer")
        if self.max_tokens_field not in MAX_TOKENS_FIELDS:
            expected = ", ".join(MAX_TOKENS_FIELDS)
            raise ValueError(f"max_tokens_field={self.max_tokens_field!r}: expected one of {expected}")

    def with_variables(self, lookup: Callable[[str], str | None] = os.environ.get) -> "Endpoint":
        """Return the endpoint with the values of all variables that it names; ValueError if one has none."""
        texts = (self.base_url, *self.headers.values())
        names = [name for text in texts for name in variables.VARIABLE.findall(text)]
        found = dict(self.variables)
        for name in names:
            value = found.get(name) or (lookup(name) or "").strip()
            if not value or not _fits_a_header(value):
                problem = "must be printable ASCII" if value else "not set or empty"
                raise ValueError(f"environment variable {name}: {problem}")
            found[name] = value
        return replace(self, variables=found)

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """What no text may show; a server may repeat a value of the query as it was sent."""
        values = self.variables.values()
        return (self.api_key, *values, *map(encoded, values))

    def asked(self, workload: Workload) -> Workload:
        """Return the workload as this endpoint is asked: its `extra_body` with what the endpoint changes.

        ValueError if the API answers no workloads of this kind.
        """
        api, patch = apis.named(self.api), workload.extra_body
        if isinstance(api, apis.EncodingAPI) != (workload.inputs is not None):
            given = "missing; needed by" if workload.inputs is None else "do not apply to"
            raise ValueError(f"inputs: {given} the {self.api} API")
        if self.max_tokens_field == "none":
            patch = combined(patch, removal(api.maximum_field))
        if not self.stream_usage and api.usage_field:
            patch = combined(patch, removal((api.usage_field,)))
        return replace(workload, extra_body=combined(patch, self.extra_body))

    def _check_options_of_streams(self) -> None:
        """Raise ValueError if the API has no streams and one of them is set."""
        if not isinstance(apis.named(self.api), apis.EncodingAPI):
            return
        for name, default in {"max_tokens_field": "max_tokens", "stream_usage": True}.items():
            if getattr(self, name) != default:
                raise ValueError(f"{name}={getattr(self, name)!r}: does not apply to the {self.api} API")

    def url(self, path: str) -> str:
        """Return the URL of a path below the base URL, as it is shown: with the names of variables."""
        base, _, query = self.base_url.partition("?")
        path, _, own_query = path.partition("?")
        queries = "&".join(filter(None, (own_query, query)))
        return f"{base.rstrip('/')}/{path}" + (f"?{queries}" if queries else "")


def encoded(value: str) -> str:
    """Return the value as a query has it."""
    return quote(value, safe="")


def _fits_a_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _check_header_name(subject: str, name: str) -> None:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"{subject}={name!r}: must be the name of a header")
    if name.lower() in OF_CONNECTION | OF_BODY:
        raise ValueError(f"{subject}={name!r}: set by the client alone; expected another header")


def _check_headers(headers: dict[str, str]) -> None:
    for name, text in headers.items():
        _check_header_name("headers", name)
        if not _fits_a_header(text):
            raise ValueError(f"headers: {name}: must be printable ASCII")
        variables.check("headers:", name, text)
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("headers: duplicate name; expected each header once, in any case")


def _check_url(base_url: str) -> None:
    """Raise ValueError, which shows no query and no credentials, if the URL is unusable."""
    base, _, query = base_url.partition("?")
    authority = base.partition("://")[2].partition("/")[0]
    if "@" in authority or "#" in base_url:
        raise ValueError("base_url: must not contain credentials or a fragment")
    try:
        url = urlsplit(base)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or not url.path.isascii() or "${" in base or any(char.isspace() for char in base):
        raise ValueError(
            f"base_url={base!r}: must be an http or https URL up to the API's version, such as"
            " http://localhost:8000/v1"
        )
    _check_query(query)


def _check_query(query: str) -> None:
    if not _fits_a_header(query) or " " in query:
        raise ValueError("base_url: its query must be printable ASCII without spaces")
    for part in query.split("&") if query else ():
        name, equals, text = part.partition("=")
        if not equals:
            raise ValueError("base_url: its query must consist of NAME=VALUE, joined by &")
        variables.check("base_url: parameter", unquote(name), text)
