"""Badges: what they say, to whom, and what they cost."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from llm_measure.metrics import METRICS
from tests.factories import add_llm, add_scenario
from tests.incidents import store_availability, store_incident
from tests.support import KEY, query
from tests.web import KEYED, assert_error, wait_until
from tests.webapp.api.shown_runs import finish_run, show
from webapp import generation
from webapp.generation import HINT
from webapp.page import views
from webapp.page.badges.drawing import COLORS

NOW = datetime.now(UTC).replace(microsecond=0)
BADGE = "/badges/GPT-4o/ttft.svg"
SVG = "{http://www.w3.org/2000/svg}"
QUERIES = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'llm-benchmark api'"


@pytest.fixture
def app(make_app):
    return make_app(public_dashboard=True)


@pytest.fixture
def measured(conn):
    """Finish a measured run of GPT-4o, and show it."""
    values = {"ttft": [1.0, 1.0, 1.21], "tps": [82.15], "error_rate": [0.0123]}
    finish_run(conn, NOW, {"GPT-4o": values}, "measurement")
    show(conn, NOW)


def read(response):
    """The label and the value of a badge."""
    assert response.mimetype == "image/svg+xml"
    label, value = (text.text for text in ElementTree.fromstring(response.data).iter(f"{SVG}text"))
    return label, value


def said(client, path):
    return read(client.get(path))[1]


class TestAMetric:
    def test_is_shown_with_its_unit(self, stranger, measured):
        for path, label, value in (
            ("ttft.svg", "GPT-4o TTFT", "1.07 s"),
            ("ttft.svg?window=latest", "GPT-4o TTFT", "1.07 s"),
            ("ttft.svg?statistic=p95", "GPT-4o TTFT p95", "1.21 s"),
            ("tps.svg?source=measurement&scenario=default", "GPT-4o TPS", "82.2 tokens/s"),
            ("error_rate.svg", "GPT-4o error rate", "1.23 %"),
            ("rps.svg", "GPT-4o RPS", "no data"),
        ):
            assert read(stranger.get(f"/badges/GPT-4o/{path}")) == (label, value)

    def test_that_is_simulated_says_so(self, stranger, show_next_run):
        show_next_run()

        assert said(stranger, BADGE).endswith(" s (simulated)")

    def test_is_that_of_the_leaderboard(self, client, show_next_run):
        show_next_run()
        response = client.get("/api/v1/benchmarks/leaderboard?window=24h").json

        for board in response["metrics"]:
            for row in board["llms"]:
                value = said(client, f"/badges/{row['llm_name']}/{board['metric']}.svg").partition(" ")[0]
                assert float(value) == pytest.approx(row["mean"], rel=0.005)

    def test_is_that_of_the_scenario(self, stranger, measured, conn):
        with conn:
            add_scenario(conn, "chat@c8", {"api": "chat"})
        finish_run(conn, NOW, {"GPT-4o": {"ttft": [3.0]}}, "measurement", "chat@c8")
        show(conn, NOW)

        assert said(stranger, f"{BADGE}?scenario=chat@c8") == "3.00 s"
        assert said(stranger, f"{BADGE}?scenario=default") == "1.07 s"

    def test_has_a_badge_whatever_it_is(self, stranger, measured):
        for name in METRICS.names:
            assert stranger.get(f"/badges/GPT-4o/{name}.svg").status_code == 200


class TestAvailability:
    PATH = "/badges/GPT-4o/availability.svg"

    @pytest.mark.parametrize(
        ("finished", "failed", "value"),
        [(3, 0, "100 %"), (999, 1, "99.9 %"), (99_999, 1, "99.9 %"), (9, 1, "90 %"), (0, 2, "0 %")],
    )
    def test_is_the_share_of_runs_that_succeeded_rounded_down(self, stranger, conn, finished, failed, value):
        store_availability(conn, NOW, finished=finished, failed=failed, source="measurement")

        assert said(stranger, self.PATH) == value

    @pytest.mark.parametrize(
        ("failed", "color"), [(10, "green"), (11, "yellow"), (100, "yellow"), (101, "red")]
    )
    def test_has_the_color_of_the_bars_of_the_page(self, stranger, conn, failed, color):
        store_availability(conn, NOW, finished=1000 - failed, failed=failed, source="measurement")

        assert f'fill="{COLORS[color]}"' in stranger.get(self.PATH).text

    def test_is_that_of_30_days_and_all_scenarios_unless_one_is_named(self, stranger, conn):
        now = datetime.now(UTC)
        with conn:
            add_scenario(conn, "chat@c8", {"api": "chat"})
        for days, failed in ((0, 0), (29, 1), (31, 100)):
            store_availability(
                conn, now - timedelta(days=days), finished=1, failed=failed, source="measurement"
            )
        store_availability(conn, now, finished=1, source="measurement", scenario="chat@c8")

        assert said(stranger, self.PATH) == "75 %"
        assert said(stranger, f"{self.PATH}?scenario=chat@c8") == "100 %"

    def test_without_any_run_is_unknown(self, stranger):
        assert said(stranger, self.PATH).startswith("no data")


class TestStatus:
    PATH = "/badges/GPT-4o/status.svg"

    @pytest.fixture(autouse=True)
    def _judged(self, conn):
        store_availability(conn, NOW, finished=1, failed=1, source="measurement")

    @pytest.mark.parametrize(
        ("incidents", "value"),
        [
            ([], "operational"),
            ([{"resolution": "recovered", "kind": "down"}], "operational"),
            ([{"kind": "down", "source": "simulation"}], "operational"),
            ([{"kind": "down", "llm": "Llama 3.1 70B"}], "operational"),
            ([{"kind": "change"}], "degraded"),
            ([{"kind": "degraded", "metric": "error_rate"}], "degraded"),
            ([{"kind": "down", "metric": None, "statistic": None}], "down"),
        ],
    )
    def test_is_that_of_the_open_incidents_of_the_llm(self, stranger, conn, incidents, value):
        for incident in incidents:
            store_incident(conn, **{"source": "measurement", **incident})

        assert said(stranger, self.PATH) == value

    def test_is_operational_once_its_own_signals_have_ended(self, stranger, conn):
        store_incident(conn, kind="down", source="measurement")
        query(conn, "UPDATE signals SET ended_at = now() RETURNING id")

        assert said(stranger, self.PATH) == "operational"

    def test_follows_each_generation(self, stranger, conn):
        assert said(stranger, self.PATH) == "operational"

        store_incident(conn, kind="down", source="measurement")
        show(conn, NOW)

        assert said(stranger, self.PATH) == "down"

    def test_without_any_run_is_unknown(self, stranger):
        assert said(stranger, "/badges/Llama 3.1 70B/status.svg").startswith("no data")

    @pytest.mark.parametrize(("hours", "finished"), [(26, 3), (0, 0)])
    def test_without_a_judged_run_for_a_day_is_unknown_as_on_the_status_page(
        self, stranger, conn, hours, finished
    ):
        name = "Llama 3.1 70B"
        store_availability(
            conn, NOW - timedelta(hours=hours), finished=finished, llm=name, source="measurement"
        )

        assert said(stranger, f"/badges/{name}/status.svg") == "no data"

    def test_changes_with_the_time_even_if_nothing_runs(self, stranger, conn, monkeypatch):
        assert said(stranger, self.PATH) == "operational"
        query(conn, "UPDATE availability SET starts_at = starts_at - interval '2 days' RETURNING 1")
        assert said(stranger, self.PATH) == "operational"

        monkeypatch.setattr(views, "PRESENT_SECONDS", 1e-3)

        assert said(stranger, self.PATH) == "no data"


class TestNames:
    def test_may_have_any_character(self, stranger, conn):
        named = (
            ("Qwen/Qwen3 8B", "Qwen/Qwen3%208B"),
            ("Qwen/Qwen3 8B", "Qwen%2FQwen3%208B"),
            ("<script>\"&amp;'</script>", "%3Cscript%3E%22%26amp;'%3C/script%3E"),
            ("ttft.svg?x=1#y", "ttft.svg%3Fx=1%23y"),
            ("模型", "%E6%A8%A1%E5%9E%8B"),
        )
        with conn:
            for name in {name for name, _ in named}:
                add_llm(conn, name)

        for name, path in named:
            response = stranger.get(f"/badges/{path}/tps.svg")
            assert response.status_code == 200
            assert read(response)[0] == f"{name} TPS"

    def test_that_are_long_are_cut(self, stranger, conn):
        with conn:
            add_llm(conn, "W" * 200)

        assert read(stranger.get(f"/badges/{'W' * 200}/ttft.svg"))[0] == f"{'W' * 59}… TTFT"

    def test_that_are_unknown_are_404_with_a_badge_that_says_so(self, stranger):
        for path, value in (
            ("GPT-5/ttft", "unknown LLM"),
            ("GPT-5%00/ttft", "unknown LLM"),
            (f"{'x' * 201}/ttft", "unknown LLM"),
            ("GPT-4o/speed", "unknown metric"),
        ):
            response = stranger.get(f"/badges/{path}.svg")
            assert response.status_code == 404
            assert read(response) == ("LLM Benchmark", value)

    def test_of_an_llm_that_is_added_later_are_known_then(self, stranger, client):
        assert stranger.get("/badges/New/ttft.svg").status_code == 404
        client.post("/api/v1/llms", json={"name": "New", "company_name": "maker"})

        assert stranger.get("/badges/New/ttft.svg").status_code == 200

    def test_of_unknown_arguments_are_refused(self, stranger):
        for path in (
            *(
                "ttft.svg?window=2h",
                "ttft.svg?statistic=max",
                "ttft.svg?scenario=none",
                "ttft.svg?colour=red",
            ),
            *("status.svg?window=24h", "availability.svg?statistic=mean"),
        ):
            assert_error(stranger.get(f"/badges/GPT-4o/{path}"), 422)


class TestAccess:
    def test_needs_a_session_or_an_api_key_unless_the_page_is_public(self, make_app, make_reader):
        app = make_app()

        assert_error(app.test_client().get(BADGE), 401)
        assert_error(app.test_client().get(BADGE, headers={"x-api-key": "wrong"}), 403)
        assert app.test_client().get(BADGE, headers=KEYED).status_code == 200
        assert make_reader(app).get(BADGE).status_code == 200

    def test_names_no_cause_and_no_server(self, stranger, conn):
        store_availability(conn, NOW, finished=1)
        store_incident(conn, kind="down", cause="account acme-prod", subject="internal.example:443")

        text = stranger.get("/badges/GPT-4o/status.svg").text

        assert "down" in text
        assert "acme" not in text
        assert "internal" not in text


class TestResponses:
    def test_are_images_that_run_nothing(self, stranger):
        headers = stranger.get(BADGE).headers

        assert headers["Content-Type"] == "image/svg+xml; charset=utf-8"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"

    def test_contain_no_script_and_nothing_from_elsewhere(self, stranger):
        elements = list(ElementTree.fromstring(stranger.get(BADGE).data).iter())

        assert {element.tag.removeprefix(SVG) for element in elements} == {
            *("svg", "title", "clipPath", "rect", "g", "text"),
        }
        attributes = {name for element in elements for name in element.attrib}
        assert not {name for name in attributes if name.startswith("on") or "href" in name or name == "style"}

    def test_may_be_shown_by_other_sites_and_kept_by_proxies_if_public(self, stranger, make_app):
        public = stranger.get(BADGE).headers
        private = make_app().test_client().get(BADGE, headers={"x-api-key": KEY}).headers

        assert public["Cache-Control"] == "public, no-cache"
        assert public["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Set-Cookie" not in public
        assert private["Cache-Control"] == "private, no-cache"
        assert private["Cross-Origin-Resource-Policy"] == "same-origin"
        assert private["Vary"] == "Cookie, x-api-key"

    def test_that_a_proxy_has_are_304_also_in_a_new_generation(self, stranger, measured, conn):
        first = stranger.get(BADGE)
        show(conn, NOW)
        again = stranger.get(BADGE, headers={"If-None-Match": first.headers["ETag"]})
        finish_run(conn, NOW + timedelta(minutes=10), {"GPT-4o": {"ttft": [2.0]}}, "measurement")
        show(conn, NOW + timedelta(minutes=10))
        changed = stranger.get(BADGE, headers={"If-None-Match": first.headers["ETag"]})

        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["Cache-Control"] == "public, no-cache"
        assert changed.status_code == 200

    def test_cost_no_query_within_a_generation(self, stranger, measured, redis, conn, monkeypatch):
        monkeypatch.setattr(generation, "LEASE_SECONDS", 0.5)
        paths = [BADGE, "/badges/GPT-4o/status.svg", "/badges/GPT-4o/availability.svg"]

        def queried(times):
            ((since,),) = query(conn, "SELECT clock_timestamp()")
            assert {stranger.get(path).status_code for _ in range(times) for path in paths} == {200}
            return query(conn, f"{QUERIES} AND query_start > %s", since) != [(0,)]

        assert queried(1)
        wait_until(lambda: not queried(1))
        redis.expire(HINT, 60)

        assert not queried(100)
