import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from psycopg2.extras import Json

from llm_measure.load.traces import TraceFacts
from llm_measure.workloads import Load, Workload
from tests.factories import add_run
from tests.measured import answered, failed, level, measurement, store_level
from tests.support import query
from tests.web import slot
from webapp.ingest.publish import publish

NOW = datetime.now(UTC).replace(microsecond=0)
MIXED = level([failed(0), *(answered(index) for index in range(1, 8))])


@pytest.fixture
def store(conn, settings, redis):
    """Stores a level as a run, and returns the run's address."""

    def store(result=MIXED, **changes):
        store_level(conn, settings, redis, slot(1), measurement(**changes), result)
        ((run_id,),) = query(conn, "SELECT max(id) FROM runs")
        return f"/run?id={run_id}"

    return store


def facts(html):
    """The values by their labels."""
    return {label: value.strip() for label, value in re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)<", html)}


def test_a_measured_run_shows_its_requests_span_and_what_the_client_waited(store, reader):
    shown = facts(reader.get(store()).text)

    assert shown["Level"] == "Concurrency 8"
    assert (shown["Requests"], shown["Failed"]) == ("8", "1 (12 %): timeout 1")
    assert shown["Duration"] == "8.00 s"
    assert shown["Span"] == "8.00 s, from 0.0 s to 8.0 s"
    assert shown["Client wait"] == "0.125 s (1.6 % of the duration)"
    assert shown["Client CPU"] == "0.250 s"
    assert shown["Clock"] == "Kernel"
    assert shown["Send lag"] == "p50 0.100 ms, p99 0.500 ms, max 1.50 ms"
    assert shown["Chunks together"] == "0 %"
    assert shown["Prompt tokens"] == "896 asked, 896 counted, 50 % from a cache"
    assert shown["Output tokens"] == "896 asked, 35 counted, 35 seen"
    assert shown["Token counts"] == "usage 7"
    assert shown["Finish reasons"] == "length 7"
    assert "Offered rate" not in shown


def test_a_run_that_workers_shared_shows_how_many_and_how_well_they_began(store, reader, conn):
    shards = [{"shard": n, "host": host, "begin_error_ms": 0.1 * n} for n, host in enumerate("aba", 1)]
    address = store()
    query(conn, "UPDATE runs SET measurement = measurement || %s RETURNING id", Json({"shards": shards}))

    assert facts(reader.get(address).text)["Shards"] == "3 on 2 machines, begun within 0.300 ms"


def test_a_replayed_trace_is_named_by_its_format_and_size(store, reader):
    load, trace = Load(speed=2), TraceFacts("burstgpt", 12_000, 340)

    shown = facts(reader.get(store(replace(MIXED, load=load, trace=trace))).text)

    assert shown["Level"] == "Trace at 2x"
    assert shown["Trace"] == "BurstGPT, 12,000 requests, 340 left out"
    assert shown["Offered rate"] == "1.00 requests/s"


def test_conversations_show_first_turns_next_to_later_ones(store, reader):
    records = [answered(number, ttft=0.1 + number % 2 / 5) for number in range(8)]
    for number, record in enumerate(records):
        record.conversation, record.turn = number // 2, number % 2 + 1

    shown = facts(reader.get(store(level(records), workload=Workload(turns=2))).text)

    assert shown["Conversations"] == "4"
    assert shown["Time to first token"] == "0.100, then 0.300 s"


def test_the_page_shows_doubts_but_no_finish_reason_that_a_server_made_up(store, reader):
    records = [answered(index) for index in range(8)]
    records[3].finish_reason = "<script>odd</script>"
    html = reader.get(store(level(records))).text

    assert facts(html)["Finish reasons"] == "length 7, other 1"
    assert "odd" not in html
    assert "p99 is of only 8 requests; expected at least 100." in html


def test_a_run_without_verified_tls_says_so_and_what_ranks_it(store, reader):
    transport = {"insecure": True, "proxy": "http://proxy.internal:3128", "client_cert": "/etc/secret.pem"}
    html = reader.get(store(replace(MIXED, transport=transport))).text

    assert "rank_insecure: true in the benchmark file ranks such runs" in html
    assert "TLS was not verified (insecure)" in html
    assert facts(html)["Connection"] == "Client certificate, TLS not verified, Separate proxy"
    assert "internal" not in html
    assert "secret.pem" not in html


def test_an_open_loop_shows_both_rates_and_whether_it_was_saturated(store, reader):
    load = Load(rate=1, requests=8)
    shown = facts(reader.get(store(replace(MIXED, load=load), load=load)).text)

    assert shown["Offered rate"] == "1.00 requests/s"
    assert re.fullmatch(r"[01]\.\d+ requests/s", shown["Achieved rate"])
    assert shown["Saturated"] == "No"


def test_a_run_of_a_former_version_shows_what_was_stored(store, reader, conn):
    path = store()
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "UPDATE runs SET measurement = measurement - %s",
            (["span_ns", "client_wait_s", "chunks_together"],),
        )

    shown = facts(reader.get(path).text)

    assert shown["Requests"] == "8"
    assert not {"Span", "Client wait", "Chunks together"} & set(shown)


@pytest.mark.parametrize("status", ["running", "finished", "failed", "missed"])
def test_a_run_without_measurement_shows_its_status_and_error(conn, reader, status):
    with conn:
        run_id = add_run(conn, NOW, "GPT-4o", status=status, error="OSError: <disk> full")

    html = reader.get(f"/run?id={run_id}").text

    assert f'<span class="badge {status}">{status.capitalize()}</span>' in html
    assert "OSError: &lt;disk&gt; full" in html
    assert facts(html) == {}


def test_the_list_of_runs_links_to_each(store, reader):
    path = store()

    assert f'href="{path}"' in reader.get("/runs").text
    assert f'href="{path}"' in reader.get("/llm?name=Measured").text


def test_the_leaderboard_links_to_the_newest_run_and_marks_what_it_warns_of(
    store, reader, conn, settings, redis
):
    path = store()
    change = {"saturated": True, "chunks_together": 0.25}
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE runs SET measurement = measurement || %s", (Json(change),))
    publish(conn, settings, redis)

    html = reader.get("/").text

    assert f'<a href="{path}">' in html
    marks = re.findall(r'class="badge warning">([^<]+)<', html)
    assert marks == ["Saturated", "25 % of chunks together"]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/run", 404, "id: missing"),
        ("/run?id=7", 404, "id=7: unknown run"),
        ("/run?id=x", 422, "id: Not a valid"),
    ],
)
def test_an_invalid_address_names_the_fault(reader, path, code, message):
    response = reader.get(path)

    assert response.status_code == code
    assert message in response.text


def test_visitors_see_no_error_text(make_app, store, conn, redis):
    stranger = make_app(public_dashboard=True).test_client()
    texts = level([failed(index, detail="account acme-prod") for index in range(4)])

    html = stranger.get(store(texts)).text

    assert "acme-prod" not in html
    assert "timeout" in html
