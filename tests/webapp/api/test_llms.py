import threading
from contextlib import closing
from datetime import datetime

import pytest

from tests.support import query
from tests.web import RANKINGS, assert_error, wait_until
from tests.webapp.conftest import with_key
from webapp import generation
from webapp.llms import LLMs
from webapp.store import connect, views

URL = "/api/v1/llms"
BOARD = "/api/v1/benchmarks/leaderboard?metric=ttft"
NEW = {"name": "Mistral Large 3", "company_name": "mistral", "provider": "azure"}
SEEDED = ["Claude 3.5 Sonnet", "GPT-4o", "Llama 3.1 70B"]


@pytest.fixture
def added(client) -> str:
    """The URL of a new LLM."""
    return client.post(URL, json=NEW).headers["Location"]


@pytest.fixture
def gpt(client) -> str:
    """The URL of a seeded LLM."""
    (llm,) = [llm for llm in client.get(URL).json["llms"] if llm["name"] == "GPT-4o"]
    return f"{URL}/{llm['id']}"


def names(client, asked="") -> list[str]:
    return [llm["name"] for llm in client.get(f"{URL}{asked}").json["llms"]]


def ranked(client) -> set[str]:
    return {row["llm_name"] for row in client.get(RANKINGS).json["data"][0]["ttft"]}


def on_the_board(client) -> set[str]:
    return {row["llm_name"] for row in client.get(BOARD).json["metrics"][0]["llms"]}


class TestAdding:
    def test_returns_the_llm_and_its_url(self, client):
        response = client.post(URL, json=NEW)

        llm = response.json
        assert response.status_code == 201
        assert {name: llm[name] for name in NEW} == NEW
        assert (llm["archived"], llm["archived_at"]) == (False, None)
        assert datetime.fromisoformat(llm["created_at"]).tzinfo
        assert response.headers["Location"] == f"{URL}/{llm['id']}"
        assert client.get(response.headers["Location"]).json == llm

    def test_the_default_provider_is_the_maker(self, client):
        llm = client.post(URL, json={"name": "o5", "company_name": "openai"}).json

        assert llm["provider"] == "openai"

    def test_surrounding_spaces_are_trimmed(self, client):
        llm = client.post(URL, json={"name": "  o5 ", "company_name": "\u3000openai "}).json

        assert (llm["name"], llm["company_name"]) == ("o5", "openai")

    def test_the_list_includes_it_immediately(self, client):
        assert names(client) == SEEDED

        client.post(URL, json=NEW)

        assert names(client) == sorted([*SEEDED, NEW["name"]])

    def test_the_next_run_includes_it(self, client, show_next_run):
        show_next_run()
        client.post(URL, json=NEW)
        assert ranked(client) == set(SEEDED)

        show_next_run()

        assert ranked(client) == on_the_board(client) == {*SEEDED, NEW["name"]}

    @pytest.mark.parametrize("name", ["GPT-4o", " GPT-4o "])
    def test_a_duplicate_name_is_a_conflict(self, client, name):
        error = assert_error(client.post(URL, json={**NEW, "name": name}), 409)

        assert error["errors"]["json"]["name"] == ["another LLM has that name"]
        assert names(client) == SEEDED

    def test_an_archived_llms_name_is_a_conflict_and_the_message_is_how_to_restore_it(self, client, gpt):
        client.delete(gpt)

        error = assert_error(client.post(URL, json={**NEW, "name": "GPT-4o"}), 409)

        assert 'restore it with PATCH {"archived": false}' in error["message"]

    def test_of_concurrent_requests_with_one_name_one_succeeds(self, make_app, conn):
        codes = []

        def add(client) -> None:
            codes.append(client.post(URL, json=NEW).status_code)

        threads = [threading.Thread(target=add, args=(with_key(make_app()),)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(codes) == [201, 409, 409, 409, 409, 409]
        assert query(conn, "SELECT count(*) FROM llms") == [(4,)]

    @pytest.mark.parametrize(
        "name", ["x" * 200, "'; DROP TABLE llms; --", "%s %(name)s", "日本 \u202e", "😀"]
    )
    def test_a_name_may_contain_any_visible_text(self, client, name):
        assert client.post(URL, json={**NEW, "name": name}).json["name"] == name


class TestInvalidInput:
    @pytest.mark.parametrize("field", ["name", "company_name", "provider"])
    @pytest.mark.parametrize(
        "value",
        ["", " ", "\u3000", "x" * 201, "a\nb", "a\0b", "a\x7fb", "a\x9fb", "a\n", "\n", "\ud800", None, 7,
         True, ["a"], {"a": 1}],
    )  # fmt: skip
    def test_the_error_names_the_invalid_text(self, client, gpt, field, value):
        for response in (
            client.post(URL, json={**NEW, field: value}),
            client.patch(gpt, json={field: value}),
        ):
            assert field in assert_error(response, 422)["errors"]["json"]
        assert names(client) == SEEDED

    @pytest.mark.parametrize("value", ["true", "yes", 0, 1, 1.0, None, [], "x"])
    def test_a_flag_is_true_or_false(self, client, gpt, value):
        error = assert_error(client.patch(gpt, json={"archived": value}), 422)

        assert "archived" in error["errors"]["json"]

    @pytest.mark.parametrize("field", ["name", "company_name"])
    def test_the_error_names_the_missing_field(self, client, field):
        body = {name: value for name, value in NEW.items() if name != field}

        assert field in assert_error(client.post(URL, json=body), 422)["errors"]["json"]

    @pytest.mark.parametrize("field", ["id", "created_at", "nope", ""])
    def test_the_error_names_the_unknown_field(self, client, gpt, field):
        for response in (client.post(URL, json={**NEW, field: 1}), client.patch(gpt, json={field: 1})):
            assert field in assert_error(response, 422)["errors"]["json"]

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"nope", b"\xff", b"[" * 100_000, b'{"name": ' + b"1" * 5000]
    )
    def test_invalid_json_is_400(self, client, gpt, body):
        for url, method in ((URL, "POST"), (gpt, "PATCH")):
            response = client.open(url, method=method, data=body, content_type="application/json")
            assert "JSON" in assert_error(response, 400)["message"]

    @pytest.mark.parametrize("body", ["[]", "[1]", "1", '"x"', "null", "true"])
    def test_json_that_is_not_an_object_is_422(self, client, gpt, body):
        for url, method in ((URL, "POST"), (gpt, "PATCH")):
            response = client.open(url, method=method, data=body, content_type="application/json")
            assert_error(response, 422)

    def test_another_content_type_or_no_body_is_415(self, client, gpt):
        for url, method in ((URL, "POST"), (gpt, "PATCH")):
            assert_error(client.open(url, method=method), 415)
            assert_error(client.open(url, method=method, data=NEW), 415)

    def test_a_large_body_is_413(self, client):
        assert_error(client.post(URL, json={**NEW, "name": "x" * (2 << 20)}), 413)

    @pytest.mark.parametrize(
        "asked", ["archived=yes", "archived=", "limit=1", "archived=true&archived=false"]
    )
    def test_the_error_names_the_invalid_argument(self, client, asked):
        assert asked.partition("=")[0] in str(assert_error(client.get(f"{URL}?{asked}"), 422))

    def test_any_argument_is_refused_where_none_is_expected(self, client, gpt):
        assert_error(client.get(f"{gpt}?a=1"), 422)
        assert_error(client.delete(f"{gpt}?a=1"), 422)
        assert_error(client.patch(f"{gpt}?a=1", json={}), 422)
        assert_error(client.post(f"{URL}?a=1", json=NEW), 422)
        assert names(client) == SEEDED

    @pytest.mark.parametrize(
        "number", ["0", "99", "2147483648", "9" * 5000, "-1", "1.0", "GPT-4o", "\u0661", "%00", "%ED%A0%80"]
    )
    def test_an_unknown_llm_is_404(self, client, number):
        assert_error(client.get(f"{URL}/{number}"), 404)
        assert_error(client.delete(f"{URL}/{number}"), 404)
        assert_error(client.patch(f"{URL}/{number}", json={"name": "x"}), 404)

    def test_an_api_key_is_required(self, stranger, client, gpt):
        assert_error(stranger.get(URL), 401)
        assert_error(stranger.post(URL, json=NEW), 401)
        for method in ("GET", "PATCH", "DELETE"):
            assert_error(stranger.open(gpt, method=method, json={"archived": True}), 401)
        assert names(client) == SEEDED


class TestChanging:
    def test_omitted_fields_stay_as_they_are(self, client, added):
        before = client.get(added).json

        after = client.patch(added, json={"provider": "self"}).json

        assert after == {**before, "provider": "self"} == client.get(added).json

    def test_a_new_name_appears_in_the_rankings_immediately(self, client, gpt, show_next_run):
        show_next_run()
        assert "GPT-4o" in ranked(client)

        client.patch(gpt, json={"name": "GPT-4o (2024)"})

        expected = {"GPT-4o (2024)", *SEEDED} - {"GPT-4o"}
        assert ranked(client) == on_the_board(client) == expected

    def test_a_duplicate_name_is_a_conflict(self, client, gpt):
        error = assert_error(client.patch(gpt, json={"name": SEEDED[0], "provider": "x"}), 409)

        assert "name" in error["errors"]["json"]
        assert client.get(gpt).json["provider"] == "openai"

    def test_the_same_name_is_not_a_conflict(self, client, gpt):
        assert client.patch(gpt, json={"name": "GPT-4o"}).status_code == 200

    @pytest.mark.parametrize("changes", [{}, {"name": "GPT-4o"}, {"archived": False}])
    def test_a_change_without_effect_does_not_raise_the_generation(self, client, gpt, conn, changes):
        before = views.generation(conn)

        assert client.patch(gpt, json=changes).status_code == 200

        conn.rollback()
        assert views.generation(conn) == before

    def test_it_waits_for_a_running_refresh(self, client, gpt, settings, conn, redis):
        with closing(connect(settings)) as other, generation.change(other, redis):
            thread = threading.Thread(target=client.patch, args=(gpt,), kwargs={"json": {"name": "later"}})
            thread.start()
            wait_until(lambda: query(conn, "SELECT FROM pg_locks WHERE NOT granted"))
            assert names(client) == SEEDED
        thread.join()

        assert "later" in names(client)

    def test_it_is_refused_if_the_running_refresh_takes_too_long(self, app, client, gpt, conn, redis):
        app.extensions["llms"] = LLMs(app.extensions["settings"], app.extensions["redis"], wait_s=0.1)

        with generation.change(conn, redis):
            response = client.patch(gpt, json={"name": "later"})

        error = assert_error(response, 503)
        assert error["message"] == "Another change is in progress; try again in a moment"
        assert int(response.headers["Retry-After"]) > 0
        assert names(client) == SEEDED


class TestArchiving:
    def test_removes_it_from_rankings_and_leaderboard_immediately(self, client, gpt, show_next_run):
        show_next_run()
        assert "GPT-4o" in ranked(client) & on_the_board(client)

        response = client.delete(gpt)

        assert (response.status_code, response.data) == (204, b"")
        assert "GPT-4o" not in ranked(client) | on_the_board(client)
        assert "GPT-4o" not in names(client, "?archived=false")
        assert names(client, "?archived=true") == ["GPT-4o"]

    def test_keeps_its_history_and_its_runs(self, client, gpt, show_next_run):
        show_next_run()
        client.delete(gpt)

        history = client.get("/api/v1/benchmarks/history/ttft?llm=GPT-4o&window=all").json
        runs = client.get("/api/v1/benchmarks/runs?llm=GPT-4o").json

        assert len(history["series"]) == len(runs["runs"]) == 1

    def test_excludes_it_from_runs_until_it_is_restored(self, client, gpt, show_next_run):
        client.delete(gpt)
        show_next_run()
        assert "GPT-4o" not in ranked(client)

        restored = client.patch(gpt, json={"archived": False}).json
        show_next_run()

        assert (restored["archived"], restored["archived_at"]) == (False, None)
        assert "GPT-4o" in ranked(client)

    def test_twice_is_the_same_as_once(self, client, gpt):
        client.delete(gpt)
        once = client.get(gpt).json

        assert client.delete(gpt).status_code == 204
        assert client.get(gpt).json == once
        assert once["archived"]


class TestEveryChange:
    CHANGES = (
        ("POST", URL, NEW),
        ("PATCH", "gpt", {"company_name": "OpenAI"}),
        ("DELETE", "gpt", None),
    )

    @pytest.mark.parametrize(("method", "url", "body"), CHANGES)
    def test_raises_the_generation(self, client, gpt, conn, method, url, body):
        before = views.generation(conn)
        held = {"If-None-Match": client.get(RANKINGS).headers["ETag"]}

        assert client.open(gpt if url == "gpt" else url, method=method, json=body).status_code < 300

        conn.rollback()
        number = views.generation(conn)
        assert number > before
        assert client.get(RANKINGS, headers=held).headers["ETag"] == f'"g{number}"'

    @pytest.mark.parametrize(("method", "url", "body"), CHANGES)
    def test_works_without_redis(self, own_client, own_redis, client, gpt, conn, method, url, body):
        before = views.generation(conn)
        own_redis.stop()

        assert own_client.open(gpt if url == "gpt" else url, method=method, json=body).status_code < 300

        conn.rollback()
        assert views.generation(conn) > before

    def test_is_visible_to_every_process_as_soon_as_it_returns(self, make_app):
        writer, reader = with_key(make_app()), with_key(make_app())
        url = writer.post(URL, json=NEW).headers["Location"]
        for number in range(20):
            reader.get(URL)
            writer.patch(url, json={"name": f"number {number}"})
            assert f"number {number}" in names(reader)

    def test_that_is_refused_does_not_raise_the_generation(self, client, conn):
        before = views.generation(conn)
        conn.rollback()

        assert_error(client.post(URL, json={**NEW, "name": "GPT-4o"}), 409)

        assert views.generation_and_change(conn) == (before, False)
