"""Request ids in responses and JSON log lines."""

import json
import re

import pytest

from tests.support import KEY
from tests.web import KEYED, RANKINGS, serving


@pytest.fixture
def environment(without_database):
    return without_database


@pytest.mark.parametrize("path", ["/healthz", "/nosuch", RANKINGS, "/rq/", "/docs/"])
def test_a_request_without_an_id_is_assigned_one(stranger, path):
    first, second = (stranger.get(path).headers["X-Request-ID"] for _ in range(2))

    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first != second


@pytest.mark.parametrize("given", ["a", "01J.x-Y_z", "x" * 64])
def test_a_valid_id_is_returned(stranger, given):
    assert stranger.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", 'a"', "é", "a,b", "<a>"])
def test_an_invalid_id_is_replaced(stranger, given):
    returned = stranger.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert re.fullmatch(r"[0-9a-f]{16}", returned)


def test_the_log_lines_of_a_request_have_its_id_and_no_key(environment, folder):
    with serving(environment, folder, LOG_FORMAT="json") as server:
        server.request(RANKINGS, headers={"x-api-key": "wrong", "X-Request-ID": "the-first"})
        server.request(RANKINGS, headers={"x-api-key": "wrong", "X-Request-ID": KEY})
        log = server.log

    wrong = [line for line in map(json.loads, log.splitlines()) if "wrong API key" in line["message"]]
    assert [line["request_id"] for line in wrong] == ["the-first", "(hidden)"]
    assert KEY not in log


def test_workers_assign_different_ids(environment, folder):
    with serving(environment, folder, WEB_CONCURRENCY="3") as server:
        ids = {server.request("/healthz", headers=KEYED).headers["x-request-id"] for _ in range(60)}

    assert len(ids) == 60
