"""Where an LLM is served, and how it is asked."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from llm_measure import apis, endpoint_checks, variables
from llm_measure.endpoint_checks import FILES, MAX_TOKENS_FIELDS, UNIX
from llm_measure.json_merge import combined, removal
from llm_measure.workloads import Workload

# Of the connection, and no secrets.
TRANSPORT = (*FILES, "insecure", "proxy", "http2")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint and the options of its requests; ValueError if one of them is unusable.

    Values of headers, of the URL's query and of the proxy's credentials may name environment variables as
    ${VAR}; `with_variables` reads them. What has no repr is secret, and no report has it. Files are not read.
    """

    base_url: str  # up to the API's version, such as http://localhost:8000/v1, and any query
    model: str
    api: str = "chat"  # the name of a provider API, see `llm_measure.apis`
    api_key: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict)  # replace those of the same name
    key_header: str | None = None  # that the key is sent in; by default the API's
    key_scheme: str | None = None  # before the key; by default Bearer in Authorization, nothing in another
    max_tokens_field: str = "max_tokens"  # the API's; or max_completion_tokens; none: no maximum is asked for
    stream_usage: bool = True  # whether the server is asked for its token counts
    extra_body: dict[str, Any] = field(default_factory=dict)  # merged over the workload's; None removes
    ca_file: str | None = None  # PEM file of the CAs that are trusted instead of the system's
    client_cert: str | None = None  # PEM file of the client's certificate
    client_key: str | None = None  # PEM file of its key; by default that of the certificate
    insecure: bool = False  # whether the server's certificate is not verified
    proxy: str | None = None  # http://HOST:PORT, or none; by default as the environment says
    token_command: tuple[str, ...] = field(default=(), repr=False)  # prints the key; may hold secrets
    http2: bool = False  # whether HTTP/2 is spoken without asking; else with a server that refuses HTTP/1.1
    variables: dict[str, str] = field(default_factory=dict, repr=False)  # values by name

    def __post_init__(self) -> None:
        endpoint_checks.check_url(self.base_url)
        apis.check(self.api)
        api = apis.named(self.api)
        if not self.model or not self.model.isprintable():
            raise ValueError(f"model={self.model!r}: must be a printable name")
        self._check_options_of_api()
        # A header can hold nothing else, and the value is a secret that no message may show.
        if self.api_key is not None and not endpoint_checks.fits_a_header(self.api_key):
            raise ValueError("api_key: must be printable ASCII")
        if self.token_command and self.api_key is not None:
            raise ValueError("token_command: brings the key; leave out the other one")
        endpoint_checks.check_headers(self.headers)
        if self.key_header is not None:
            endpoint_checks.check_header_name("key_header", self.key_header)
        if self.key_scheme and not endpoint_checks.HEADER_NAME.fullmatch(self.key_scheme):
            raise ValueError(f"key_scheme={self.key_scheme!r}: must be one word, such as Bearer")
        if self.max_tokens_field not in MAX_TOKENS_FIELDS:
            expected = ", ".join(MAX_TOKENS_FIELDS)
            raise ValueError(f"max_tokens_field={self.max_tokens_field!r}: expected one of {expected}")
        if self.max_tokens_field == "max_completion_tokens" and api.maximum_field != ("max_tokens",):
            raise ValueError(
                f"max_tokens_field={self.max_tokens_field!r}: the {self.api} API has"
                f" {'.'.join(api.maximum_field)} instead; expected max_tokens or none"
            )
        endpoint_checks.check_transport(self.scheme, self.transport)

    @property
    def scheme(self) -> str:
        """The scheme of the base URL: http, https or http+unix."""
        return urlsplit(self.base_url).scheme

    @property
    def socket_path(self) -> str | None:
        """The path of the Unix socket, if it is that and not a host that is asked."""
        return unquote(urlsplit(self.base_url).netloc) if self.scheme.endswith(UNIX) else None

    @property
    def authority(self) -> str:
        """What the header Host says."""
        return "localhost" if self.socket_path else urlsplit(self.base_url).netloc

    @property
    def transport(self) -> dict[str, Any]:
        """The options of the connection that were chosen, without secrets."""
        return {name: value for name in TRANSPORT if (value := getattr(self, name))}

    def with_variables(self, lookup: Callable[[str], str | None] = os.environ.get) -> "Endpoint":
        """Return the endpoint with the values of all variables that it names; ValueError if one has none."""
        texts = (self.base_url, *self.headers.values(), self.proxy or "")
        names = [name for text in texts for name in variables.VARIABLE.findall(text)]
        found = dict(self.variables)
        for name in names:
            value = found.get(name) or (lookup(name) or "").strip()
            if not value or not endpoint_checks.fits_a_header(value):
                problem = "must be printable ASCII" if value else "not set or empty"
                raise ValueError(f"environment variable {name}: {problem}")
            found[name] = value
        return replace(self, variables=found)

    def within(self, folder: Path) -> "Endpoint":
        """Return the endpoint with the paths of its files, and of its command, that start at the folder."""
        files: dict[str, Any] = {name: str(folder / path) for name in FILES if (path := getattr(self, name))}
        program, *arguments = self.token_command or ("",)
        command = (str(folder / program), *arguments) if "/" in program else self.token_command
        return replace(self, **files, token_command=command)

    def keyed(self, key: str | None) -> "Endpoint":
        """Return the endpoint with this key, in place of a command that prints one."""
        return replace(self, api_key=key, token_command=())

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
        if apis.encodes(self.api) != (workload.inputs is not None):
            given = "missing; needed by" if workload.inputs is None else "does not apply to"
            raise ValueError(f"inputs: {given} the {self.api} API")
        if workload.turns is not None and not apis.converses(self.api):
            raise ValueError(f"turns={workload.turns}: does not apply to the {self.api} API")
        if not isinstance(api, apis.EncodingAPI) and workload.expects != "text":
            api.expecting(workload.expects, "", "", {})  # raises here what it would raise for each request
        if self.max_tokens_field == "none":
            patch = combined(patch, removal(api.maximum_field))
        if not self.stream_usage and api.usage_field:
            patch = combined(patch, removal((api.usage_field,)))
        return replace(workload, extra_body=combined(patch, self.extra_body))

    def _check_options_of_api(self) -> None:
        """Raise ValueError if an option is set that the API has no use for."""
        unfit = {
            "max_tokens_field": apis.encodes(self.api) and self.max_tokens_field != "max_tokens",
            "stream_usage": apis.named(self.api).usage_field is None and not self.stream_usage,
        }
        for name, is_wrong in unfit.items():
            if is_wrong:
                raise ValueError(f"{name}={getattr(self, name)!r}: does not apply to the {self.api} API")

    def url(self, path: str) -> str:
        """Return the URL of a path below the base URL, as it is shown: with the names of variables."""
        base, _, query = self.base_url.partition("?")
        path, _, own_query = path.partition("?")
        base, named = base.rstrip("/"), {part.partition("=")[0] for part in query.split("&")}
        own = [part for part in own_query.split("&") if part.partition("=")[0] not in named]
        queries = "&".join(filter(None, (*own, query)))
        return base + _rest(base, path) + (f"?{queries}" if queries else "")


def _rest(base: str, path: str) -> str:
    """Return what the base URL lacks of the path; it may end with a beginning of one from the root."""
    if not path.startswith("/"):
        return f"/{path}"
    own = "/" + base.partition("://")[2].partition("/")[2]
    slashes = [at for at, char in enumerate(path) if char == "/"]
    return path[max(at for at in slashes if own.endswith(path[:at])) :]


# What a file may say of an endpoint, named alike.
DECLARED = tuple(each for each in fields(Endpoint) if each.name not in ("api_key", "variables"))


def encoded(value: str) -> str:
    """Return the value as a query has it."""
    return quote(value, safe="")
