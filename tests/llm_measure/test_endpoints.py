import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Workload


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url='localhost:8000': must be an http or https URL"),
        ({"base_url": "ftp://x/v1"}, "base_url='ftp://x/v1': must be"),
        ({"base_url": "http://"}, "base_url='http://': must be"),
        ({"base_url": "http://x:99999/v1"}, "base_url='http://x:99999/v1': must be"),
        ({"base_url": "http://[x/v1"}, "base_url='http://[x/v1': must be"),
        ({"base_url": "http://x/v 1"}, "base_url='http://x/v 1': must be"),
        ({"base_url": "http://x/v1\r\n"}, "base_url='http://x/v1\\r\\n': must be"),
        ({"base_url": "http://x/é"}, "base_url='http://x/é': must be"),
        (
            {"base_url": "https+unix://%2Frun%2Fa.sock/v1"},
            "base_url='https+unix://%2Frun%2Fa.sock/v1': https+unix is not supported; expected http+unix",
        ),
        ({"base_url": "http+unix://run/a.sock"}, "base_url='http+unix://run/a.sock': its host must be the"),
        ({"base_url": f"http+unix://%2F{107 * 'a'}/v1"}, "base_url='http+unix://%2Faaa"),
        ({"ca_file": "ca.pem"}, "ca_file: needs an https URL"),
        ({"client_cert": "a.pem"}, "client_cert: needs an https URL"),
        ({"insecure": True}, "insecure: needs an https URL"),
        ({"insecure": True, "base_url": "http+unix://%2Fa/v1"}, "insecure: needs an https URL"),
        ({"insecure": True, "ca_file": "ca.pem", "base_url": "https://x"}, "insecure: verifies nothing, so"),
        ({"client_key": "a.pem", "base_url": "https://x"}, "client_key: needs client_cert"),
        ({"ca_file": "a\n", "base_url": "https://x"}, "ca_file: must be the path of a file"),
        ({"proxy": "http://p", "base_url": "http+unix://%2Fa/v1"}, "proxy: does not apply to a Unix socket"),
        ({"token_command": ("a",), "api_key": "b"}, "token_command: brings the key"),
        ({"key_header": "a b"}, "key_header='a b': must be the name of a header"),
        ({"key_header": "host"}, "key_header='host': set by the client alone"),
        ({"key_scheme": "a\r\nb"}, "key_scheme='a\\r\\nb': must be one word"),
        ({"max_tokens_field": "limit"}, "max_tokens_field='limit': expected one of max_tokens, max_comp"),
        ({"model": ""}, "model='': must be a printable name"),
        ({"model": "a\nb"}, "model='a\\nb': must be a printable name"),
        ({"api": "images"}, "api='images': unknown provider API; expected one of chat, completions"),
    ],
)
def test_an_unusable_endpoint_is_refused_with_the_field_and_its_value(fields, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        Endpoint(**{"base_url": "http://x/v1", "model": "m", **fields})

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("http://us:s3cret@x/v1", "base_url: must not contain credentials or a fragment"),
        ("http://s3cret@x:0/v1", "base_url: must not contain credentials or a fragment"),
        ("http://x/v1#s3cret", "base_url: must not contain credentials or a fragment"),
        ("http://x/v1?a=1#s3cret", "base_url: must not contain credentials or a fragment"),
        (
            "http://x/v1?a=1&k%65y=s3cret",
            "base_url: parameter key: may hold a secret; expected an environment",
        ),
        ("http://x/v1?key=${s3cret", "base_url: parameter key: broken variable"),
        ("http://x/v1?s3cret", "base_url: its query must consist of NAME=VALUE, joined by &"),
        ("http://x/v1?a=s3 cret", "base_url: its query must be printable ASCII without spaces"),
        ("http://x/v1?a=s3cret\r\n", "base_url: its query must be printable ASCII without spaces"),
        ("ftp://x/v1?a=s3cret", "base_url='ftp://x/v1': must be"),
        ("http://x/${A}?a=s3cret", "base_url='http://x/${A}': must be"),
    ],
)
def test_a_url_that_may_hold_a_secret_is_refused_without_showing_it(base_url, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        Endpoint(base_url, "m")

    assert str(raised.value).startswith(message)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ("https://p:3128", "proxy: TLS to a proxy is not supported; expected http://"),
        ("socks5://p:1080", "proxy: must be http://[USER:PASSWORD@]HOST:PORT, or none"),
        ("s3cret:3128", "proxy: must be"),
        ("http://", "proxy: must be"),
        ("http://p:99999", "proxy: must be"),
        ("http://p/s3cret", "proxy: must be"),
        ("http://us:s3cret@p", "proxy: its credentials may be a secret; expected an environment variable as"),
        ("http://s3cret@p", "proxy: its credentials may be a secret"),
        ("http://us:${s3cret@p", "proxy: its"),
        ("http://${s3cret:${A}@p", "proxy: its user: broken variable"),
        ("http://us:${A} s3cret@p", "proxy: must be"),
    ],
)
def test_an_unusable_proxy_is_refused_without_showing_it(proxy, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        Endpoint("http://x/v1", "m", proxy=proxy)

    assert str(raised.value).startswith(message)
    assert "s3cret" not in str(raised.value)


def test_the_options_of_the_connection_are_named_without_their_secrets():
    endpoint = Endpoint(
        "https://x/v1", "m", insecure=True, proxy="http://us:${P}@p", token_command=("get", "sesame")
    ).with_variables({"P": "sesame"}.get)

    assert endpoint.transport == {"insecure": True, "proxy": "http://us:${P}@p"}
    assert "sesame" not in repr(endpoint)


def test_the_key_must_fit_into_a_header():
    with pytest.raises(ValueError, match=r"^api_key: must be printable ASCII$"):
        Endpoint("http://x/v1", "m", api_key="a\r\nb")


def test_the_key_is_never_shown():
    assert "sesame" not in repr(Endpoint("http://x/v1", "m", api_key="sesame"))


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:8000/v1",
        "https://api.openai.com/v1/",
        "http://[::1]:8000",
        "http://x/@a/v1",
        "http://x/v1?",
        "http+unix://%2Frun%2FA.sock/v1",
        "http://x/d?api-version=2024-10-21&key=${KEY}&at=a@b",
    ],
)
def test_a_usable_url_is_kept_as_it_is(base_url):
    assert Endpoint(base_url, "m").base_url == base_url


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"host": "s3cret"}, "headers='host': set by the client alone"),
        ({"Content-Length": "s3cret"}, "headers='Content-Length': set by the client alone"),
        ({"Transfer-Encoding": "s3cret"}, "headers='Transfer-Encoding': set by the client alone"),
        ({"Accept-Encoding": "s3cret"}, "headers='Accept-Encoding': set by the client alone"),
        ({"a b": "s3cret"}, "headers='a b': must be the name of a header"),
        ({"x": "s3cret\r\ny: z"}, "headers: x: must be printable ASCII"),
        ({"x": "${s3cret"}, "headers: x: broken variable; expected ${VAR}"),
        ({"api-key": "s3cret"}, "headers: api-key: may hold a secret; expected an environment variable as"),
        ({"Authorization": "Basic s3cret"}, "headers: Authorization: may hold a secret"),
        ({"X": "s3cret", "x": "s3cret"}, "headers: duplicate name"),
    ],
)
def test_an_unusable_header_is_refused_without_showing_its_value(headers, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        Endpoint("http://x/v1", "m", headers=headers)

    assert str(raised.value).startswith(message)
    assert "cret" not in str(raised.value).replace("secret", "")


@pytest.mark.parametrize(
    ("value", "problem"), [(None, "not set"), (" ", "not set"), ("a\nb", "must be printable")]
)
def test_a_variable_must_have_a_value_that_fits_into_a_header(value, problem):
    endpoint = Endpoint("http://x/v1", "m", headers={"api-key": "${KEY}"})

    with pytest.raises(ValueError, match=f"environment variable KEY: {problem}"):
        endpoint.with_variables({"KEY": value}.get)


AZURES = "/openai/deployments/d/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("http://x", AZURES, f"http://x{AZURES}"),
        ("http://openai", AZURES, f"http://openai{AZURES}"),
        ("http://x/my/openai/", AZURES, f"http://x/my{AZURES}"),
        ("http://x/myopenai", AZURES, f"http://x/myopenai{AZURES}"),
        ("http://x/openai/deployments/d", AZURES, f"http://x{AZURES}"),
        (
            "http://x/openai?a=1&api-version=2025-01-01", AZURES,
            "http://x/openai/deployments/d/chat/completions?a=1&api-version=2025-01-01",
        ),
        ("http://x/openai?version=1", AZURES, f"http://x{AZURES}&version=1"),
        ("http://x/chat", "chat/completions", "http://x/chat/chat/completions"),
    ],
)  # fmt: skip
def test_a_path_from_the_root_and_its_query_are_not_repeated(base_url, path, url):
    assert Endpoint(base_url, "m").url(path) == url


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://x/v1", "http://x/v1/models"),
        ("http://x/v1/?v=1&key=${KEY}", "http://x/v1/models?v=1&key=${KEY}"),
    ],
)
def test_a_url_has_the_path_before_the_query_and_the_names_of_variables(base_url, url):
    endpoint = Endpoint(base_url, "m").with_variables({"KEY": "sesame"}.get)

    assert endpoint.url("models") == url


def test_a_value_is_a_secret_also_as_a_query_has_it():
    endpoint = Endpoint("http://x/v1?key=${KEY}", "m").with_variables({"KEY": "open/sesame"}.get)

    assert {"open/sesame", "open%2Fsesame"} <= set(endpoint.secrets)


def test_the_values_of_variables_are_secrets_and_never_shown():
    endpoint = Endpoint("http://x/v1", "m", headers={"api-key": "${KEY}"})
    filled = endpoint.with_variables({"KEY": " sesame\n"}.get)

    assert "sesame" in filled.secrets
    assert "sesame" not in repr(filled)


def test_a_workload_is_asked_without_what_the_server_refuses():
    workload = Workload(extra_body={"top_k": 1, "stream_options": {"include_usage": True}})

    assert Endpoint("http://x", "m").asked(workload) == workload
    bare = Endpoint("http://x", "m", max_tokens_field="none", stream_usage=False).asked(workload)
    assert bare.extra_body == {"top_k": 1, "max_tokens": None, "stream_options": None}
    assert bare.asked_output_tokens is None


@pytest.mark.parametrize("extra_body", [{}, {"generationConfig": {"temperature": 0}}])
def test_a_maximum_within_an_object_is_left_out_of_it(extra_body):
    endpoint = Endpoint("http://x", "m", "gemini", max_tokens_field="none", extra_body=extra_body)

    asked = endpoint.asked(Workload())

    config = extra_body.get("generationConfig", {}) | {"maxOutputTokens": None}
    assert asked.extra_body == {"generationConfig": config}
    assert asked.asked_output_tokens is None


def test_an_api_without_max_tokens_has_no_other_name_for_it():
    message = (
        "max_tokens_field='max_completion_tokens': the gemini API has generationConfig.maxOutputTokens"
        " instead; expected max_tokens or none"
    )
    with pytest.raises(ValueError, match=message):
        Endpoint("http://x", "m", "gemini", max_tokens_field="max_completion_tokens")

    assert Endpoint("http://x", "m", "gemini", max_tokens_field="max_tokens")


def test_the_extra_body_of_an_endpoint_wins_over_that_of_a_workload():
    workload = Workload(extra_body={"temperature": 0, "top_k": 1})
    endpoint = Endpoint("http://x", "m", extra_body={"temperature": None, "reasoning_effort": "low"})

    merged = {"temperature": None, "top_k": 1, "reasoning_effort": "low"}
    assert endpoint.asked(workload).extra_body == merged
    assert workload.extra_body == {"temperature": 0, "top_k": 1}


@pytest.mark.parametrize("api", ["messages", "gemini", "responses", "bedrock", "embeddings"])
def test_usage_that_comes_without_being_asked_for_cannot_be_left_out(api):
    with pytest.raises(ValueError, match=f"stream_usage=False: does not apply to the {api} API"):
        Endpoint("http://x/v1", "m", api, stream_usage=False)
