"""Whether the options of an endpoint are usable; each check raises ValueError, which shows no secret."""

import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from llm_measure import variables

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
UNIX = "+unix"
SCHEMES = ("http", "https", f"http{UNIX}", f"https{UNIX}")
MAX_SOCKET_PATH = 107  # bytes, see unix(7)
NO_PROXY = "none"
FILES = ("ca_file", "client_cert", "client_key")
OF_TLS = (*FILES, "insecure")
MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens", "none")


def fits_a_header(value: str) -> bool:
    """Return whether a header can hold the value."""
    return value.isascii() and value.isprintable()


def check_header_name(subject: str, name: str) -> None:
    """Refuse what is no name of a header, or that of one which the client alone sets."""
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"{subject}={name!r}: must be the name of a header")
    if name.lower() in OF_CONNECTION | OF_BODY:
        raise ValueError(f"{subject}={name!r}: set by the client alone; expected another header")


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse duplicates, values that may be secrets, and what does not fit."""
    for name, text in headers.items():
        check_header_name("headers", name)
        if not fits_a_header(text):
            raise ValueError(f"headers: {name}: must be printable ASCII")
        variables.check("headers:", name, text)
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("headers: duplicate name; expected each header once, in any case")


def check_url(base_url: str) -> None:
    """Refuse a URL without a server to ask, or with secrets; no query and no credentials are shown."""
    base, _, query = base_url.partition("?")
    authority = base.partition("://")[2].partition("/")[0]
    if "@" in authority or "#" in base_url:
        raise ValueError("base_url: must not contain credentials or a fragment")
    try:
        url = urlsplit(base)
        usable = url.scheme in SCHEMES and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or not url.path.isascii() or "${" in base or any(char.isspace() for char in base):
        raise ValueError(
            f"base_url={base!r}: must be an http or https URL up to the API's version, such as"
            " http://localhost:8000/v1"
        )
    if url.scheme.endswith(UNIX):
        _check_socket(base, url.scheme, unquote(url.netloc))
    _check_query(query)


def _check_socket(base: str, scheme: str, path: str) -> None:
    if scheme != f"http{UNIX}":
        raise ValueError(f"base_url={base!r}: {scheme} is not supported; expected http{UNIX}")
    if not path.startswith("/") or not path.isprintable() or len(path.encode()) > MAX_SOCKET_PATH:
        raise ValueError(
            f"base_url={base!r}: its host must be the percent-encoded path of a Unix socket, of at most"
            f" {MAX_SOCKET_PATH} bytes, such as http+unix://%2Frun%2Fvllm.sock/v1"
        )


def _check_query(query: str) -> None:
    if not fits_a_header(query) or " " in query:
        raise ValueError("base_url: its query must be printable ASCII without spaces")
    for part in query.split("&") if query else ():
        name, equals, text = part.partition("=")
        if not equals:
            raise ValueError("base_url: its query must consist of NAME=VALUE, joined by &")
        variables.check("base_url: parameter", unquote(name), text)


def check_transport(scheme: str, options: Mapping[str, Any]) -> None:
    """Refuse options of the connection that contradict the URL's scheme or each other."""
    for name in OF_TLS:
        if name in options and scheme != "https":
            raise ValueError(f"{name}: needs an https URL")
    for name in FILES:
        if not str(options.get(name, "")).isprintable():
            raise ValueError(f"{name}: must be the path of a file")
    if "client_key" in options and "client_cert" not in options:
        raise ValueError("client_key: needs client_cert")
    if "insecure" in options and "ca_file" in options:
        raise ValueError("insecure: verifies nothing, so ca_file has no effect; expected one of them")
    if "proxy" in options:
        _check_proxy(options["proxy"])
        if scheme == f"http{UNIX}":
            raise ValueError("proxy: does not apply to a Unix socket")


def command_words(command: Any) -> tuple[str, ...]:
    """Return the words of a command, as a shell has it or as a list; ValueError, which shows none of them."""
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise ValueError(f"token_command: {str(error).lower()}") from None
    if isinstance(command, str) and not words:
        raise ValueError("token_command: empty")
    if not isinstance(words, list | tuple) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError("token_command: must be a command, or a list of strings")
    return tuple(words)


def _check_proxy(proxy: str) -> None:
    if proxy == NO_PROXY:
        return
    try:
        url = urlsplit(proxy)
        usable = url.hostname and url.port != 0 and url.path in ("", "/") and not url.query + url.fragment
    except ValueError:
        usable = False
    if usable and url.scheme == "https":
        raise ValueError("proxy: TLS to a proxy is not supported; expected http://")
    if not usable or url.scheme != "http" or not fits_a_header(proxy) or " " in proxy:
        raise ValueError(f"proxy: must be http://[USER:PASSWORD@]HOST:PORT, or {NO_PROXY}")
    # Without a password, the user may be the secret.
    secret = url.username if url.password is None else url.password
    variables.check("proxy: its", "user", url.username or "")
    if secret is not None and not variables.VARIABLE.search(secret):
        raise ValueError("proxy: its credentials may be a secret; expected an environment variable as ${VAR}")
    variables.check("proxy: its", "password", secret or "")
