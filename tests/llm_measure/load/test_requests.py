import json

import pytest

from llm_measure import __version__
from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError
from llm_measure.load.requests import most_tokens, request_builder, url_path
from llm_measure.workloads import Workload

ENDPOINT = Endpoint("http://x:8000/v1", "m")


def built(workload: Workload, index: int = 0, endpoint: Endpoint = ENDPOINT, seed: int = 1) -> bytes:
    return request_builder(endpoint, workload, seed, "/v1/chat/completions")(index, endpoint.api_key)


def body(workload: Workload, index: int = 0, endpoint: Endpoint = ENDPOINT, seed: int = 1) -> dict:
    return json.loads(built(workload, index, endpoint, seed).partition(b"\r\n\r\n")[2])


def test_the_head_names_host_type_length_key_and_version():
    head, _, content = built(Workload(), endpoint=Endpoint("https://x/v1", "m", api_key="k")).partition(
        b"\r\n\r\n"
    )

    assert head.decode().split("\r\n") == [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: x",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"User-Agent: llm-measure/{__version__}",
        "Authorization: Bearer k",
        f"Content-Length: {len(content)}",
    ]


def test_headers_carry_the_values_of_variables_and_replace_those_of_the_same_name():
    headers = {"authorization": "Basic ${A}", "X-Tenant": "a:${B}"}
    endpoint = Endpoint("http://x/v1", "m", api_key="k", headers=headers)
    filled = endpoint.with_variables({"A": "YTpi", "B": "b"}.get)

    lines = built(Workload(), endpoint=filled).partition(b"\r\n\r\n")[0].decode().split("\r\n")

    assert [line for line in lines if line.lower().startswith(("auth", "x-"))] == [
        "authorization: Basic YTpi",
        "X-Tenant: a:b",
    ]
    with pytest.raises(ValueError, match="environment variable A: not set"):
        built(Workload(), endpoint=endpoint)


@pytest.mark.parametrize("base_url", ["http://x/v1", "http://x/v1/", "http://x/v1//"])
def test_the_path_is_below_the_base_url(base_url):
    assert url_path(Endpoint(base_url, "m", "completions")) == "/v1/completions"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "Authorization: Bearer sesame"),
        ({"key_header": "api-key"}, "api-key: sesame"),
        ({"key_header": "api-key", "key_scheme": ""}, "api-key: sesame"),
        ({"key_header": "X-Auth", "key_scheme": "Token"}, "X-Auth: Token sesame"),
        ({"key_header": "authorization"}, "authorization: Bearer sesame"),
        ({"key_scheme": "Key"}, "Authorization: Key sesame"),
        ({"key_scheme": ""}, "Authorization: sesame"),
    ],
)
def test_the_key_is_sent_once_in_its_header_after_its_scheme(options, line):
    head = built(Workload(), endpoint=Endpoint("http://x/v1", "m", api_key="sesame", **options)).decode()

    assert [each for each in head.split("\r\n") if "sesame" in each or "uthorization" in each] == [line]


def test_without_a_key_no_header_has_one():
    assert b"api-key" not in built(Workload(), endpoint=Endpoint("http://x/v1", "m", key_header="api-key"))


def test_the_query_follows_each_path_with_the_encoded_values_of_variables():
    endpoint = Endpoint("http://x/d/?api-version=1&key=${KEY}", "m").with_variables({"KEY": "a+/&b"}.get)

    assert url_path(endpoint) == "/d/chat/completions?api-version=1&key=a%2B%2F%26b"
    assert url_path(endpoint, "models") == "/d/models?api-version=1&key=a%2B%2F%26b"


def test_generated_prompts_have_the_length_and_differ():
    (first,), (second,) = (body(Workload(input_tokens=9), index)["messages"] for index in (0, 1))

    assert (first["role"], len(first["content"].split())) == ("user", 9)
    assert first != second


def test_chat_and_completions_ask_the_same():
    chat = body(Workload())
    completions = body(Workload(), endpoint=Endpoint("http://x/v1", "m", "completions"))

    assert chat["messages"] == [{"role": "user", "content": completions["prompt"]}]


def test_the_extra_body_is_merged_and_null_removes_a_field():
    asked = body(Workload(extra_body={"temperature": 0, "max_tokens": None, "max_completion_tokens": 3}))

    assert (asked["temperature"], asked["max_completion_tokens"]) == (0, 3)
    assert "max_tokens" not in asked


@pytest.mark.parametrize(
    ("field", "limits"),
    [
        ("max_tokens", {"max_tokens": 9}),
        ("max_completion_tokens", {"max_completion_tokens": 9}),
        ("none", {}),
    ],
)
def test_the_maximum_is_asked_for_by_the_name_that_the_endpoint_knows(field, limits):
    asked = body(Workload(output_tokens=9), endpoint=Endpoint("http://x/v1", "m", max_tokens_field=field))

    assert {name: value for name, value in asked.items() if name.startswith("max")} == limits


def test_each_row_of_a_dataset_asks_for_its_maximum_by_that_name(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "output_tokens": 4}')
    endpoint = Endpoint("http://x/v1", "m", max_tokens_field="max_completion_tokens")

    asked = body(Workload(dataset=str(path)), endpoint=endpoint)

    assert (asked["max_completion_tokens"], "max_tokens" in asked) == (4, False)


def test_a_server_that_refuses_stream_options_is_asked_without():
    asked = body(Workload(), endpoint=Endpoint("http://x/v1", "m", stream_usage=False))

    assert (asked["stream"], "stream_options" in asked) == (True, False)


def test_the_extra_body_of_the_endpoint_is_merged_over_that_of_the_workload():
    endpoint = Endpoint("http://x/v1", "m", extra_body={"temperature": None, "top_k": 2})
    asked = body(Workload(extra_body={"temperature": 0, "top_k": 1, "top_p": 1}), endpoint=endpoint)

    assert (asked["top_k"], asked["top_p"], "temperature" in asked) == (2, 1, False)


def test_an_extra_body_may_bring_the_prompt():
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    workload = Workload(extra_body={"messages": messages})

    assert body(workload)["messages"] == messages
    assert built(workload, 0) == built(workload, 1)


def test_each_row_of_a_dataset_is_sent_once_and_then_again_in_the_same_order(tmp_path):
    rows = [
        {"prompt": 'say "é"', "output_tokens": 5},
        {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    workload = Workload(dataset=str(path), output_tokens=9)

    sent = [body(workload, index) for index in range(4)]

    text, conversation = sorted(sent[:2], key=lambda each: each["max_tokens"])
    assert (text["messages"], text["max_tokens"]) == ([{"role": "user", "content": 'say "é"'}], 5)
    assert (conversation["messages"], conversation["max_tokens"]) == (rows[1]["messages"], 9)
    assert sent[2:] == sent[:2]


def test_a_dataset_is_shuffled_by_the_seed(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"{number}"}) for number in range(50)))
    workload = Workload(dataset=str(path))

    def order(seed: int) -> list[int]:
        return [int(body(workload, index, seed=seed)["messages"][0]["content"]) for index in range(50)]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in (1, 2, 3)}) == 3
    assert sorted(order(1)) == list(range(50)) != order(1)


def test_a_conversation_that_the_api_cannot_take_names_the_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}]}')

    with pytest.raises(DatasetError, match=r"rows\.jsonl:1: the completions API takes no messages"):
        built(Workload(dataset=str(path)), endpoint=Endpoint("http://x/v1", "m", "completions"))


@pytest.mark.parametrize(
    ("extra_body", "most"),
    [
        ({}, 8 * 100 + 32_768),
        ({"seed": 7, "temperature": 0.5, "stop": None}, 8 * 32_768 + 32_768),
        ({"thinking": {"budget_tokens": 5000}}, 8 * 5000 + 32_768),
        ({"max_tokens": 10**9}, 10_000_000),
    ],
)
def test_plausible_token_counts_follow_from_what_is_asked(extra_body, most):
    assert most_tokens(Workload(output_tokens=100, extra_body=extra_body)) == most


def test_plausible_token_counts_follow_from_the_longest_row_of_a_dataset(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a", "output_tokens": 9}\n{"prompt": "b", "output_tokens": 900}\n')

    assert most_tokens(Workload(dataset=str(path))) == 8 * 900 + 32_768
