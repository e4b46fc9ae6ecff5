"""Unknown addresses: a page for a browser, JSON for a program."""

import pytest

from tests.web import assert_error

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/nope", "/llm?name=Nope"])
def test_a_browser_gets_a_page_for_an_unknown_address(reader, path):
    response = reader.get(path, headers=BROWSER)

    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "<title>" in response.text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_program_gets_json_and_so_does_everyone_below_the_api(reader, client):
    assert_error(client.get("/nope"), 404)
    assert_error(client.get("/api/v1/benchmarks/rankings/nope", headers=BROWSER), 404)
