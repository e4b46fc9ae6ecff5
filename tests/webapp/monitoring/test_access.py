"""Who may read /metrics, at the API and at METRICS_PORT."""

import socket
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest
from prometheus_client import make_wsgi_app
from werkzeug.test import Client

from tests.support import KEY
from tests.web import assert_error, free_port, wait_until
from tests.webapp.monitoring.scraping import BEARER
from webapp.auth import WRONG_KEYS_PER_MINUTE
from webapp.monitoring import exporter

RIGHT = [BEARER, {"x-api-key": KEY}, {"Authorization": f"bearer {KEY}"}]
WRONG = [{"Authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"Authorization": "Basic eDp5"}]


@pytest.fixture
def environment(without_database):
    return without_database


class TestOfTheApi:
    def test_without_a_key_is_refused(self, stranger):
        response = stranger.get("/metrics")

        assert_error(response, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("headers", RIGHT)
    def test_accepts_the_key_as_a_bearer_token_or_in_the_api_keys_header(self, stranger, headers):
        assert stranger.get("/metrics", headers=headers).status_code == 200

    @pytest.mark.parametrize("headers", WRONG)
    def test_refuses_a_wrong_key(self, stranger, headers):
        assert_error(stranger.get("/metrics", headers=headers), 401)

    def test_limits_wrong_keys_per_address(self, stranger):
        codes = [
            stranger.get("/metrics", headers=WRONG[0]).status_code for _ in range(WRONG_KEYS_PER_MINUTE + 1)
        ]

        assert codes == [401] * WRONG_KEYS_PER_MINUTE + [429]
        assert_error(stranger.get("/metrics", headers=BEARER), 429)

    def test_an_unreadable_header_is_a_missing_key(self, stranger):
        assert_error(stranger.get("/metrics", headers={"Authorization": "Basic \xff"}), 401)

    def test_is_public_with_metrics_public(self, make_app):
        assert make_app(metrics_public=True).test_client().get("/metrics").status_code == 200


class TestAtMetricsPort:
    @pytest.fixture
    def scraper(self, settings):
        return Client(exporter.require_key(make_wsgi_app(exporter.registry()), settings))

    def test_without_a_key_is_refused(self, scraper):
        response = scraper.get("/metrics")

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("headers", RIGHT)
    def test_accepts_the_key_as_a_bearer_token_or_in_the_api_keys_header(self, scraper, headers):
        response = scraper.get("/metrics", headers=headers)

        assert response.status_code == 200
        assert "process_resident_memory_bytes" in response.text

    def test_limits_wrong_keys_per_address(self, scraper):
        responses = [scraper.get("/metrics", headers=WRONG[0]) for _ in range(WRONG_KEYS_PER_MINUTE + 1)]

        codes = [response.status_code for response in responses]
        assert codes == [401] * WRONG_KEYS_PER_MINUTE + [429]
        assert responses[-1].headers["Retry-After"] == "60"
        elsewhere = {"REMOTE_ADDR": "192.0.2.1"}
        assert scraper.get("/metrics", headers=WRONG[0], environ_base=elsewhere).status_code == 401
        assert scraper.get("/metrics", headers=BEARER).status_code == 429

    def test_of_a_process_without_keys_refuses_every_key_and_none(self, settings):
        keyless = exporter.require_key(make_wsgi_app(exporter.registry()), replace(settings, api_keys=()))

        codes = [Client(keyless).get("/metrics", headers=headers).status_code for headers in (BEARER, {})]
        assert codes == [401, 401]

    def test_a_scraper_whose_key_worked_before_is_not_affected(self, scraper):
        scraper.get("/metrics", headers=BEARER)
        for _ in range(WRONG_KEYS_PER_MINUTE + 1):
            scraper.get("/metrics", headers=WRONG[0])

        assert scraper.get("/metrics", headers=BEARER).status_code == 200

    def test_counts_them_together_with_those_sent_to_the_api(self, scraper, stranger):
        for _ in range(WRONG_KEYS_PER_MINUTE):
            scraper.get("/metrics", headers=WRONG[0], environ_base={"REMOTE_ADDR": "127.0.0.1"})

        assert_error(stranger.get("/metrics", headers=WRONG[0]), 429)

    def test_counts_no_requests_without_a_key_as_wrong(self, scraper):
        codes = {scraper.get("/metrics").status_code for _ in range(WRONG_KEYS_PER_MINUTE + 1)}

        assert codes == {401}


class TestClientsOfMetricsPort:
    @pytest.fixture
    def port(self, settings):
        port = free_port()
        exporter.export(exporter.registry(), replace(settings, host="127.0.0.1", metrics_port=port))
        return port

    def test_that_send_a_request_byte_by_byte_are_disconnected(self, port, monkeypatch):
        monkeypatch.setattr(exporter, "REQUEST_SECONDS", 0.3)
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=0.05) as client:
            while not is_closed(client):
                with suppress(ConnectionError):
                    client.sendall(b"x")
                assert time.monotonic() < start + 5

    def test_that_are_many_take_a_bounded_number_of_threads_for_a_bounded_time(self, port, monkeypatch):
        monkeypatch.setattr(exporter, "REQUEST_SECONDS", 1)
        before = threading.active_count()
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                for _ in range(50)
            ]
            for client in clients:
                client.settimeout(0.01)
            wait_until(lambda: sum(map(is_closed, clients)) >= 50 - exporter.MOST_CLIENTS)

            assert threading.active_count() - before <= 2 * exporter.MOST_CLIENTS  # with their timers
            wait_until(lambda: all(map(is_closed, clients)))
            request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=BEARER)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=5) as response:
                assert b"process_resident_memory_bytes" in response.read()


def is_closed(client: socket.socket) -> bool:
    """Whether the server has ended the connection."""
    try:
        return client.recv(1000) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
