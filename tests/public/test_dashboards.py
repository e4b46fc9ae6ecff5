"""Every dashboard query, run as Grafana runs it: against the API, and in PostgreSQL with Grafana's role."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import psycopg2
import pytest

from llm_measure.metrics import METRICS
from tests.factories import add_scenario
from tests.incidents import store_availability, store_incident
from tests.plain_role import ROLE
from tests.support import query
from tests.webapp.api.shown_runs import finish_run, show
from tools import dashboards
from webapp.store import connect
from webapp.store.grafana_role import make_reader

PERFORMANCE = dashboards.read("LLM_Performance_Dashboard")
TRENDS = dashboards.read("LLM_Trends_Dashboard")
CONTRACT = ["ttft", "tps", "e2e_latency", "rps"]
OF_ENCODINGS = ["inputs_throughput", "prompt_throughput"]
QUANTILES = ["p50", "p95", "p99"]
# Grafana's units by the metrics' symbols, and the colours from the smallest to the largest value.
UNITS = {
    "s": "s",
    "tokens/s": "suffix: tokens/s",
    "inputs/s": "suffix: inputs/s",
    "requests/s": "reqps",
}
SCHEMES = {"lower": "continuous-GrYlRd", "higher": "continuous-RdYlGr"}

# In the last hour of yesterday while it is early, so that all that the tests store is of one day.
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
NOW -= timedelta(hours=NOW.hour + 1 if NOW.hour < 6 else 0)
DAY = dashboards.TimeRange(NOW.replace(hour=0, minute=0), NOW.replace(hour=0, minute=0) + timedelta(days=1))
WEEK = dashboards.TimeRange(NOW - timedelta(days=6), NOW + timedelta(days=1))

# GPT-4o is first where lower is better and last where higher is better.
VALUES = {
    llm: {metric: [float(place + 1), place + 1.5] for metric in (*CONTRACT, *OF_ENCODINGS)}
    for place, llm in enumerate(("GPT-4o", "Claude 3.5 Sonnet", "Llama 3.1 70B"))
}

MEANS = {"GPT-4o": 1.25, "Claude 3.5 Sonnet": 2.25, "Llama 3.1 70B": 3.25}


@pytest.fixture
def runs(conn):
    """Finish a run of each LLM in each of two hours, and fail one more run, with which an incident opens."""
    for hours in (2, 1):
        finish_run(conn, NOW - timedelta(hours=hours), VALUES)
    show(conn, NOW)
    query(
        conn,
        "INSERT INTO runs (source, scenario_id, llm_id, slot, status, attempts, token, job_id, started_at,"
        " finished_at, error) SELECT source, scenario_id, llm_id, slot + interval '1 minute', 'failed', 3,"
        " gen_random_uuid(), 'job', started_at, finished_at, 'TimeoutError: it''s late' FROM runs"
        " WHERE slot = %s AND llm_id = 1 RETURNING id",
        NOW - timedelta(hours=1),
    )
    store_availability(conn, NOW - timedelta(hours=1), finished=1, failed=1)
    store_availability(conn, NOW - timedelta(hours=1), llm="Llama 3.1 70B")
    open_incident(conn, hours=1, severity="critical", kind="down", metric=None, statistic=None)


def open_incident(conn, hours, **columns):
    """Open an incident that many hours ago, and resolve it an hour later if it has a resolution."""
    store_incident(conn, opened=NOW - timedelta(hours=hours), **columns)


@pytest.fixture
def reader(settings, conn, may_create_roles):
    """Connect with the role that Grafana uses."""
    with conn:
        make_reader(conn, "grafana_reader", "its-password")
    settings = replace(settings, postgres_user="grafana_reader", postgres_password="its-password")
    with closing(connect(settings, "grafana")) as connection:
        connection.autocommit = True
        yield connection


def run(reader, sql):
    """Return the column names and the rows of a query."""
    with reader.cursor() as cursor:
        cursor.execute(sql)
        return [column.name for column in cursor.description], cursor.fetchall()


def chosen(reader, **changes):
    """Return the variables of the trends dashboard as it opens, with these changes."""
    values = dashboards.chosen(TRENDS, lambda sql: [name for (name,) in run(reader, sql)[1]])
    return {**values, **changes}


def offered(reader, name, **changes):
    """Return what a variable offers, next to the initial values of the others."""
    sql = dashboards.sql(dashboards.variables(TRENDS)[name]["query"], chosen(reader, **changes), DAY)
    return [value for (value,) in run(reader, sql)[1]]


def panel_titled(title):
    (panel,) = [panel for panel in dashboards.panels(TRENDS) if panel["title"] == title]
    return panel


class TestPerformanceDashboard:
    @pytest.mark.parametrize(("panel", "target"), dashboards.targets(PERFORMANCE))
    def test_each_panel_gets_its_rows_from_the_api_best_first(self, client, runs, panel, target):
        response = client.open(target["url"], method=target["url_options"]["method"])
        rows = dashboards.sort(panel, dashboards.select(target, response.json))

        metric = METRICS[target["url"].rpartition("/")[2]]
        best_first = ["GPT-4o", "Claude 3.5 Sonnet", "Llama 3.1 70B"]
        assert [row["LLM"] for row in rows] == (best_first if metric.better == "lower" else best_first[::-1])
        assert {row["LLM"]: row["Mean"] for row in rows} == MEANS
        assert panel["options"]["xField"] in rows[0]
        assert panel["options"]["colorByField"] in rows[0]

    def test_has_a_panel_for_each_metric_of_the_contract(self):
        urls = [target["url"] for _, target in dashboards.targets(PERFORMANCE)]

        assert urls == [f"/api/v1/benchmarks/rankings/{name}" for name in CONTRACT]

    @pytest.mark.parametrize(("panel", "target"), dashboards.targets(PERFORMANCE))
    def test_the_title_unit_and_colours_of_each_panel_match_its_metric(self, panel, target):
        metric = METRICS[target["url"].rpartition("/")[2]]
        field = panel["fieldConfig"]["defaults"]

        assert panel["type"] == "barchart"
        assert panel["title"] == f"{metric.title} ({metric.name}): {metric.better} is better"
        assert field["unit"] == UNITS[metric.unit.symbol]
        assert field["color"]["mode"] == SCHEMES[metric.better]


class TestTrendsDashboard:
    @pytest.mark.parametrize(("panel", "target"), dashboards.targets(TRENDS))
    @pytest.mark.parametrize("step", ["run", "hour", "day"])
    def test_each_query_returns_rows_with_the_columns_of_its_panel(self, reader, runs, panel, target, step):
        columns, rows = run(reader, dashboards.sql(target["rawSql"], chosen(reader, step=step), DAY))

        assert rows
        if target["format"] == "time_series":
            assert columns == ["time", "metric", "value"]
            assert all(isinstance(time, datetime) and isinstance(name, str) for time, name, _ in rows)
            assert rows == sorted(rows, key=lambda row: row[:2])
        named = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        if target["format"] == "table":
            assert named <= set(columns)

    @pytest.mark.parametrize(("panel", "target"), dashboards.targets(TRENDS))
    def test_shows_only_the_chosen_source_time_and_llms(self, reader, runs, panel, target):
        before = dashboards.TimeRange(NOW - timedelta(days=9), NOW - timedelta(days=8))

        assert (
            run(reader, dashboards.sql(target["rawSql"], chosen(reader, source="measurement"), DAY))[1] == []
        )
        assert run(reader, dashboards.sql(target["rawSql"], chosen(reader, llm="it's unknown"), DAY))[1] == []
        if "$__timeFilter" in target["rawSql"]:
            assert run(reader, dashboards.sql(target["rawSql"], chosen(reader), before))[1] == []

    def test_lists_open_incidents_with_their_active_signals(self, reader, runs, conn):
        open_incident(conn, hours=3, llm="Llama 3.1 70B", severity="major", cause="overloaded")
        open_incident(conn, hours=4, llm="Claude 3.5 Sonnet", resolution="recovered")
        panel = panel_titled("Open incidents")
        columns, rows = run(reader, dashboards.sql(panel["targets"][0]["rawSql"], chosen(reader), DAY))

        assert [dict(zip(columns, row, strict=True)) for row in rows] == [
            {
                **{"Severity": "critical", "LLMs": "GPT-4o", "Signals": "down"},
                **{"Detected": NOW - timedelta(hours=1), "Likely cause": None, "Acknowledged": None},
            },
            {
                **{"Severity": "major", "LLMs": "Llama 3.1 70B", "Signals": "ttft mean +30 %"},
                **{"Detected": NOW - timedelta(hours=3), "Likely cause": "overloaded", "Acknowledged": None},
            },
        ]

    @pytest.mark.parametrize(("step", "period"), [("run", "hour"), ("hour", "hour"), ("day", "day")])
    def test_shows_the_availability_of_hours_or_days(self, reader, runs, step, period):
        panel = panel_titled("Availability")
        sql = dashboards.sql(panel["targets"][0]["rawSql"], chosen(reader, step=step), WEEK)

        start = (NOW - timedelta(hours=1)).replace(minute=0)
        expected = start if period == "hour" else start.replace(hour=0)
        assert run(reader, sql)[1] == [(expected, "GPT-4o", 0.5)]

    @pytest.mark.parametrize("name", list(dashboards.variables(TRENDS)))
    def test_each_variable_offers_its_initial_value(self, reader, runs, name):
        variable = dashboards.variables(TRENDS)[name]
        options = offered(reader, name) if variable["type"] == "query" else variable["query"].split(",")

        assert len(options) >= 1
        assert set(chosen(reader)[name] if variable["multi"] else [chosen(reader)[name]]) <= set(options)

    def test_offers_the_metrics_that_the_scenario_has(self, reader, runs, conn):
        with conn:
            add_scenario(conn, "texts@c8-embeddings")
        finish_run(conn, NOW, {"GPT-4o": {"e2e_latency": [0.1]}}, "measurement", "texts@c8-embeddings")
        show(conn, NOW)

        assert offered(reader, "metric") == [*CONTRACT, *OF_ENCODINGS]
        measured = {"source": "measurement", "scenario": "texts@c8-embeddings"}
        assert offered(reader, "metric", **measured) == ["e2e_latency"]

    def test_offers_the_windows_of_the_view(self, reader, runs):
        offered = dashboards.variables(TRENDS)["window"]["query"].split(",")

        _, rows = run(reader, "SELECT DISTINCT time_window FROM metric_means")
        assert {window for (window,) in rows} == set(offered)

    def test_ranks_as_the_leaderboard_does(self, reader, runs, client):
        panel = panel_titled("Ranking by ${metric}, window ${window}")
        for metric in CONTRACT:
            variables = chosen(reader, metric=metric)
            columns, rows = run(reader, dashboards.sql(panel["targets"][0]["rawSql"], variables, DAY))
            shown = [dict(zip(columns, row, strict=True)) for row in rows]
            response = client.get(f"/api/v1/benchmarks/leaderboard?metric={metric}&window=24h")
            (leaderboard,) = response.json["metrics"]

            assert [
                (row["Rank"], row["LLM"], row["Mean"], row["95 % CI low"], row["95 % CI high"], row["p99"])
                for row in shown
            ] == [
                (row["rank"], row["llm_name"], row["mean"], row["ci_low"], row["ci_high"], row["p99"])
                for row in leaderboard["llms"]
            ]

    @pytest.mark.parametrize(
        ("name", "quantile"), [*product(CONTRACT, QUANTILES), *product(OF_ENCODINGS, ["p50"])]
    )
    def test_has_a_trend_of_each_metric_and_quantile(self, name, quantile):
        metric = METRICS[name]
        panel = panel_titled(f"{metric.title} ({name}), {quantile}")

        assert panel["description"].startswith(f"{quantile} of all values")
        assert panel["description"].endswith(f"{metric.better} is better.")
        assert panel["fieldConfig"]["defaults"]["unit"] == UNITS[metric.unit.symbol]
        assert f"metrics.name = '{name}'" in panel["targets"][0]["rawSql"]

    @pytest.mark.parametrize("step", ["run", "hour"])
    def test_quantiles_equal_those_of_the_history(self, reader, runs, client, step):
        history = client.get(f"/api/v1/benchmarks/history/ttft?window=24h&step={step}").json["series"]
        expected = {
            (bucket["starts_at"], llm["llm_name"]): bucket for llm in history for bucket in llm["buckets"]
        }
        assert len(expected) == 6
        for quantile in QUANTILES:
            panel = panel_titled(f"{METRICS['ttft'].title} (ttft), {quantile}")
            sql = dashboards.sql(panel["targets"][0]["rawSql"], chosen(reader, step=step), DAY)
            assert {(time.isoformat(), name): value for time, name, value in run(reader, sql)[1]} == {
                key: bucket[quantile] for key, bucket in expected.items()
            }

    @pytest.mark.parametrize(
        ("days", "steps"), [(1, ["run", "hour", "day"]), (7, ["hour", "day"]), (90, ["day"])]
    )
    def test_the_finest_step_follows_the_time_range(self, reader, days, steps):
        variable = dashboards.variables(TRENDS)["step"]
        time = dashboards.TimeRange(NOW - timedelta(days=days), NOW)

        assert variable["refresh"] == 2  # whenever the time range changes
        assert [step for (step,) in run(reader, dashboards.sql(variable["query"], {}, time))[1]] == steps


class TestAnnotations:
    """Columns are named as Grafana expects them: `timeend` makes an annotation a region."""

    @pytest.fixture
    def annotated(self, reader):
        """Runs the query of an annotation and returns its rows by column."""

        def annotated(name, time=DAY, **changes):
            sql = dashboards.annotations(TRENDS)[name]["target"]["rawSql"]
            columns, rows = run(reader, dashboards.sql(sql, chosen(reader, **changes), time))
            return [dict(zip(columns, row, strict=True)) for row in rows]

        return annotated

    def test_an_incident_is_a_region_from_opened_to_resolved(self, runs, annotated, conn):
        open_incident(conn, hours=5, llm="Llama 3.1 70B", resolution="recovered")
        resolved, still_open = annotated("Incidents")

        assert resolved == {
            **{"time": NOW - timedelta(hours=5), "timeend": NOW - timedelta(hours=4)},
            **{"text": "minor: Llama 3.1 70B ttft mean +30 %", "tags": "minor,recovered"},
        }
        assert (still_open["text"], still_open["tags"]) == ("critical: GPT-4o down", "critical,open")
        assert still_open["time"] == NOW - timedelta(hours=1)
        assert still_open["timeend"] > datetime.now(UTC) - timedelta(minutes=1)

    def test_an_incident_that_began_before_the_time_range_is_shown(self, runs, annotated):
        late = dashboards.TimeRange(NOW - timedelta(minutes=40), NOW)
        before = dashboards.TimeRange(NOW - timedelta(hours=3), NOW - timedelta(hours=2))

        assert len(annotated("Incidents", late)) == 1
        assert annotated("Incidents", before) == []

    def test_a_change_is_at_the_first_run_of_the_new_level(self, annotated, conn):
        query(
            conn,
            "INSERT INTO changes (source, scenario_id, llm_id, metric_id, statistic, slot, detected_slot,"
            " before, after, change, low, high, worse)"
            " SELECT 'simulation', 1, 1, 2, statistic, %s, %s, 100, 75, -0.25, -0.3, -0.2, true"
            " FROM unnest(ARRAY['mean', 'p95']) AS statistic RETURNING id",
            *(NOW - timedelta(hours=3), NOW - timedelta(hours=1)),
        )

        assert annotated("Changes of level") == [
            {
                **{"time": NOW - timedelta(hours=3), "tags": "worse"},
                "text": "GPT-4o tps mean -25 %, GPT-4o tps p95 -25 %",
            }
        ]

    @pytest.mark.parametrize("name", list(dashboards.annotations(TRENDS)))
    def test_are_those_of_the_chosen_source_scenario_and_llms(self, runs, annotated, name):
        for changes in ({"source": "measurement"}, {"scenario": "other"}, {"llm": "it's unknown"}):
            assert annotated(name, **changes) == []


@pytest.mark.parametrize("path", dashboards.files(), ids=lambda path: path.stem)
class TestEveryDashboard:
    def test_uses_only_provisioned_data_sources(self, path):
        provisioned = (dashboards.PUBLIC / "grafana/provisioning/datasources/llm-benchmark.yaml").read_text()
        dashboard = json.loads(path.read_text())
        for panel, target in dashboards.targets(dashboard):
            assert panel["datasource"] == target["datasource"]
        for each in (*dashboards.panels(dashboard), *dashboards.annotations(dashboard).values()):
            assert f"uid: {each['datasource']['uid']}\n    type: {each['datasource']['type']}" in provisioned

    def test_panels_do_not_overlap(self, path):
        occupied = set()
        for panel in json.loads(path.read_text())["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + right, place["y"] + down)
                for right in range(place["w"])
                for down in range(place["h"])
            }
            assert not cells & occupied
            assert place["x"] + place["w"] <= 24
            occupied |= cells

    def test_contains_no_key_and_no_password(self, path):
        text = path.read_text().lower()

        assert "x-api-key" not in text
        assert "password" not in text


class TestGrafanaRole:
    @pytest.mark.parametrize(
        "statement",
        ["UPDATE llms SET name = 'x'", "DELETE FROM runs", "CREATE TABLE mine (a integer)",
         "REFRESH MATERIALIZED VIEW metric_means", "SELECT count_ended_run()"],
    )  # fmt: skip
    def test_cannot_write_even_with_read_only_mode_off(self, reader, statement):
        with reader.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg2.Error):
                cursor.execute(statement)

    @pytest.mark.parametrize(
        "statement",
        ["SELECT token FROM runs", "SELECT * FROM runs", "SELECT * FROM points", "SELECT * FROM rollups",
         "SELECT * FROM incident_events", "SELECT * FROM messages", "SELECT * FROM watched_series",
         "SELECT rolpassword FROM pg_authid"],
    )  # fmt: skip
    def test_cannot_read_what_no_dashboard_uses(self, reader, statement):
        with reader.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)

    def test_creating_it_again_revokes_other_privileges(self, reader, conn):
        with conn, conn.cursor() as cursor:
            cursor.execute("GRANT ALL ON points TO grafana_reader")
            make_reader(conn, "grafana_reader", "another")

        assert query(conn, "SELECT has_table_privilege('grafana_reader', 'points', 'SELECT')") == [(False,)]
        assert query(conn, "SELECT has_table_privilege('grafana_reader', 'llms', 'SELECT')") == [(True,)]

    def test_its_password_is_stored_as_a_hash(self, reader, superuser):
        ((stored,),) = query(superuser, "SELECT rolpassword FROM pg_authid WHERE rolname = 'grafana_reader'")

        assert stored.startswith("SCRAM-SHA-256$")

    def test_the_command_creates_it(self, make_app, conn, may_create_roles):
        app = make_app(grafana_db_user="grafana_cli", grafana_db_password="secret-of-grafana")
        done = app.test_cli_runner().invoke(args=["grafana-reader"])

        assert done.output == "grafana_cli may read, and only read, what the dashboards show\n"
        assert query(conn, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'grafana_cli'") == [(True,)]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({}, "setting GRAFANA_DB_PASSWORD='': must be the password"),
            ({"grafana_db_user": ROLE}, f"setting GRAFANA_DB_USER='{ROLE}': must be a name"),
            ({"grafana_db_user": 'a"; DROP'}, "must be a name"),
            ({"grafana_db_password": "p", "postgres_host": "/nowhere"}, "database: "),
        ],
    )
    def test_the_command_rejects_invalid_settings_in_one_line(self, make_app, changes, message):
        done = make_app(**changes).test_cli_runner().invoke(args=["grafana-reader"])

        assert done.exit_code == 2
        assert message in done.output
        assert len(done.output.splitlines()) == 1
