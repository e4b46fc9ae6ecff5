from dataclasses import replace
from datetime import UTC, datetime

import pytest

from webapp.store import partitions, requests
from webapp.store.requests import Request

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
REQUEST = Request(
    number=7,
    warmup=False,
    level="concurrency 8",
    intended_ns=-5,
    sent_ns=0,
    connect_ns=1,
    first_byte_ns=2,
    first_token_ns=3,
    first_answer_ns=4,
    last_token_ns=4,
    end_ns=2**60,
    chunk_offsets_ns=[3, 4],
    chunk_tokens=[1, 2],
    prompt_tokens=10,
    cached_tokens=8,
    output_tokens=3,
    reasoning_tokens=1,
    token_source="usage",
    finish_reason="stop",
    answered_by="another/model",
    http_status=200,
    error=None,
    error_detail=None,
)
FAILED = replace(
    REQUEST, number=8, first_byte_ns=None, first_token_ns=None, first_answer_ns=None, last_token_ns=None,
    chunk_offsets_ns=[], chunk_tokens=[], prompt_tokens=None, cached_tokens=None, output_tokens=None,
    reasoning_tokens=None, token_source=None, finish_reason=None, answered_by=None,
    http_status=None, error="malformed",
)  # fmt: skip


@pytest.fixture
def partition(conn):
    partitions.ensure(conn, SLOT.date(), 0)


def test_requests_are_read_as_they_were_stored(conn, partition):
    requests.replace(conn, SLOT, 1, [REQUEST, FAILED])

    assert requests.read(conn, SLOT, 1) == [REQUEST, FAILED]


def test_a_later_attempt_replaces_the_requests_of_its_run_only(conn, partition):
    requests.replace(conn, SLOT, 1, [REQUEST, FAILED])
    requests.replace(conn, SLOT, 2, [FAILED])

    requests.replace(conn, SLOT, 1, [FAILED])

    assert requests.read(conn, SLOT, 1) == [FAILED]
    assert requests.read(conn, SLOT, 2) == [FAILED]


@pytest.mark.parametrize(
    "detail", ['"quoted", \\.', "two\nlines\r\n\ttab", "NULL", "\\N", "日本 {1,2}", "x" * 9999]
)
def test_any_text_of_an_endpoint_is_stored_unchanged(conn, partition, detail):
    requests.replace(conn, SLOT, 1, [replace(FAILED, error_detail=detail)])

    assert requests.read(conn, SLOT, 1)[0].error_detail == detail


@pytest.mark.parametrize("detail", ["nul \0 here", "half a pair \ud800"])
def test_text_that_postgresql_refuses_is_replaced(conn, partition, detail):
    requests.replace(conn, SLOT, 1, [replace(FAILED, error_detail=detail)])

    (stored,) = requests.read(conn, SLOT, 1)
    assert stored.error_detail[:4] == detail[:4]


def test_requests_are_read_in_pages(conn, partition):
    many = [replace(REQUEST, number=number) for number in range(2500)]
    requests.replace(conn, SLOT, 1, many)

    assert requests.read(conn, SLOT, 1, after=9, limit=5) == many[10:15]
    assert len(requests.read(conn, SLOT, 1)) == 2500
