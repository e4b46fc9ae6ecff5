import multiprocessing
from dataclasses import replace

import pytest
from limits import RateLimitItemPerSecond

from tests.support import KEY
from tests.web import KEYED, RANKINGS, assert_error, wait_until
from webapp import create_app
from webapp.auth import WRONG_KEYS_PER_MINUTE, WrongKeyLimiter

WRONG = {"x-api-key": "wrong"}


def use_up(client, address="127.0.0.1"):
    """Send wrong keys until they are limited; return the number of those that were answered with 403."""
    for sent in range(2 * WRONG_KEYS_PER_MINUTE + 2):
        response = client.get(RANKINGS, headers=WRONG, environ_base={"REMOTE_ADDR": address})
        if response.status_code == 429:
            return sent
        assert_error(response, 403)
    raise AssertionError("never limited")


class TestAccess:
    @pytest.fixture
    def environment(self, without_database):
        return without_database

    @pytest.mark.parametrize("path", [RANKINGS, f"{RANKINGS}/ttft", f"{RANKINGS}/nosuch", f"{RANKINGS}?a=1"])
    @pytest.mark.parametrize(("headers", "code"), [({}, 401), ({"x-api-key": ""}, 401), (WRONG, 403)])
    def test_without_the_right_key_every_path_is_refused(self, stranger, path, headers, code):
        assert_error(stranger.get(path, headers=headers), code)

    @pytest.mark.parametrize(
        "key", ["é", "\xff\xfe", "ключ".encode().decode("latin-1"), chr(0xDCFF), chr(0xD800), KEY + "é",
                KEY.upper(), KEY[:-1], f"{KEY},{KEY}", f"old,{KEY}", "x" * 100_000, " "]
    )  # fmt: skip
    def test_any_other_key_is_wrong(self, stranger, key):
        assert_error(stranger.get(RANKINGS, environ_base={"HTTP_X_API_KEY": key}), 403)


@pytest.mark.parametrize("name", ["x-api-key", "X-API-KEY", "X-Api-Key"])
def test_the_header_may_be_in_any_case(stranger, name):
    assert stranger.get(RANKINGS, headers={name: KEY}).status_code == 200


def test_each_of_several_keys_is_accepted(make_app):
    client = make_app(api_keys=("old", "new")).test_client()

    codes = [client.get(RANKINGS, headers={"x-api-key": key}).status_code for key in ("old", "new", "none")]

    assert codes == [200, 200, 403]


def test_wrong_keys_are_limited_per_address(stranger):
    assert use_up(stranger) == WRONG_KEYS_PER_MINUTE

    limited = stranger.get(RANKINGS, headers=WRONG)
    assert_error(limited, 429)
    assert 0 < int(limited.headers["Retry-After"]) <= 60
    assert stranger.get(RANKINGS, headers=KEYED).status_code == 200
    assert_error(stranger.get(RANKINGS), 401)
    assert_error(stranger.get(RANKINGS, headers=WRONG, environ_base={"REMOTE_ADDR": "::1"}), 403)


def test_the_limit_expires(app, stranger, settings):
    app.extensions["wrong_keys"] = WrongKeyLimiter(settings, RateLimitItemPerSecond(1))
    use_up(stranger)

    wait_until(lambda: stranger.get(RANKINGS, headers=WRONG).status_code == 403, 3)


def test_without_redis_each_process_counts_wrong_keys_separately(own_app, own_redis):
    own_redis.stop()

    assert use_up(own_app.test_client()) == WRONG_KEYS_PER_MINUTE


def test_all_processes_count_wrong_keys_together(stranger, settings):
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=use_up_elsewhere, args=(settings,))
    other.start()
    other.join(30)

    assert other.exitcode == 0
    assert use_up(stranger) == 0


def use_up_elsewhere(settings):
    use_up(create_app(replace(settings)).test_client())
