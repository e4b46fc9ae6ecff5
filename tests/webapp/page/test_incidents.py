import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import add_run, add_scenario
from tests.incidents import store_incident
from tests.support import query
from tests.webapp.api.shown_runs import finish_run, show
from tests.webapp.page.conftest import token
from webapp.page.incidents import LISTED
from webapp.watch import actions

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
CAUSE = "503 at https://internal.example"
SERVER = "internal.example:8443"


@pytest.fixture
def public(make_app):
    """A visitor of the public page."""
    return make_app(public_dashboard=True).test_client()


@pytest.fixture
def measured(conn):
    """An open incident of a measured LLM: its cause, note and server are secret."""
    with conn:
        add_scenario(conn, "chat@c1", {"requests": 10})
    incident = store_incident(
        conn, source="measurement", scenario="chat@c1", kind="down", severity="critical", metric=None,
        statistic=None, subject=SERVER, cause=CAUSE, opened=NOW - HOUR,
    )  # fmt: skip
    with conn:
        actions.acknowledge(conn, incident, "ticket 4711")
    show(conn, NOW)
    return incident


def titles(html):
    return re.findall(r'<a href="/incidents/\d+"><bdi dir="ltr">(.+?)</bdi>', html)


class TestTheList:
    def test_has_the_newest_incident_first(self, conn, reader):
        store_incident(conn, "GPT-4o", opened=NOW - 3 * HOUR)
        store_incident(
            conn, "Llama 3.1 70B", kind="down", severity="critical", metric=None, statistic=None,
            opened=NOW - HOUR,
        )  # fmt: skip

        assert titles(reader.get("/incidents").text) == [
            "Llama 3.1 70B: down",
            "GPT-4o: time to first token 30 % slower",
        ]

    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            ("status=open", ["GPT-4o"]),
            ("status=resolved", ["Llama 3.1 70B"]),
            ("severity=major", ["Llama 3.1 70B"]),
            ("llm=GPT-4o", ["GPT-4o"]),
            ("source=measurement", []),
        ],
    )
    def test_is_filtered_by(self, conn, reader, arguments, found):
        store_incident(conn, "GPT-4o", opened=NOW - 3 * HOUR)
        store_incident(conn, "Llama 3.1 70B", severity="major", resolution="recovered", opened=NOW - 3 * HOUR)

        html = reader.get(f"/incidents?{arguments}").text

        assert [title.partition(":")[0] for title in titles(html)] == found
        assert re.findall('<a class="lane-name".+?<bdi>(.+?)</bdi>', html) == found
        assert ("No matching incidents" in html) == (not found)

    def test_without_any_says_so(self, reader):
        assert "No incidents yet" in reader.get("/incidents").text

    def test_continues_on_the_next_page(self, conn, reader):
        for number in range(LISTED + 1):
            store_incident(conn, severity="minor", resolution="recovered", opened=NOW - number * HOUR)

        first = reader.get("/incidents").text
        older = re.search(r'href="(/incidents\?[^"]+)">Older incidents', first)[1].replace("&amp;", "&")

        assert (len(titles(first)), len(titles(reader.get(older).text))) == (LISTED, 1)

    def test_is_updated_with_the_generation(self, conn, reader):
        etag = reader.get("/live/incidents").headers["ETag"]
        store_incident(conn, opened=NOW - HOUR)
        assert reader.get("/live/incidents", headers={"If-None-Match": etag}).status_code == 304

        show(conn, NOW)

        assert "GPT-4o" in reader.get("/live/incidents", headers={"If-None-Match": etag}).text


class TestTheTimeline:
    def bars(self, html):
        return [
            (float(x), float(width))
            for x, width in re.findall(r'<rect class="bar[^"]*" x="([\d.]+)%" width="([\d.]+)%"', html)
        ]

    def test_has_a_bar_from_the_start_to_the_end(self, conn, reader):
        store_incident(conn, resolution="recovered", opened=NOW - timedelta(days=3.5))

        ((x, width),) = self.bars(reader.get("/incidents").text)

        assert x == pytest.approx(50, abs=0.2)
        assert width == pytest.approx(100 / (7 * 24), abs=0.05)

    def test_of_an_open_incident_reaches_to_now(self, conn, reader):
        store_incident(conn, opened=NOW - timedelta(days=10))

        assert self.bars(reader.get("/incidents").text) == [(0, 100)]
        ((x, width),) = self.bars(reader.get("/incidents?window=30d").text)
        assert (x, x + width) == (pytest.approx(200 / 3, abs=0.1), pytest.approx(100))

    def test_leaves_out_what_ended_before(self, conn, reader):
        store_incident(conn, resolution="recovered", opened=NOW - timedelta(days=8))

        html = reader.get("/incidents").text

        assert self.bars(html) == []
        assert len(titles(html)) == 1

    def test_says_in_words_what_color_and_height_show(self, conn, reader):
        store_incident(conn, severity="major", opened=NOW - HOUR)

        assert (
            f"<title>Major: GPT-4o: time to first token 30 % slower, {NOW - HOUR:%Y-%m-%d %H:%M} UTC to now"
            in (reader.get("/incidents").text)
        )


class TestAnIncident:
    @pytest.fixture
    def changed(self, conn):
        """A change of GPT-4o after three of five runs, and a run that failed."""
        start = NOW - 2 * HOUR
        for number in range(-3, 2):
            value = 1.0 if number < 0 else 1.3
            finish_run(conn, start + number * timedelta(minutes=10), {"GPT-4o": {"ttft": [value, value]}})
        with conn:
            add_run(conn, start + timedelta(minutes=30), status="failed", error="OSError: disk full")
        incident = store_incident(conn, opened=start)
        show(conn, NOW)
        return incident

    def test_has_the_figures_of_its_signals(self, changed, reader):
        html = reader.get(f"/incidents/{changed}").text

        assert "<h1>GPT-4o: time to first token 30 % slower</h1>" in html
        assert "<title>GPT-4o: time to first token 30 % slower" in html
        assert 'data-label="Before">1.00 s<' in html
        assert 'data-label="After">1.30 s<' in html
        assert '+30 %</span><span class="interval">+25 % to +35 %<' in html

    def test_has_a_chart_of_the_metric_with_the_change_marked(self, changed, reader):
        html = reader.get(f"/incidents/{changed}").text

        (chart,) = (json.loads(data) for data in re.findall(r'class="data">(.+?)</script>', html))
        values, before, after = chart["lines"]
        assert values["values"] == [1, 1, 1, 1.3, 1.3]
        assert (before["values"], after["values"]) == ([1, 1, 1], [1.3, 1.3])
        assert (before["x"], after["x"]) == (values["x"][:3], values["x"][3:])
        assert float(re.search(r'<li data-at="([\d.]+)">', html)[1]) == values["x"][3]

    def test_lists_the_runs_around_it(self, changed, reader):
        html = reader.get(f"/incidents/{changed}").text

        assert html.count('<a href="/run?id=') == 6
        assert "OSError: disk full" in html

    def test_is_acknowledged_with_a_note(self, changed, reader):
        path = f"/incidents/{changed}"

        response = reader.post(
            f"{path}/acknowledge", data={"csrf_token": token(reader, path), "note": " on it <b> "}
        )

        assert (response.status_code, response.headers["Location"]) == (303, path)
        html = reader.get(path).text
        assert re.search(r"Acknowledged <time", html)
        assert "on it &lt;b&gt;" in html
        assert "<strong>Open</strong>" in html

    def test_is_closed(self, changed, reader):
        path = f"/incidents/{changed}"

        reader.post(f"{path}/close", data={"csrf_token": token(reader, path), "note": ""})

        html = reader.get(path).text
        assert "<strong>Resolved</strong>" in html
        assert "Close incident" not in html
        assert "Resolved</td>" in reader.get("/incidents").text

    @pytest.mark.parametrize("action", ["acknowledge", "close"])
    def test_is_changed_only_by_the_signed_in_with_their_form(self, changed, reader, public, conn, action):
        path = f"/incidents/{changed}/{action}"

        assert public.post(path).status_code == 401
        assert reader.post(path, data={"csrf_token": "wrong"}).status_code == 403
        assert query(conn, "SELECT acknowledged_at, resolved_at FROM incidents") == [(None, None)]

    def test_that_is_resolved_stays_as_it_is(self, conn, reader, changed):
        form = {"csrf_token": token(reader, f"/incidents/{changed}"), "note": "late"}
        resolved = store_incident(conn, "Llama 3.1 70B", resolution="recovered", opened=NOW - HOUR)

        assert reader.post(f"/incidents/{resolved}/close", data=form).status_code == 303

        assert query(conn, "SELECT resolution, note FROM incidents WHERE id = %s", resolved) == [
            ("recovered", None)
        ]

    def test_keeps_a_note_on_one_line_without_control_characters(self, changed, reader, conn):
        form = {"csrf_token": token(reader, f"/incidents/{changed}"), "note": "  known\r\n\x1b[31m a\0b "}

        reader.post(f"/incidents/{changed}/acknowledge", data=form)

        assert query(conn, "SELECT note FROM incidents") == [(r"known \x1b[31m a\x00b",)]

    def test_refuses_a_note_that_is_too_long(self, changed, reader):
        form = {"csrf_token": token(reader, f"/incidents/{changed}"), "note": "x" * 1001}

        assert reader.post(f"/incidents/{changed}/acknowledge", data=form).status_code == 422

    @pytest.mark.parametrize("number", ["999", "0", "9" * 30, "x"])
    def test_that_is_unknown_is_404(self, reader, number):
        assert reader.get(f"/incidents/{number}", headers={"Accept": "text/html"}).status_code == 404


class TestThePublic:
    @pytest.mark.parametrize("prefix", ["", "/live"])
    def test_sees_neither_cause_nor_note_nor_server(self, measured, public, reader, prefix):
        for path in (f"/incidents/{measured}", "/incidents", "/status", "/", "/llm?name=GPT-4o"):
            html = public.get(prefix + path).text
            assert not any(secret in html for secret in (CAUSE, SERVER, "ticket 4711", "internal")), path

        shown = reader.get(f"{prefix}/incidents/{measured}").text
        assert all(secret in shown for secret in (CAUSE, SERVER, "ticket 4711"))

    def test_has_no_forms(self, measured, public):
        html = public.get(f"/incidents/{measured}").text

        assert "GPT-4o: down" in html
        assert "<form" not in html


@pytest.mark.parametrize("path", ["/", "/incidents", "/status"])
def test_browsers_find_the_feed_on_every_page(reader, path):
    link = re.search(
        r'<link rel="alternate" href="([^"]+)" type="application/atom\+xml"', reader.get(path).text
    )

    assert reader.get(link[1]).content_type.startswith("application/atom+xml")


class TestTheNumberOfOpenIncidents:
    COUNT = 'id="open-incidents" title="Open incidents"'

    def test_is_in_the_navigation_of_every_page(self, measured, reader):
        for path in ("/", "/runs", "/incidents", "/status", f"/incidents/{measured}"):
            assert f"{self.COUNT}>1</span>" in reader.get(path).text
            assert reader.get(f"/live{path}").headers["X-Open-Incidents"] == "1"

    def test_is_hidden_while_there_are_none(self, reader):
        assert f"{self.COUNT} hidden></span>" in reader.get("/").text

    def test_costs_no_query_while_the_generation_is_the_same(self, measured, reader, conn):
        reader.get("/")
        query(conn, "UPDATE incidents SET resolved_at = now(), resolution = 'recovered' RETURNING id")
        assert f"{self.COUNT}>1</span>" in reader.get("/").text

        show(conn, NOW)

        assert f"{self.COUNT} hidden></span>" in reader.get("/").text

    def test_is_shown_to_readers_only(self, measured, stranger):
        assert "open-incidents" not in stranger.get("/sign-in").text
        assert "X-Open-Incidents" not in stranger.get("/live/").headers
