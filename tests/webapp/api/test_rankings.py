import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.simulation_run import fill_slot
from llm_measure.metrics import METRICS
from tests.web import RANKINGS, assert_error
from webapp.ingest.publish import publish

PUBLISHED = json.loads((Path(__file__).parents[3] / "public" / "response.json").read_text())
CONTRACT = [metric.name for metric in METRICS.simulated]
URLS = [RANKINGS, *(f"{RANKINGS}/{name}" for name in CONTRACT)]


@pytest.fixture
def _seeded_run(conn, settings, redis):
    fill_slot(conn, settings, datetime.fromtimestamp(1_800_000_000, UTC), "job")
    publish(conn, redis)


@pytest.fixture
def etag(client, show_next_run):
    show_next_run()
    return client.get(RANKINGS).headers["ETag"]


@pytest.mark.usefixtures("_seeded_run")
def test_all_rankings_equal_the_published_response_in_every_character(client):
    assert client.get(RANKINGS).text == json.dumps(PUBLISHED)


@pytest.mark.usefixtures("_seeded_run")
@pytest.mark.parametrize(("position", "name"), list(enumerate(CONTRACT)))
def test_one_ranking_is_the_same_as_its_part_of_all(client, position, name):
    assert client.get(f"{RANKINGS}/{name}").json == {"data": [PUBLISHED["data"][position]]}


def test_llms_stand_by_descending_mean_and_equal_ones_by_name(client, conn, redis, show_next_run):
    show_next_run()
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "UPDATE rollups"
            " SET mean = CASE WHEN run_id = (SELECT max(id) FROM runs) THEN 7.005 ELSE 3.14159 END"
        )
        cursor.execute("UPDATE runs SET generation = NULL")
    publish(conn, redis)

    ranking = client.get(f"{RANKINGS}/tps").json["data"][0]["tps"]

    assert [llm["mean_value"] for llm in ranking] == [round(7.005, 2), 3.14, 3.14]
    assert ranking[1]["llm_name"] < ranking[2]["llm_name"]


def test_only_the_newest_slot_is_ranked_however_late_an_older_one_ends(
    client, conn, settings, redis, show_next_run
):
    show_next_run()
    newest = client.get(RANKINGS).json
    fill_slot(conn, settings, datetime.fromtimestamp(1_700_000_000, UTC), "late")
    publish(conn, redis)

    assert client.get(RANKINGS).json == newest


def test_an_archived_llm_is_not_ranked(client, conn, show_next_run):
    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE llms SET archived_at = now() WHERE name = 'GPT-4o'")
    show_next_run()

    assert len(client.get(f"{RANKINGS}/rps").json["data"][0]["rps"]) == 2


def test_an_empty_database_has_a_list_for_each_metric_with_nothing_in_it(client):
    assert client.get(RANKINGS).json == {"data": [{name: []} for name in CONTRACT]}
    assert client.get(f"{RANKINGS}/ttft").json == {"data": [{"ttft": []}]}


class TestRefusing:
    @pytest.fixture
    def environment(self, without_database):
        return without_database

    @pytest.mark.parametrize(
        "name",
        ["nosuch", "TTFT", "ttft ", "'", '"', "ttft'; DROP TABLE runs;--", "%00", "%FF%FE", "é", "\U0001f600",
         "x" * 100_000, "%ED%A0%80", "..", "{metric_name}", "<script>"],
    )  # fmt: skip
    def test_an_unknown_metric_is_not_found_and_the_known_ones_are_named(self, client, name):
        assert "ttft, tps, e2e_latency, rps" in assert_error(client.get(f"{RANKINGS}/{name}"), 404)["message"]

    @pytest.mark.parametrize(
        "path", [f"{RANKINGS}/", f"{RANKINGS}/ttft/", f"{RANKINGS}/ttft/x", "/api/v1", "/nosuch"]
    )
    def test_any_other_path_is_not_found(self, client, path):
        assert_error(client.get(path), 404)

    @pytest.mark.parametrize("url", URLS[:2])
    @pytest.mark.parametrize(
        "query", ["a=1", "a=1&a=2", "=x", "a", "ttft=%FF", "window=latest", "a=" + "x" * 10_000, "%00=1"]
    )
    def test_an_argument_is_refused_since_none_is_known(self, client, url, query):
        assert_error(client.get(f"{url}?{query}"), 422)

    @pytest.mark.parametrize("url", URLS[:2])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "NOSUCH"])
    def test_another_method_is_refused_and_the_right_ones_are_named(self, client, url, method):
        response = client.open(url, method=method, data=b"x" * 100_000)

        assert_error(response, 405)
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("url", URLS)
def test_head_has_the_headers_of_get_and_no_body(client, url):
    get, head = client.get(url), client.head(url)

    assert head.data == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary"):
        assert head.headers[name] == get.headers[name]


def test_an_answer_may_be_kept_by_its_client_alone_and_only_if_asked_again(client):
    headers = client.get(RANKINGS).headers

    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Vary"] == "x-api-key"


@pytest.mark.parametrize("held", ["{}", "W/{}", "*", '"other", {}', '"other", W/{}, "third"'])
def test_a_client_that_holds_the_answer_is_told_so_and_sent_nothing(client, etag, held):
    response = client.get(RANKINGS, headers={"If-None-Match": held.format(etag)})

    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["ETag"] == etag


@pytest.mark.parametrize("held", ['"other"', 'W/"other"', "", "g1", '"', '"g0", "g-1"', "x" * 5000])
def test_a_client_that_holds_something_else_is_sent_the_answer(client, etag, held):
    response = client.get(RANKINGS, headers={"If-None-Match": held})

    assert (response.status_code, response.headers["ETag"]) == (200, etag)


def test_a_refresh_makes_a_new_etag_and_sends_the_new_answer_to_who_holds_the_old(
    client, etag, show_next_run
):
    before = client.get(RANKINGS).json
    show_next_run()

    response = client.get(RANKINGS, headers={"If-None-Match": etag})

    assert response.status_code == 200
    assert response.headers["ETag"] != etag
    assert response.json != before
