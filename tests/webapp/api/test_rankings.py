import json
from pathlib import Path

import pytest

from jobs.simulation_run import fill_slot
from tests.factories import archive_llm
from tests.web import RANKINGS, assert_error, slot
from tests.webapp.api.shown_runs import finish_run, show
from webapp.ingest.publish import publish

PUBLISHED = json.loads((Path(__file__).parents[3] / "public" / "response.json").read_text())
CONTRACT = ["ttft", "tps", "e2e_latency", "rps"]
URLS = [RANKINGS, *(f"{RANKINGS}/{name}" for name in CONTRACT)]


@pytest.fixture
def _seeded_run(conn, settings, redis):
    fill_slot(conn, settings, slot(0), "job")
    publish(conn, settings, redis)


@pytest.fixture
def etag(client, show_next_run):
    show_next_run()
    return client.get(RANKINGS).headers["ETag"]


@pytest.mark.usefixtures("_seeded_run")
def test_all_rankings_equal_the_published_response_in_every_character(client):
    assert client.get(RANKINGS).text == json.dumps(PUBLISHED)


@pytest.mark.usefixtures("_seeded_run")
@pytest.mark.parametrize(("position", "name"), list(enumerate(CONTRACT)))
def test_one_ranking_equals_its_part_of_all_rankings(client, position, name):
    assert client.get(f"{RANKINGS}/{name}").json == {"data": [PUBLISHED["data"][position]]}


def test_llms_are_ordered_by_descending_mean_and_ties_by_name(client, conn):
    values = {"Llama 3.1 70B": [3.14159], "GPT-4o": [3.14159], "Claude 3.5 Sonnet": [7.005]}
    finish_run(conn, slot(1), {llm: {"tps": numbers} for llm, numbers in values.items()})
    show(conn, slot(1))

    assert client.get(f"{RANKINGS}/tps").json["data"][0]["tps"] == [
        {"llm_name": "Claude 3.5 Sonnet", "mean_value": round(7.005, 2)},
        {"llm_name": "GPT-4o", "mean_value": 3.14},
        {"llm_name": "Llama 3.1 70B", "mean_value": 3.14},
    ]


def test_only_the_newest_slot_is_ranked_even_if_an_older_one_ends_later(
    client, conn, settings, redis, show_next_run
):
    show_next_run()
    newest = client.get(RANKINGS).json
    fill_slot(conn, settings, slot(0), "late")
    publish(conn, settings, redis)

    assert client.get(RANKINGS).json == newest


def test_an_archived_llm_is_not_ranked(client, conn, show_next_run):
    with conn:
        archive_llm(conn, "GPT-4o")
    show_next_run()

    assert len(client.get(f"{RANKINGS}/rps").json["data"][0]["rps"]) == 2


def test_without_runs_every_metric_has_an_empty_list(client):
    assert client.get(RANKINGS).json == {"data": [{name: []} for name in CONTRACT]}
    assert client.get(f"{RANKINGS}/ttft").json == {"data": [{"ttft": []}]}


class TestErrors:
    @pytest.fixture
    def environment(self, without_database):
        return without_database

    @pytest.mark.parametrize(
        "name",
        ["nosuch", "TTFT", "ttft ", "'", '"', "ttft'; DROP TABLE runs;--", "%00", "%FF%FE", "é", "\U0001f600",
         "x" * 100_000, "%ED%A0%80", "..", "{metric_name}", "<script>"],
    )  # fmt: skip
    def test_an_unknown_metric_is_404_and_the_message_lists_the_known_ones(self, client, name):
        assert "ttft, tps, e2e_latency, rps" in assert_error(client.get(f"{RANKINGS}/{name}"), 404)["message"]

    @pytest.mark.parametrize(
        "path", [f"{RANKINGS}/", f"{RANKINGS}/ttft/", f"{RANKINGS}/ttft/x", "/api/v1", "/nosuch"]
    )
    def test_any_other_path_is_404(self, client, path):
        assert_error(client.get(path), 404)

    @pytest.mark.parametrize("url", URLS[:2])
    @pytest.mark.parametrize(
        "query", ["a=1", "a=1&a=2", "=x", "a", "ttft=%FF", "window=latest", "a=" + "x" * 10_000, "%00=1"]
    )
    def test_any_argument_is_refused(self, client, url, query):
        assert_error(client.get(f"{url}?{query}"), 422)

    @pytest.mark.parametrize("url", URLS[:2])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "NOSUCH"])
    def test_another_method_is_405_with_the_allowed_methods(self, client, url, method):
        response = client.open(url, method=method, data=b"x" * 100_000)

        assert_error(response, 405)
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("url", URLS)
def test_head_returns_the_headers_of_get_without_a_body(client, url):
    get, head = client.get(url), client.head(url)

    assert head.data == b""
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary"):
        assert head.headers[name] == get.headers[name]


def test_a_response_may_be_cached_by_its_client_only_and_must_be_revalidated(client):
    headers = client.get(RANKINGS).headers

    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Vary"] == "x-api-key"


@pytest.mark.parametrize("held", ["{}", "W/{}", "*", '"other", {}', '"other", W/{}, "third"'])
def test_a_client_with_the_current_response_gets_304_without_a_body(client, etag, held):
    response = client.get(RANKINGS, headers={"If-None-Match": held.format(etag)})

    assert (response.status_code, response.data) == (304, b"")
    assert response.headers["ETag"] == etag


@pytest.mark.parametrize("held", ['"other"', 'W/"other"', "", "g1", '"', '"g0", "g-1"', "x" * 5000])
def test_a_client_with_another_response_gets_the_current_one(client, etag, held):
    response = client.get(RANKINGS, headers={"If-None-Match": held})

    assert (response.status_code, response.headers["ETag"]) == (200, etag)


def test_after_a_refresh_a_client_with_the_old_etag_gets_the_new_response(client, etag, show_next_run):
    before = client.get(RANKINGS).json
    show_next_run()

    response = client.get(RANKINGS, headers={"If-None-Match": etag})

    assert response.status_code == 200
    assert response.headers["ETag"] != etag
    assert response.json != before
