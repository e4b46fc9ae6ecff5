"""The Atom feed of incidents, as an independent reader of feeds understands it."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import feedparser
import pytest

from tests.factories import add_llm
from tests.incidents import store_incident
from tests.support import KEY
from tests.web import assert_error, slot
from tests.webapp.conftest import with_key
from webapp.page.feed import MOST_ENTRIES
from webapp.store import views

URL = "/incidents.atom"
ATOM = "{http://www.w3.org/2005/Atom}"
SERVER, CAUSE, NOTE = "internal.example:8000", "rate_limited 4: account acme-prod", "call Ann"
NASTY = "<script>&amp;]]>\"'\u202e\uffff\x85 \U0001f680"


@pytest.fixture
def visitor(make_app):
    """A client without key or session, to whom the dashboard is public."""
    return make_app(public_dashboard=True).test_client()


@pytest.fixture
def measured(conn) -> int:
    """An incident of a measured server, whose texts are not public."""
    number = store_incident(
        conn,
        source="measurement",
        kind="down",
        severity="critical",
        metric=None,
        statistic=None,
        cause=CAUSE,
    )
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE incidents SET subject = %s, note = %s", (SERVER, NOTE))
    return number


def read(client, url=URL):
    """The feed as feedparser has it."""
    response = client.get(url)
    assert response.status_code == 200, response.text
    feed = feedparser.parse(response.data, response_headers={"content-type": response.content_type})
    assert not feed.bozo, feed.bozo_exception
    assert feed.version == "atom10"
    return feed


def test_an_incident_is_an_entry(client, conn):
    number = store_incident(conn)

    feed = read(client)

    assert feed.feed.title == "LLM Benchmark: incidents"
    assert feed.feed.author == "LLM Benchmark"
    (entry,) = feed.entries
    assert entry.title.startswith("GPT-4o: ")
    assert entry.link == f"/incidents/{number}"
    assert datetime(*entry.published_parsed[:6], tzinfo=UTC) == slot(1)
    assert entry.updated == feed.feed.updated
    assert [tag.term for tag in entry.tags] == ["minor", "open"]
    assert entry.summary.startswith(f"Minor incident since {slot(1):%Y-%m-%d %H:%M} UTC. GPT-4o in default: ")
    assert "(95 % interval +25 % to +35 %)" in entry.summary
    assert entry.summary_detail.type == "text/plain"


def test_a_resolved_incident_says_how_it_ended(client, conn):
    store_incident(conn, resolution="recovered")

    (entry,) = read(client).entries

    assert [tag.term for tag in entry.tags] == ["minor", "resolved"]
    assert entry.summary.endswith("UTC: recovered.")


def test_without_incidents_the_feed_is_valid_and_does_not_change(client, conn):
    before = client.get(URL)
    views.raise_generation(conn)
    conn.commit()

    assert read(client).entries == []
    assert client.get(URL).data == before.data


def test_it_has_what_rfc_4287_requires_once_and_in_this_order(client, conn, measured):
    root = ET.fromstring(client.get(URL).data)

    assert root.tag == f"{ATOM}feed"
    children = [child.tag.removeprefix(ATOM) for child in root]
    assert children == ["id", "title", "updated", "author", "link", "link", "entry"]
    assert [child.tag.removeprefix(ATOM) for child in root[-1]] == [
        "id",
        "title",
        "published",
        "updated",
        "link",
        "category",
        "category",
        "summary",
    ]
    for updated in root.iter(f"{ATOM}updated"):
        assert updated.text.endswith("Z")
        assert datetime.fromisoformat(updated.text).tzinfo
    assert [link.get("href") for link in root.findall(f"{ATOM}link[@rel='self']")] == [URL]


def test_ids_are_unique_and_stay_as_they_are(client, conn):
    def ids():
        feed = read(client)
        return [feed.feed.id, *(entry.id for entry in feed.entries)]

    first = store_incident(conn, number=1)
    store_incident(conn, "Llama 3.1 70B", number=2)
    before = ids()
    client.post(f"/api/v1/benchmarks/incidents/{first}/close")

    assert len(set(before)) == 3
    assert all(each.startswith("urn:uuid:") for each in before)
    assert ids() == before


def test_the_newest_incidents_come_first_up_to_a_number(client, conn):
    stored = [
        store_incident(conn, number=number, resolution="recovered") for number in range(MOST_ENTRIES + 1)
    ]

    entries = read(client).entries

    assert [entry.link for entry in entries] == [f"/incidents/{number}" for number in stored[:0:-1]]


def test_any_name_and_text_is_valid_xml(client, conn):
    with conn:
        add_llm(conn, NASTY)
    store_incident(conn, NASTY, cause="\x01\x1b[31m\ufffe</summary>")

    (entry,) = read(client).entries

    shown = "<script>&amp;]]>\"'\\u202e\\uffff\\x85 \U0001f680"
    assert shown in ET.fromstring(client.get(URL).data).find(f"{ATOM}entry/{ATOM}title").text
    assert "Cause: \\x01\\x1b[31m\\ufffe</summary>." in entry.summary


def test_visitors_see_neither_causes_nor_notes_nor_servers(visitor, client, measured):
    public, whole = visitor.get(URL).text, client.get(URL).text

    assert [text in whole for text in (SERVER, CAUSE, NOTE)] == [True] * 3
    assert [text in public for text in (SERVER, CAUSE, NOTE)] == [False] * 3
    assert "GPT-4o: down" in public
    assert visitor.get(URL).text == public  # from the cache


def test_visitors_with_a_key_or_a_session_see_all_of_it(visitor, make_reader, measured):
    assert CAUSE in visitor.get(URL, headers={"x-api-key": KEY}).text
    assert CAUSE in make_reader(visitor.application).get(URL).text
    assert CAUSE not in visitor.get(URL).text


def test_signing_in_changes_the_etag(visitor, measured):
    etag = visitor.get(URL).headers["ETag"]
    asked = {"If-None-Match": etag, "x-api-key": KEY}

    assert visitor.get(URL, headers={"If-None-Match": etag}).status_code == 304
    assert visitor.get(URL, headers=asked).status_code == 200


def test_without_a_public_dashboard_it_needs_a_key_or_a_session(stranger, reader, client, measured):
    assert_error(stranger.get(URL), 401)
    assert CAUSE in reader.get(URL).text
    assert CAUSE in client.get(URL).text


def test_a_wrong_key_is_refused_even_where_the_feed_is_public(visitor):
    assert_error(visitor.get(URL, headers={"x-api-key": "wrong"}), 403)


def test_it_is_304_until_the_next_generation(client, conn, measured):
    etag = {"If-None-Match": client.get(URL).headers["ETag"]}

    assert client.get(URL, headers=etag).status_code == 304
    views.raise_generation(conn)
    conn.commit()
    assert client.get(URL, headers=etag).status_code == 200


def test_links_begin_with_the_prefix(make_app, measured):
    client = with_key(make_app(url_prefix="/llm"))

    feed = read(client, f"/llm{URL}")

    assert [link.href for link in feed.feed.links] == [f"/llm{URL}", "/llm/incidents"]
    assert feed.entries[0].link == f"/llm/incidents/{measured}"
    assert_error(client.get(URL), 404)


def test_its_type_is_that_of_atom_and_no_shared_cache_keeps_it(client):
    response = client.get(URL)

    assert response.content_type == "application/atom+xml; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Vary"] == "Cookie, x-api-key"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_argument_is_refused(client):
    assert "llm" in assert_error(client.get(f"{URL}?llm=GPT-4o"), 422)["message"]
