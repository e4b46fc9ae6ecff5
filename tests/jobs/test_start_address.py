"""Where `make start` listens, and what it prints about that."""

import socket

import pytest

from jobs.start import StartError, base_url, check_port
from webapp.settings import Settings

LEAST = {"API_KEY": "key", "POSTGRES_HOST": "db", "REDIS_HOST": "cache"}


@pytest.mark.parametrize(
    ("host", "prefix", "url"),
    [("127.0.0.1", "", "http://localhost:8001"), ("::", "/llm", "http://localhost:8001/llm"),
     ("::1", "", "http://localhost:8001"), ("fd00::1", "", "http://[fd00::1]:8001")],
)  # fmt: skip
def test_the_address_that_is_shown_leads_to_the_page(host, prefix, url):
    settings = Settings.from_env({**LEAST, "HOST": host, "URL_PREFIX": prefix})

    assert base_url(settings) == url


def test_a_socket_that_cannot_be_made_is_refused(folder):
    taken, file = folder / "taken.sock", folder / "file"
    file.touch()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(taken))
        other.listen()
        for path, fault in (
            (taken, "another server listens there"),
            (file, "there is a file of that name"),
            (folder / "none" / "sock", "its folder does not exist, or this user may not write to it"),
        ):
            with pytest.raises(StartError, match=f"^unix:{path}: cannot listen there \\({fault}\\)$"):
                check_port(Settings.from_env({**LEAST, "HOST": f"unix:{path}"}))
    check_port(Settings.from_env({**LEAST, "HOST": f"unix:{taken}"}))  # left by a server that was killed
