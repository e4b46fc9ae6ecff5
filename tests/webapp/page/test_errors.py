"""What nobody serves, as a page to a browser and as JSON to a program."""

import pytest

from tests.web import assert_error

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/nope", "/llm?name=Nope"])
def test_an_address_that_leads_nowhere_is_a_page_to_a_browser(reader, path):
    answer = reader.get(path, headers=BROWSER)

    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "<title>" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_it_is_json_to_a_program_and_under_the_api_to_all(reader, client):
    assert_error(client.get("/nope"), 404)
    assert_error(client.get("/api/v1/benchmarks/rankings/nope", headers=BROWSER), 404)
