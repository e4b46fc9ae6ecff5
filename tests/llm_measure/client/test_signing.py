import asyncio

import pytest

from llm_measure import Endpoint
from llm_measure.client import signing
from llm_measure.client.signing import SignedRequests, signer_of


class Counter:
    """Signs each request with a number."""

    secrets = ()

    def __init__(self):
        self.number = 0
        self.is_out = False

    def signed(self, request: bytes) -> bytes:
        if self.is_out:
            raise ValueError("AWS credentials: expired")
        self.number += 1
        return b"%b signed as %d" % (request, self.number)


def build(index: int) -> bytes:
    return b"request %d" % index


@pytest.fixture
def signer():
    return Counter()


@pytest.fixture
def requests(signer):
    return SignedRequests(build, signer, first=10, step=2)


def test_requests_are_signed_ahead_and_another_one_when_one_is_sent(signer, requests):
    async def send() -> None:
        assert requests(10) == b"request 10 signed as 1"
        assert signer.number == 3
        await asyncio.sleep(0)
        assert signer.number == 4
        assert [requests(index) for index in (12, 14, 16)] == [
            b"request 12 signed as 2", b"request 14 signed as 3", b"request 16 signed as 4"
        ]  # fmt: skip

    requests.fill(3)
    asyncio.run(send())


def test_a_request_that_is_not_ready_is_signed_when_it_is_due_and_never_again(signer, requests):
    async def send() -> None:
        assert [requests(10), requests(12)] == [b"request 10 signed as 1", b"request 12 signed as 2"]
        await asyncio.sleep(0)
        assert requests(14) == b"request 14 signed as 3"

    asyncio.run(send())


def test_an_old_signature_is_replaced(signer, requests, monkeypatch):
    async def send() -> None:
        monkeypatch.setattr(signing, "MAX_AGE_NS", 0)
        assert requests(10) == b"request 10 signed as 2"

    requests.fill(1)
    asyncio.run(send())


def test_no_more_is_built_ahead_than_memory_is_for(signer, requests, monkeypatch):
    async def send() -> None:
        assert requests(10) == b"request 10 signed as 1"
        await asyncio.sleep(0)
        assert signer.number == 3

    monkeypatch.setattr(signing, "MAX_AHEAD_BYTES", 30)
    requests.fill(10)
    assert signer.number == 2
    asyncio.run(send())


def test_credentials_that_cannot_be_refreshed_fail_the_request_that_needs_them(signer, requests):
    async def send() -> None:
        requests(10)
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="AWS credentials: expired"):
            requests(12)

    requests.fill(1)
    signer.is_out = True
    asyncio.run(send())


@pytest.mark.parametrize(
    "options",
    [{"api_key": "key"}, {"headers": {"authorization": "${TOKEN}"}}, {"api": "chat"}],
    ids=["an API key", "its own header", "another API"],
)
def test_nothing_is_signed_with(options):
    assert signer_of(Endpoint("http://x", "m", **{"api": "bedrock"} | options)) is None
