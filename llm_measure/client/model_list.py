"""Which model an endpoint serves, as its list of models says."""

import asyncio

import msgspec

from llm_measure.client.asking import send, with_key
from llm_measure.client.dial import Dialer, DialError
from llm_measure.client.exchange import Exchange
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import plain_request
from llm_measure.redaction import MAX_DETAIL, MAX_MODEL, Secrets, clean

PATH = "models"  # below the base URL
TIMEOUT_S = 10.0
MOST_NAMED = 10  # models that an error names


class _Model(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Model]


_decode = msgspec.json.Decoder(_List).decode


class UnlistedError(Exception):
    """The endpoint has not named its models; the text says why."""


def only_model(endpoint: Endpoint) -> str:
    """Return the one model of GET {base_url}/models; ValueError unless there is exactly one.

    The model of `endpoint` is not read. Key, TLS, proxy and limits are those of a measurement. TokenError if
    the key is to come from a command and does not.
    """
    endpoint = with_key(endpoint)
    subject = f"model: left out, and {endpoint.url(PATH)}"
    try:
        names = asyncio.run(listed_models(endpoint))
    except UnlistedError as error:
        raise ValueError(f"{subject} names none: {error}; expected --model NAME") from None
    if len(names) != 1:
        known = names[:MOST_NAMED]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        expected = f"--model with one of {', '.join(known)}{more}" if known else "--model NAME"
        raise ValueError(f"{subject} names {len(names)} models; expected {expected}")
    return names[0]


async def listed_models(endpoint: Endpoint) -> list[str]:
    """Return the different models that the endpoint lists, in its order; raises UnlistedError.

    Texts, those of the error included, are fit to be shown.
    """
    dialer = Dialer(endpoint, PATH)
    secrets = Secrets(dialer.secrets)
    request = plain_request(endpoint, dialer.request_target, dialer.proxy_headers)
    try:
        names = _names(await send(dialer, request, TIMEOUT_S))
    except DialError as error:
        raise UnlistedError(clean(f"{error.failure}: {error}", MAX_DETAIL, secrets)) from None
    except UnlistedError as error:
        raise UnlistedError(clean(str(error), MAX_DETAIL, secrets)) from None
    return [clean(name, MAX_MODEL, secrets) for name in names]


def _names(exchange: Exchange) -> list[str]:
    """Return the different models in their order; raises UnlistedError."""
    if exchange.failure:
        raise UnlistedError(f"{exchange.failure}: {exchange.detail}")
    if exchange.status != 200:
        raise UnlistedError(f"status {exchange.status}")
    try:
        listed = _decode(b"".join(exchange.parts))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnlistedError(f"no list of models ({error})") from None
    return list(dict.fromkeys(model.id for model in listed.data))
