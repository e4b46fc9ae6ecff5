import json

import pytest

from llm_measure.client import model_list
from llm_measure.client.model_list import only_model
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.scripted import Step, chunked, head, scripted, whole


def listing(*names: str) -> bytes:
    body = json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})
    return whole(body.encode(), kind="application/json")


def of(*steps: Step, key: str | None = None) -> str:
    with scripted(*steps) as server:
        return only_model(Endpoint(server.url, "unknown", api_key=key))


def test_the_one_model_that_is_listed_is_returned():
    with scripted(listing("llama"), keep=True) as server:
        assert only_model(Endpoint(f"{server.url}/", "unknown", api_key="sesame")) == "llama"

    (request,) = server.requests
    assert request.startswith(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer sesame\r\n" in request


def test_the_query_of_the_base_url_is_asked_with_and_shown_with_the_names_of_variables():
    with scripted(listing()) as server:
        endpoint = Endpoint(f"{server.url}?v=1&key=${{KEY}}", "unknown").with_variables({"KEY": "sesame"}.get)
        with pytest.raises(ValueError, match=r"/v1/models\?v=1&key=\$\{KEY\} names 0 models"):
            only_model(endpoint)

    assert server.requests[0].startswith(b"GET /v1/models?v=1&key=sesame HTTP/1.1\r\n")


def test_a_guarded_server_lists_its_model_to_whoever_has_the_key():
    with running_mock_server(Behaviour(api_key="sesame")) as url:
        assert only_model(Endpoint(url, "unknown", api_key="sesame")) == "mock"


def test_a_list_in_parts_and_one_model_twice_are_one_model():
    body = b'{"data": [{"id": "llama"}, {"id": "llama"}]}'
    parts = chunked(body[:10], body[10:])

    assert of(head("200 OK", "application/json", "transfer-encoding: chunked"), *parts) == "llama"


def test_several_models_are_named_up_to_ten():
    with pytest.raises(ValueError, match=r"/v1/models names 2 models; expected --model with one of a, b$"):
        of(listing("a", "b"))
    with pytest.raises(ValueError, match=r"names 12 models; .* of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more$"):
        of(listing(*map(str, range(12))))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([listing()], "names 0 models"),
        ([whole(b"no", "404 Not Found", "text/plain")], "names none: status 404"),
        ([whole(b"<html>", kind="text/html")], "names none: no list of models (JSON is malformed"),
        ([whole(b"[]")], "names none: no list of models (Expected `object`, got `array`)"),
        ([whole(b'{"data": [{"id": 5}]}')], "names none: no list of models (Expected `str`, got `int`"),
        ([whole(b"[" * 100_000)], "names none: no list of models ("),
        ([b"no HTTP\r\n\r\n"], "names none: malformed: the response is not HTTP"),
        ([b""], "names none: connect: the connection ended before a response"),
    ],
)
def test_without_one_it_says_to_give_the_name(steps, reason):
    with pytest.raises(ValueError, match=r"expected --model NAME$") as raised:
        of(*steps)

    assert reason in str(raised.value)


def test_an_endpoint_that_is_down_names_none():
    with scripted() as server:
        pass
    with pytest.raises(ValueError, match=r"names none: connect: .*; expected --model NAME$"):
        only_model(Endpoint(server.url, "unknown"))


def test_a_list_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(model_list, "TIMEOUT_S", 0.2)
    with pytest.raises(ValueError, match=r"names none: timeout: no end within 0.2 s"):
        of(head("200 OK", "application/json", "content-length: 100"), 5.0)


def test_what_the_endpoint_repeats_of_the_key_is_hidden():
    with pytest.raises(ValueError, match="names 2 models") as raised:
        of(listing("a-sesame\x1b", "b"), key="sesame")

    assert str(raised.value).endswith(r"one of a-(hidden)\x1b, b")
