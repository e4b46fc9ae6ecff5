from pathlib import Path

import pytest

from llm_measure.check.file import FileError, read_file
from webapp.settings import ROOT


def written(folder: Path, text: str) -> Path:
    path = folder / "benchmark.yml"
    path.write_text(text)
    return path


def test_the_example_is_read(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    monkeypatch.setenv("OPENAI_PROJECT", "ours")

    endpoints = [target.endpoint for target in read_file(ROOT / "benchmark.example.yml").targets]

    assert None not in endpoints
    assert [endpoint.api_key for endpoint in endpoints if endpoint.api_key] == ["sesame"]
    assert endpoints[1].max_tokens_field == "max_completion_tokens"


def test_a_missing_variable_is_that_endpoints_problem(tmp_path):
    text = """
llms:
  - {name: A, base_url: 'http://a/v1', model: a, api_key_env: NO_SUCH_KEY}
  - {name: B, base_url: 'http://b/v1', model: b, headers: {x-key: '${NO_SUCH_KEY}'}}
  - {name: C, base_url: 'http://c/v1', model: c}
"""
    a, b, c = read_file(written(tmp_path, text)).targets

    assert a.problem == b.problem == "environment variable NO_SUCH_KEY: not set or empty"
    assert (c.problem, c.endpoint.model, c.place) == (None, "c", 2)


def test_all_faults_are_reported_with_their_lines(tmp_path):
    text = """llms:
  - name: A
    base_url: ftp://a
    model: 5
    modle: a
  - name: B
    base_url: http://b/v1
    model: b
    api: speech
    stream_usage: sometimes
    key_header: api-key
  - nothing
  - base_url: http://d
    model: d
"""
    path = written(tmp_path, text)
    with pytest.raises(FileError) as raised:
        read_file(path)

    lines = [line.removeprefix(f"{path}:") for line in str(raised.value).split("\n")]
    assert [line[: line.index(": ", 4)] for line in lines] == [
        "3: llms[0].base_url='ftp://a'", "4: llms[0].model", "5: llms[0].modle",
        "11: llms[1].key_header", "9: llms[1].api='speech'", "10: llms[1].stream_usage",
        "12: llms[2]", "13: llms[3].name",
    ]  # fmt: skip
    assert lines[1].endswith("model: expected `str`, got `int`")
    assert "unknown field; expected one of name, company_name" in lines[2]
    assert lines[3].endswith("needs api_key_env or token_command")
    assert lines[-1].endswith("name: missing")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("llms: [", "1: expected the node content"),
        ("a: 1\na: 2", "2: a: duplicate key"),
        ("workloads: []", "1: llms: expected a list of at least one LLM"),
        ("- 1", "1: llms: expected a list of at least one LLM"),
        ("", "1: llms: expected a list of at least one LLM"),
    ],
)
def test_a_file_without_endpoints_is_unusable(tmp_path, text, fault):
    with pytest.raises(FileError) as raised:
        read_file(written(tmp_path, text))

    assert f"benchmark.yml:{fault}" in str(raised.value)


def test_a_file_that_is_missing_is_unusable(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_file(tmp_path / "nowhere.yml")
