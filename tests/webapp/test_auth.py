import multiprocessing
from dataclasses import replace

import pytest
from limits import RateLimitItemPerSecond

from tests.support import KEY
from tests.web import RANKINGS, assert_error, wait_until
from webapp import create_app
from webapp.auth import WRONG_KEYS_PER_MINUTE, KeyGuard, network_of

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

    @pytest.mark.parametrize(("key", "code"), [("", 401), (" ", 403), (KEY, 403)])
    def test_an_app_without_keys_accepts_none(self, make_app, key, code):
        client = make_app(api_keys=()).test_client()

        assert_error(client.get(RANKINGS, headers={"x-api-key": key}), code)

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
    assert_error(stranger.get(RANKINGS), 401)
    assert_error(stranger.get(RANKINGS, headers=WRONG, environ_base={"REMOTE_ADDR": "::1"}), 403)


def test_the_limit_expires(app, stranger, settings):
    app.extensions["key_guard"] = KeyGuard(settings, RateLimitItemPerSecond(1))
    use_up(stranger)

    wait_until(lambda: stranger.get(RANKINGS, headers=WRONG).status_code == 403, 3)


class TestGuessing:
    """After the limit, a guesser cannot recognise the right key; who used it before is not affected."""

    @pytest.fixture
    def environment(self, without_database):
        return without_database

    @pytest.fixture
    def status(self):
        """Returns the status of a request to an app, with the right key unless another one is given."""

        def send(app, address="127.0.0.1", key=KEY):
            sent = {"REMOTE_ADDR": address, "HTTP_X_API_KEY": key}
            return app.test_client().get(f"{RANKINGS}/nosuch", environ_base=sent).status_code

        return send

    def test_after_the_limit_the_right_key_is_refused_like_a_wrong_one(self, app, status):
        use_up(app.test_client())

        assert [status(app, key=key) for key in (KEY, "wrong")] == [429, 429]
        assert status(app, "192.0.2.1") == 404

    def test_the_refused_key_works_after_the_minute(self, app, settings, status):
        app.extensions["key_guard"] = KeyGuard(settings, RateLimitItemPerSecond(1))
        use_up(app.test_client())

        wait_until(lambda: status(app) == 404, 3)

    def test_a_key_that_was_used_from_the_address_before_still_works(self, make_app, status):
        app = make_app(api_keys=("first", "second"))
        assert status(app, key="first") == 404
        use_up(app.test_client())

        assert [status(app, key=key) for key in ("first", "second")] == [404, 429]

    def test_every_process_knows_that_it_was_used(self, make_app, status):
        status(make_app())
        use_up(make_app().test_client())

        assert status(make_app()) == 404
        assert status(make_app(api_keys=("new",)), key=KEY) == 429  # removed since

    def test_redis_forgets_the_use_and_learns_no_key_from_it(self, app, status, redis):
        status(app)

        (name,) = redis.keys("llm-benchmark:known:*")
        assert 0 < redis.ttl(name) <= 30 * 24 * 3600
        assert KEY.encode() not in name

    def test_a_known_key_needs_no_redis(self, own_app, own_redis, status):
        status(own_app)
        own_redis.stop()
        use_up(own_app.test_client())

        assert [status(own_app), status(own_app, "192.0.2.1")] == [404, 404]

    def test_a_process_remembers_a_bounded_number_of_addresses(self, app, settings, monkeypatch):
        monkeypatch.setattr("webapp.auth.MOST_KNOWN", 3)
        guard = KeyGuard(settings)

        assert all(guard.admits(f"192.0.2.{number}", KEY, "/") for number in range(10))
        assert [address for address, _ in guard._known] == ["192.0.2.7", "192.0.2.8", "192.0.2.9"]

    def test_wrong_keys_from_one_ipv6_network_are_counted_together(self, app, status):
        client = app.test_client()
        for number in range(WRONG_KEYS_PER_MINUTE):
            assert status(app, f"2001:db8::{number:x}:1", "wrong") == 403

        assert use_up(client, "2001:db8::ffff:2") == 0
        assert use_up(client, "2001:db8:0:1::1") == WRONG_KEYS_PER_MINUTE

    @pytest.mark.parametrize(
        ("address", "network"),
        [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"),
         ("fe80::1%eth0", "fe80::/64"), ("unknown", "unknown")],
    )  # fmt: skip
    def test_counts_by_ipv4_address_or_ipv6_network(self, address, network):
        assert network_of(address) == network

    def test_without_redis_each_process_counts_wrong_keys_separately(self, own_app, own_redis, status):
        own_redis.stop()

        assert use_up(own_app.test_client()) == WRONG_KEYS_PER_MINUTE
        assert status(own_app) == 429


def test_all_processes_count_wrong_keys_together(stranger, settings):
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=use_up_elsewhere, args=(settings,))
    other.start()
    other.join(30)

    assert other.exitcode == 0
    assert use_up(stranger) == 0


def use_up_elsewhere(settings):
    use_up(create_app(replace(settings)).test_client())
