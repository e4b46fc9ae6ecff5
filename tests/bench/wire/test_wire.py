"""Our figures of the mock server against the kernel's packet times."""

import pytest

from bench.wire.capture import why_unable
from bench.wire.levels import Level, client_process, compared

pytestmark = [pytest.mark.wire, pytest.mark.moments]

ATTEMPTS = 3  # as another program may take the processor from the client at any moment


@pytest.fixture(scope="module", autouse=True)
def able():
    if reason := why_unable():
        pytest.skip(reason)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_ttft_tpot_itl_and_counts_are_those_of_the_wire(api, mock_servers):
    url = mock_servers.start(ttft=0.05, itl=0.004, itl_std=0.001, output_tokens=40)

    verdicts = []
    with client_process() as client:
        while "ok" not in verdicts and len(verdicts) < ATTEMPTS:
            comparison = compared(client, url, "mock", Level(api, concurrency=4, requests=24))
            verdicts.append(comparison.verdict)

    assert (comparison.answers, comparison.plain) == (24, 24)
    assert verdicts[-1] == "ok", verdicts
