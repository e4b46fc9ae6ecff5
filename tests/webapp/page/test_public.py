"""What the public page hides: the texts of providers."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import add_llm, add_run
from tests.webapp.api.shown_runs import finish_run, show
from tests.webapp.page.conftest import sign_in
from webapp.ingest.publish import publish
from webapp.page.text import error_class

NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = "account acme-prod at https://internal.example"
ERROR = f"NoResponseError: all 5 requests failed (rate_limited 4, timeout 1); the first with: {SECRET}"
PATHS = ["/", "/?window=24h", "/runs", "/llm?name=GPT-4o", "/llm?name=Invalid"]


@pytest.fixture
def app(make_app):
    return make_app(public_dashboard=True)


@pytest.fixture
def failures(conn, settings, redis):
    """A ranked LLM whose newest run failed, and one without values whose run was invalid."""
    finish_run(conn, NOW - timedelta(minutes=10), {"GPT-4o": {"ttft": [1.0]}})
    show(conn, NOW)
    with conn:
        add_run(conn, NOW, "GPT-4o", status="failed", error=ERROR)
        add_llm(conn, "Invalid")
        add_run(conn, NOW, "Invalid", status="invalid", invalid_reason=SECRET)
    publish(conn, settings, redis)


@pytest.mark.usefixtures("failures")
@pytest.mark.parametrize("prefix", ["", "/live"])
@pytest.mark.parametrize("path", PATHS)
def test_only_the_signed_in_see_error_texts(app, make_reader, prefix, path):
    visitor, reader = app.test_client(), make_reader(app)

    seen = [SECRET in client.get(f"{prefix}{path}").text for client in (visitor, reader, visitor)]

    assert seen == [False, True, False]


@pytest.mark.usefixtures("failures")
def test_visitors_see_the_class_of_errors(stranger):
    assert "Latest run failed: rate_limited</span>" in stranger.get("/?window=24h").text
    assert "Latest run invalid</span>" in stranger.get("/?window=24h").text
    assert ">rate_limited</td>" in stranger.get("/runs").text
    assert ">Invalid</td>" in stranger.get("/runs").text


@pytest.mark.parametrize("status", ["failed", "invalid"])
def test_before_the_first_values_they_see_no_text_either(stranger, conn, status):
    reason = {"failed": "error", "invalid": "invalid_reason"}[status]
    with conn:
        add_run(conn, NOW, status=status, **{reason: ERROR})

    page = stranger.get("/").text
    assert f"Latest run {status}" in page
    assert "rate_limited" in page
    assert SECRET not in page


def test_signing_in_shows_the_texts_immediately(stranger, failures):
    assert SECRET not in stranger.get("/?window=24h").text

    sign_in(stranger)

    assert SECRET in stranger.get("/?window=24h").text


@pytest.mark.parametrize(
    ("text", "found"),
    [(ERROR, "rate_limited"), ("OSError: disk full", ""), ("", ""), ("requests failed (acme-prod 5)", "")],
)
def test_only_our_own_classes_count_as_one(text, found):
    assert error_class(text) == found
