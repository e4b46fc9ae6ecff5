"""The options that describe an endpoint, as several commands take them."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

from llm_measure.cli.types import CommandLine, Header, JSONObject, KeyVariable, ProviderAPIName
from llm_measure.endpoint_checks import MAX_TOKENS_FIELDS

Decorator = Callable[[Any], Any]


def endpoint_options(required: bool) -> Decorator:
    """Return a decorator that adds the options of where and as whom to ask; `required` is for --base-url."""
    return all_of(
        click.option("--base-url", required=required, metavar="URL",
                     help="Base URL up to the API's version, such as http://localhost:8000/v1;"
                     " of a Unix socket, such as http+unix://%2Frun%2Fvllm.sock/v1."),
        click.option("--model", metavar="NAME",
                     help="Model name at the endpoint.  [default: the one that it lists]"),
        click.option("--api-key-env", "api_key", type=KeyVariable(), metavar="VAR",
                     help="Environment variable that holds the API key."),
        click.option("--key-header", metavar="NAME",
                     help="Header that the API key is sent in.  [default: the API's]"),
        click.option("--key-scheme", metavar="NAME",
                     help="Scheme before the API key.  [default: Bearer in Authorization, else none]"),
        click.option("--header", type=Header(), multiple=True, metavar="'NAME: VALUE'",
                     help="Header of each request; ${VAR} names an environment variable. Repeatable."),
        click.option("--token-command", type=CommandLine(), metavar="CMD",
                     help="Command that prints the API key; run again when it expires and after a 401."),
        click.option("--ca-file", metavar="FILE",
                     help="PEM file of the CAs to trust instead of the system's."),
        click.option("--client-cert", metavar="FILE", help="PEM file of the client's certificate."),
        click.option("--client-key", metavar="FILE",
                     help="PEM file of the certificate's key.  [default: the certificate's file]"),
        click.option("--insecure", is_flag=True, help="Leave TLS unverified, which each report states."),
        click.option("--proxy", metavar="URL",
                     help="Proxy as http://HOST:PORT, or none.  [default: as the environment says]"),
        click.option("--http2", is_flag=True,
                     help="Speak HTTP/2, also where a server has HTTP/1.1, and without TLS."),
        click.option("--api", type=ProviderAPIName(), default="chat", show_default=True,
                     help="Provider API; messages is Anthropic's, bedrock Amazon's."),
    )  # fmt: skip


def body_options() -> Decorator:
    """Return a decorator that adds the options of the fields that endpoints take or refuse."""
    return all_of(
        click.option("--max-tokens-field", default="max_tokens", show_default=True,
                     type=click.Choice(MAX_TOKENS_FIELDS),
                     help="Field that asks for the maximum; none to ask for no maximum."),
        click.option("--no-stream-usage", is_flag=True,
                     help="Leave out stream_options, which asks for the server's token counts."),
    )  # fmt: skip


def extra_body_option() -> Decorator:
    """Return a decorator that adds --extra-body."""
    return all_of(
        click.option("--extra-body", type=JSONObject(), metavar="JSON",
                     help="JSON object to merge into each request's body; null removes a field."),
    )  # fmt: skip


def all_of(*options: Decorator) -> Decorator:
    """Return a decorator that adds the options in this order of the help text."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)
