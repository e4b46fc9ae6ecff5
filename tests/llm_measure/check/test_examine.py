import socket

import pytest

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.check.examine import MAX_REQUESTS, examine
from llm_measure.check.finding import Finding, Target
from llm_measure.check.remedies import changed, url_changes
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.check import kinds
from tests.llm_measure.check.kinds import kind, refusal

LOAD = Load(concurrency=1, requests=2)


def examined(answer, timeout_s: float = 5.0, path: str = "/v1", **options) -> Finding:
    """The finding about an endpoint of this kind; what it says to set measures without an error."""
    with kind(answer) as server:
        base_url = server.url.replace("/v1", path)
        endpoint = Endpoint(**{"base_url": base_url, "model": "m", **options})
        (finding,) = examine([Target("it", endpoint)], timeout_s)
        assert len(server.requests) == finding.requests <= MAX_REQUESTS
        if finding.problem is None:
            mended = changed(endpoint, finding.changes)
            tokens = 100 if any("output_tokens" in text for text in finding.advice) else 8
            result = measure(mended, Workload(output_tokens=tokens), LOAD)
            assert [record.error for record in result.records] == [None, None]
    return finding


def test_a_fine_endpoint_is_usable_as_it_is():
    finding = examined(kinds.fine)

    assert (finding.verdict, finding.changes, finding.advice) == ("usable", {}, [])
    assert (finding.reachable, finding.key, finding.model_known) == (True, "not needed", True)
    assert (finding.stream, finding.usage, finding.reasoning) == ("streams", True, "none")
    assert finding.cache == "not seen"
    assert 0 < finding.ttft_s < 1
    assert (finding.words, finding.prompt_tokens) == (443, 452)
    assert (finding.template_tokens, finding.tokens_per_word) == (9, 1.0)
    assert finding.requests == 3


@pytest.mark.parametrize(("api", "of_the_query"), [("embeddings", 0), ("rerank", 16)])
def test_a_query_counts_once_and_not_with_each_word_of_the_input(api, of_the_query):
    with running_mock_server(Behaviour(ttft=0.01)) as url:
        (finding,) = examine([Target("it", Endpoint(url, "m", api=api))], 5)

    assert (finding.verdict, finding.words, finding.prompt_tokens) == ("usable", 443, 443 + of_the_query)
    assert (finding.template_tokens, finding.tokens_per_word) == (of_the_query, 1.0)


def test_a_wrong_key_is_refused_and_shown_nowhere():
    finding = examined(kinds.wrong_key, api_key="wrong-sesame")

    assert (finding.verdict, finding.key, finding.reachable) == ("fails", "refused", True)
    assert finding.advice == ["api_key_env: the variable holds a key that the endpoint refuses"]
    assert "sesame" not in repr(finding)
    assert finding.requests == 1


def test_a_missing_key_and_a_right_one_are_known():
    assert examined(kinds.wrong_key).advice == ["api_key_env: the endpoint asks for a key"]
    assert examined(kinds.wrong_key, api_key="right").key == "accepted"


def test_of_an_unknown_model_the_listed_ones_are_named_the_likeliest_first():
    finding = examined(kinds.unknown_model, model="llama-3.1-9b")

    assert (finding.verdict, finding.model_known) == ("fails", False)
    assert set(finding.models) == {"llama-3.1-8b", "llama-3.1-70b", "qwen"}
    assert finding.problem == "404: The model `llama-3.1-9b` does not exist." + finding.problem[45:]
    assert finding.advice == ["model: one of those listed: llama-3.1-8b, llama-3.1-70b, qwen"]


@pytest.mark.parametrize(
    ("answer", "model", "meant"),
    [(kinds.unknown_model, "Qwen", "qwen"), (kinds.only_model, "another", "meta/llama")],
)
def test_a_model_that_is_meant_for_certain_is_a_change(answer, model, meant):
    assert examined(answer, model=model).changes == {"model": meant}


@pytest.mark.parametrize(
    ("answer", "changes", "usage"),
    [
        (kinds.refuses_max_tokens, {"max_tokens_field": "max_completion_tokens"}, True),
        (kinds.refuses_stream_options, {"stream_usage": False}, True),
        (kinds.refuses_both, {"stream_usage": False, "max_tokens_field": "none"}, False),
    ],
)
def test_a_refused_field_is_found_by_asking_without_it(answer, changes, usage):
    finding = examined(answer)

    assert (finding.verdict, finding.changes, finding.usage) == ("change", changes, usage)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        ("400 Bad Request", {"error": {"message": "Unrecognized request argument supplied: stream_options",
                                       "type": "invalid_request_error", "param": None, "code": None}}),
        ("400 Bad Request", {"error": {"message": "property 'stream_options' is unsupported, did you mean"
                                                  " 'stream'?", "type": "invalid_request_error"}}),
        ("400 Bad Request", {"code": "Client specified an invalid argument",
                             "error": "Argument not supported: stream_options"}),
        ("400 Bad Request", {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body',"
                                                           " 'stream_options'), 'input': {}}]", "code": 400}),
        ("422 Unprocessable Entity", {"detail": [{"loc": ["body", "stream_options", "include_usage"],
                                                  "msg": "Extra inputs are not permitted"}]}),
        ("400 Bad Request", {"error": {"code": 400, "message": "Unsupported param: stream_options"}}),
        ("422 Unprocessable Entity", "Failed to deserialize the JSON body into the target type: "
                                     "stream_options: unknown field at line 1 column 24"),
    ],
    ids=["Azure", "Groq", "xAI", "vLLM", "Mistral", "llama.cpp", "TGI"],
)  # fmt: skip
def test_refusals_are_understood_in_the_words_of(status, content):
    def answer(request):
        return refusal(status, content) if "stream_options" in request.asked else None

    assert examined(answer).changes == {"stream_usage": False}


def test_a_refused_field_of_extra_body_is_removed_and_the_others_stay():
    def answer(request):
        error = {"message": "Unknown parameter: 'top_k'.", "param": "top_k", "code": "unknown_parameter"}
        return refusal("400 Bad Request", {"error": error}) if "top_k" in request.asked else None

    changes = examined(answer, extra_body={"store": False, "top_k": 5}).changes

    assert changes == {"extra_body": {"store": False, "top_k": None}}


def test_a_change_that_does_not_help_is_none():
    def answer(request):
        return refusal("400 Bad Request", {"error": {"message": f"max_tokens: request {id(request)}"}})

    finding = examined(answer)

    assert (finding.verdict, finding.changes, finding.key) == ("fails", {}, None)
    assert finding.problem.startswith("400: max_tokens: request ")


def test_a_stream_that_comes_in_one_piece_is_buffered():
    finding = examined(kinds.buffers)

    assert (finding.verdict, finding.stream) == ("usable", "buffers")
    assert "buffers the stream" in finding.advice[0]


def test_an_answer_of_few_tokens_does_not_show_whether_it_streams():
    def answer(request):
        return kinds.stream(kinds.text("hi"), kinds.text(None, "stop"), kinds.usage(request.tokens, 4))

    finding = examined(answer)

    assert (finding.verdict, finding.stream, finding.advice) == ("usable", None, [])


def test_an_endpoint_without_usage_is_usable_and_its_counts_are_estimates():
    finding = examined(kinds.reports_no_usage)

    assert (finding.verdict, finding.usage, finding.prompt_tokens) == ("usable", False, None)
    assert finding.advice == ["token counts will be estimates: the endpoint reports no usage"]


def test_hidden_reasoning_is_given_enough_tokens():
    finding = examined(kinds.hides_reasoning)

    assert (finding.verdict, finding.reasoning) == ("usable", "hidden")
    assert finding.advice == ["output_tokens: more than 16, which hidden reasoning takes alone"]


def test_a_cache_shows_by_its_tokens_or_by_an_earlier_first_token():
    assert examined(kinds.caching()).cache == "cached_tokens"
    assert examined(kinds.caching_silently()).cache == "ttft"


@pytest.mark.parametrize(("given", "right"), [("", "/v1"), ("/v1/chat/completions", "/v1")])
def test_a_wrong_base_url_is_found_out(given, right):
    changes = examined(kinds.needs_v1, path=given).changes

    assert list(changes) == ["base_url"]
    assert changes["base_url"].endswith(right)


def test_a_base_url_with_the_path_of_an_azure_request_loses_it():
    base = "https://x.openai.azure.com"
    url = f"{base}/openai/deployments/m/chat/completions?api-version=1"
    changes = list(url_changes(Endpoint(url, "m", "azure")))

    assert changes == [{"base_url": f"{base}?api-version=1"}]


def test_a_query_stays_behind_the_version():
    assert examined(kinds.needs_v1, path="/?v=1").changes["base_url"].endswith("/v1?v=1")


def test_a_model_without_chat_is_asked_by_completions():
    assert examined(kinds.only_completions).changes == {"api": "completions"}


def test_a_stream_without_its_end_cannot_be_measured():
    finding = examined(kinds.drops_the_last_chunk)

    assert (finding.verdict, finding.stream) == ("fails", "breaks off")
    assert finding.problem == "the stream broke off after 5 events"


def test_an_answer_that_is_no_stream_cannot_be_measured():
    assert examined(kinds.does_not_stream).stream == "does not stream"


def test_a_rate_limit_is_no_fault_of_the_options():
    finding = examined(kinds.rate_limited, api_key="right")

    assert (finding.verdict, finding.reachable, finding.key) == ("fails", True, "accepted")
    assert finding.problem == "429: Rate limit reached for requests"
    assert finding.advice == ["rate limited: check again later, or use a key with a higher limit"]
    assert finding.requests == 1


def test_an_endpoint_that_is_down_is_not_reachable():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (finding,) = examine([Target("it", Endpoint(f"http://127.0.0.1:{port}/v1", "m"))], 5.0)

    assert (finding.verdict, finding.reachable, finding.key, finding.requests) == ("fails", False, None, 1)


def test_one_that_answers_too_late_is_not_waited_for():
    finding = examined(kinds.slow, timeout_s=0.2)

    assert (finding.verdict, finding.problem) == ("fails", "no end within 0.2 s")


def test_all_are_asked_concurrently_and_named_in_their_order():
    with kind(kinds.slow) as one, kind(kinds.fine) as other:
        targets = [Target(f"slow {number}", Endpoint(one.url, "m")) for number in range(3)]
        findings = examine([*targets, Target("fine", Endpoint(other.url, "m"))], 5.0)

    assert [finding.name for finding in findings] == ["slow 0", "slow 1", "slow 2", "fine"]
    assert {finding.verdict for finding in findings} == {"usable"}


@pytest.mark.parametrize("api", apis.names())
def test_an_endpoint_of_any_api_is_usable(api, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    with running_mock_server(Behaviour(ttft=0, itl=0)) as url:
        endpoint = Endpoint(url.removesuffix("/v1") if api == "azure" else url, "m", api)
        (finding,) = examine([Target("it", endpoint)], 5.0)

    assert (finding.verdict, finding.problem, finding.changes) == ("usable", None, {})
