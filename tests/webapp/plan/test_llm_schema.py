"""The fields of an LLM: what its endpoint gets of them, and which values are refused."""

import sys

import pytest
import trustme

from tests.webapp.plan.files import GOOD, with_options
from webapp.plan.benchmark_file import read_benchmark_file

FAULTS = [
    (GOOD.replace("http:", "ftp:"), "4: llms[0].base_url='ftp://127.0.0.1:9/v1': must be"),
    (GOOD.replace("model: fast", "modle: fast"), "5: llms[0].modle: unknown field; expected one of name"),
    (GOOD.replace("model: fast", "modle: fast"), "3: llms[0].model: missing"),
    (GOOD.replace("model: fast", r'model: "\a"'), r"5: llms[0].model='\x07': must be a printable name"),
    (GOOD.replace("model: fast", "model: fast\n        api: talk"),
     "6: llms[0].api='talk': unknown provider API; expected one of chat"),
    (GOOD.replace("model: fast", "model: fast\n        key_header: api-key"),
     "6: llms[0].key_header: needs api_key_env or token_command"),
    (GOOD.replace("model: fast", "model: fast\n        max_tokens_field: most"),
     "6: llms[0].max_tokens_field='most': expected one of max_tokens, max_completion_tokens, none"),
    (GOOD.replace("model: fast", "model: fast\n        api: gemini\n        max_tokens_field: "
                  "max_completion_tokens"),
     "7: llms[0].max_tokens_field='max_completion_tokens': the gemini API has generationConfig.max"),
    (with_options("rank_insecure: true"), "6: llms[0].rank_insecure=True: needs insecure"),
    (with_options("insecure: true"), "6: llms[0].insecure=True: needs an https URL"),
    (with_options("ca_file: a.pem", "https:"), "6: llms[0].ca_file='a.pem': cannot be read: No such"),
    (with_options("client_key: a.pem", "https:"), "6: llms[0].client_key: needs client_cert"),
    (with_options("{ca_file: a.pem, insecure: true}", "https:"), "7: llms[0].insecure=True: verifies"),
    (with_options("proxy: socks5://p"), "6: llms[0].proxy='socks5://p': must be http://[USER:PASSWORD@]"),
    (with_options("proxy: http://p", "http+unix://%2Fa.sock"), "6: llms[0].proxy='http://p': does not"),
    (with_options("token_command: []"), "6: llms[0].token_command: must be a command, or a list of str"),
    (with_options("token_command: [a, 1]"), "6: llms[0].token_command: must be a command, or a list"),
]  # fmt: skip


def test_options_of_the_endpoint_keep_the_names_of_variables(write):
    options = """
        api_key_env: KEY
        key_header: api-key
        key_scheme: ""
        max_tokens_field: none
        stream_usage: false
        extra_body: {reasoning_effort: low}
        headers: {x-tenant-key: "${TENANT}"}"""
    (found,) = read_benchmark_file(write(GOOD.replace("model: fast", f"model: fast{options}")))

    assert found.endpoint.headers == {"x-tenant-key": "${TENANT}"}
    assert (found.endpoint.key_header, found.endpoint.key_scheme) == ("api-key", "")
    assert (found.endpoint.max_tokens_field, found.endpoint.stream_usage) == ("none", False)
    assert found.endpoint.extra_body == {"reasoning_effort": "low"}
    assert found.definition["extra_body"] == {}  # two LLMs that differ in it share the scenario


def test_a_ca_file_and_a_command_are_found_next_to_the_file(write, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    (found,) = read_benchmark_file(
        write(with_options("{ca_file: ca.pem, proxy: none, token_command: ./token 'a b'}", "https:"))
    )

    assert found.endpoint.transport == {"ca_file": str(tmp_path / "ca.pem"), "proxy": "none"}
    assert found.endpoint.token_command == (str(tmp_path / "token"), "a b")


def test_a_command_may_be_a_list_and_is_looked_for_in_the_path(write):
    (found,) = read_benchmark_file(write(with_options("token_command: [gcloud, print, a b]")))

    assert found.endpoint.token_command == ("gcloud", "print", "a b")


def test_insecure_runs_are_ranked_only_if_the_file_says_so(write):
    (unranked,) = read_benchmark_file(write(with_options("insecure: true", "https:")))
    (ranked,) = read_benchmark_file(write(with_options("{insecure: true, rank_insecure: true}", "https:")))

    assert (unranked.endpoint.insecure, unranked.rank_insecure) == (True, False)
    assert (ranked.endpoint.insecure, ranked.rank_insecure) == (True, True)


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_fault_of_an_llm_names_line_field_value_and_what_is_expected(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)


def test_an_api_whose_package_is_not_installed_is_a_fault(faults, monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    (fault,) = faults(GOOD.replace("model: fast", "model: fast\n        api: bedrock"))

    assert fault == (
        "benchmark.yml:6: llms[0].api='bedrock': needs botocore; expected pip install '.[bedrock]' in a clone"
    )


def test_a_key_and_a_command_that_prints_one_exclude_each_other(faults):
    (fault,) = faults(with_options("{api_key_env: KEY, token_command: get s3cret}"))

    assert fault == "benchmark.yml:7: llms[0].token_command: expected either api_key_env or token_command"


@pytest.mark.parametrize(
    "url", ["http://us:s3cret@h/v1", "http://h/v1?key=s3cret", "http://h/v1#s3cret", "ftp://h?a=s3cret"]
)
def test_a_secret_in_a_url_is_refused_and_not_shown(faults, url):
    (fault,) = faults(GOOD.replace("http://127.0.0.1:9/v1", url))

    assert fault.startswith("benchmark.yml:4: llms[0].base_url: ")
    assert "s3cret" not in fault


@pytest.mark.parametrize(
    "line",
    [
        "api_key: sk-s3cret",
        "api_key_env: sk-s3cret",
        "headers: {api-key: sk-s3cret}",
        "headers: {X: [sk-s3cret]}",
        "headers: sk-s3cret",
        "proxy: http://us:s3cret@p",
        "token_command: get 's3cret",
        "token_command: {get: s3cret}",
    ],
)
def test_a_key_in_the_file_is_refused_and_not_shown(faults, line):
    (fault,) = faults(GOOD.replace("model: fast", f"model: fast\n        {line}"))

    assert fault.startswith(f"benchmark.yml:6: llms[0].{line.split(':')[0]}")
    assert "s3cret" not in fault
