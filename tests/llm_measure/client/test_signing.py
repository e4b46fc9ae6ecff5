import asyncio
import time

import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.apis.bedrock import BedrockConverse
from llm_measure.client import signing
from llm_measure.client.signing import SignedRequests, signer_of
from tests.llm_measure.event_streams import CONTENT_TYPE, event
from tests.llm_measure.scripted import scripted, whole


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


def build(index: int, key: str | None) -> bytes:
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


def test_requests_beyond_the_end_of_a_trace_are_not_signed_ahead(signer):
    requests = SignedRequests(lambda index, key: [b"a", b"b"][index], signer, first=0, step=1)

    requests.fill(8)

    assert signer.number == 2


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


SIGNING_S = 0.05


class SlowlySigned(BedrockConverse):
    """Bedrock's API with signatures that take their time."""

    name = "slowly-signed"
    secrets = ()

    def signer(self, base_url: str) -> "SlowlySigned":
        return self

    def signed(self, request: bytes) -> bytes:
        time.sleep(SIGNING_S)
        return request


@pytest.fixture
def slowly_signed():
    apis.register(SlowlySigned())
    yield
    apis.unregister("slowly-signed")


@pytest.mark.moments
def test_no_request_is_sent_late_because_it_is_signed(slowly_signed):
    answer = event("contentBlockDelta", delta={"text": "a"}) + event("messageStop", stopReason="end_turn")
    with scripted(whole(answer, kind=CONTENT_TYPE), keep=True) as server:
        load = Load(rate=5.0, arrival="constant", requests=3)
        result = measure(Endpoint(server.url, "m", "slowly-signed"), Workload(), load)

    assert [record.error for record in result.records] == [None] * 3
    assert max(record.late_ms for record in result.records) < 1000 * SIGNING_S
