"""One request apart from any load: what an endpoint answers."""

import asyncio
from time import monotonic_ns
from typing import NamedTuple

from llm_measure import apis
from llm_measure.client import token_command
from llm_measure.client.asked import Asked
from llm_measure.client.dial import Dialer, DialError
from llm_measure.client.exchange import Exchange
from llm_measure.client.failures import fail
from llm_measure.client.response import parse_response
from llm_measure.client.signing import signer_of
from llm_measure.endpoints import Endpoint
from llm_measure.load.requests import prompt_request
from llm_measure.progress import Stop
from llm_measure.records import Record
from llm_measure.redaction import Secrets, clean_texts
from llm_measure.workloads import Workload


class Answer(NamedTuple):
    """What came of a request."""

    record: Record
    body: bytes  # as it came, secrets included


def with_key(endpoint: Endpoint, stop: Stop | None = None) -> Endpoint:
    """Return the endpoint with the key that its command prints, if it has one.

    TokenError if that fails, or once `stop` is set.
    """
    command = endpoint.token_command
    return endpoint.keyed(token_command.ask(command, stop).text) if command else endpoint


async def ask(endpoint: Endpoint, workload: Workload, prompt: str) -> Answer:
    """Send the prompt as the endpoint is asked in a measurement, and return what came of it.

    The endpoint has its key, see `with_key`. ValueError if a request cannot be signed.
    """
    api, dialer = apis.named(endpoint.api), Dialer(endpoint)
    workload = endpoint.asked(workload)
    request = prompt_request(endpoint, workload, prompt, dialer.request_target, dialer.proxy_headers)
    signer = signer_of(endpoint)
    if signer:
        request = signer.signed(request)
    now = monotonic_ns()
    record, body = Record(0, True, now, now, now), b""
    try:
        exchange = await send(dialer, request, workload.timeout_s, api.end)
        parse_response(exchange, record, api, Asked.of(endpoint, workload))
        body = b"".join(exchange.parts)
    except DialError as error:
        record.end_ns = monotonic_ns()
        fail(record, error.failure, str(error))
    clean_texts(record, Secrets((*dialer.secrets, *(signer.secrets if signer else ()))))
    return Answer(record, body)


async def send(dialer: Dialer, request: bytes, timeout_s: float, end: bytes | None = None) -> Exchange:
    """Send the request on a new connection and wait for the end of its response, or of its timeout.

    `end` is the data of a stream's last event. Raises DialError.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    late = f"no end within {timeout_s:g} s"
    try:
        async with asyncio.timeout_at(deadline):
            connection = await dialer.open()
    except TimeoutError:
        raise DialError("timeout", late) from None
    connection.expect(end)
    timer = loop.call_at(deadline, connection.fail, "timeout", late)
    try:
        return await connection.send(request)
    finally:
        timer.cancel()
        connection.close()
