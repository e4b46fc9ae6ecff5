"""The error of the measuring client, as found by self-checks."""

from datetime import UTC, datetime

import pytest

from tests.web import assert_error
from tests.webapp.conftest import with_key
from webapp.store import self_checks
from webapp.store.self_checks import SelfCheckError

URL = "/api/v1/benchmarks/self-checks"
TTFT = SelfCheckError("ttft", 250, 0.2, 0.0004, 0.002)
ITL = SelfCheckError("itl", 12250, 0.01, 0.0, 0.001)


@pytest.fixture
def check(conn):
    def check(hour: int, *errors: SelfCheckError) -> None:
        with conn:
            self_checks.insert(conn, datetime(2026, 11, 24, hour, tzinfo=UTC), list(errors))

    return check


def test_without_self_checks_the_list_is_empty(client):
    assert client.get(URL).json == {"interval_s": 0, "checks": []}


def test_the_newest_self_check_is_listed_by_default(client, check):
    check(12, TTFT, ITL)
    check(11, TTFT)

    (newest,) = client.get(URL).json["checks"]

    assert datetime.fromisoformat(newest["slot"]) == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert newest["errors"] == [vars(ITL), vars(TTFT)]


def test_the_limit_is_the_number_of_self_checks(client, check):
    for hour in (9, 10, 11):
        check(hour, TTFT, ITL)

    checks = client.get(f"{URL}?limit=2").json["checks"]

    assert [datetime.fromisoformat(one["slot"]).hour for one in checks] == [11, 10]


def test_a_slot_that_is_checked_twice_is_stored_once(client, check):
    check(12, TTFT)
    check(12, SelfCheckError("ttft", 1, 0.2, 9, 9))

    assert client.get(URL).json["checks"][0]["errors"] == [vars(TTFT)]


def test_the_response_has_the_interval(make_app):
    client = with_key(make_app(self_check_interval=3600))

    assert client.get(URL).json["interval_s"] == 3600


def test_an_api_key_is_required(stranger):
    assert_error(stranger.get(URL), 401)
