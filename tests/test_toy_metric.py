"""A metric is one record: whatever reads metrics follows from it."""

from datetime import UTC, datetime

import pytest

from llm_measure.metrics import METRICS, Metric, Sample, Unit
from llm_measure.report.explain import explanation
from tests.measured import answered, level, measurement, store_level
from tests.webapp.conftest import with_key
from webapp.ingest.publish import publish
from webapp.store import catalogue

SERIES = {"source": "measurement", "scenario": "chat@c8"}


def prefill_rates(sample: Sample) -> list[float]:
    return [
        record.prompt_tokens * 1e9 / (record.first_token_ns - record.sent_ns) for record in sample.successful
    ]


TOY = Metric(
    id=999,
    name="prefill_rate",
    title="Prefill rate",
    unit=Unit("prompt tokens/s", "prompt tokens per second", "prompt_tokens_per_second"),
    better="higher",
    formula="prompt tokens over the time to the first token",
    derive=prefill_rates,
)


@pytest.fixture
def _registered():
    METRICS.register(TOY)
    yield
    METRICS.unregister(TOY.name)


@pytest.fixture
def client(_registered, make_app, conn, settings, redis):
    """A client of an app whose database has measured values of the metric: 128 tokens in 0.2 s."""
    with conn:
        catalogue.sync_metrics(conn)  # as `make run-migrations` does
    now = datetime.now(UTC).replace(microsecond=0)
    store_level(conn, settings, redis, now, measurement(), level([answered(index) for index in range(4)]))
    publish(conn, settings, redis)
    return with_key(make_app(public_dashboard=True))


def test_the_leaderboard_ranks_it(client):
    response = client.get("/api/v1/benchmarks/leaderboard", query_string={"metric": TOY.name, **SERIES})

    (board,) = response.json["metrics"]
    assert (board["metric"], board["unit"], board["better"], board["formula"]) == (
        *(TOY.name, "prompt tokens/s", "higher", TOY.formula),
    )
    assert [(row["llm_name"], row["mean"]) for row in board["llms"]] == [("Measured", 640)]


def test_history_and_export_have_it(client):
    history = client.get(f"/api/v1/benchmarks/history/{TOY.name}", query_string=SERIES).json
    points = client.get(
        "/api/v1/benchmarks/points", query_string={"metric": TOY.name, **SERIES, "format": "ndjson"}
    )

    assert (history["unit"], history["series"][0]["buckets"][0]["mean"]) == ("prompt tokens/s", 640)
    assert points.text.count('"metric": "prefill_rate", "unit": "prompt tokens/s", "value": 640.0') == 4


def test_the_page_shows_it(client):
    page = client.get("/", query_string={"metric": TOY.name, **SERIES})

    assert page.status_code == 200
    assert TOY.title in page.text
    assert "prompt tokens/s" in page.text
    assert "640" in page.text


def test_prometheus_scrapes_it(client):
    metrics = client.get("/metrics").text

    (line,) = [
        line
        for line in metrics.splitlines()
        if line.startswith("llm_benchmark_prefill_rate_prompt_tokens_per_second{")
        and 'statistic="mean"' in line
        and 'window="latest"' in line
    ]
    assert 'llm="Measured"' in line
    assert line.endswith(" 640.0")


@pytest.mark.usefixtures("_registered")
def test_explain_describes_it():
    assert explanation([TOY.name]) == (
        "prefill_rate [prompt tokens/s]: Prefill rate. Prompt tokens over the time to the first token."
    )


def test_the_database_describes_it_to_grafana(client, conn):
    with conn.cursor() as cursor:
        cursor.execute("SELECT title, unit, better, formula FROM metrics WHERE name = %s", (TOY.name,))
        assert cursor.fetchone() == (TOY.title, "prompt tokens/s", "higher", TOY.formula)
