import io

import pytest
from rich.console import Console

from llm_measure.check.finding import Finding, set_fields, set_options
from llm_measure.check.report import document, print_findings

WHOLE = Finding(
    "Llama", "http://x", "m", True, "accepted", True, [], "streams", True, "none", "cached_tokens", 0.1234,
    443, 461, 9, 1.02, 3,
)  # fmt: skip


def printed(*findings: Finding, width: int = 240) -> str:
    file = io.StringIO()
    print_findings(findings, set_fields, Console(file=file, width=width))
    return file.getvalue()


def test_a_row_has_all_that_is_known():
    row = printed(WHOLE).splitlines()[3]

    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "Llama", "usable", "yes", "accepted", "known", "streams", "yes", "none", "cached_tokens", "0.123 s",
        "443 words: 461 (9 + 1.02 per word)",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_narrow_terminal_shows_fewer_columns_and_no_broken_words(width):
    lines = printed(WHOLE, Finding("Other", problem="down"), width=width).splitlines()

    assert max(map(len, lines)) <= width
    assert len([line for line in lines if line.startswith("│")]) == 2
    assert any(line.startswith("Not shown on a narrow terminal: prompt tokens") for line in lines)


def test_texts_of_a_server_control_no_terminal():
    assert "\x1b" not in printed(Finding("a[bold]\x1b", problem="no\x1b[31m", advice=["\x1b"]))


def test_changes_are_shown_as_fields_and_as_options():
    changes = {"stream_usage": False, "extra_body": {"a": None}, "model": "a b"}

    assert list(set_fields(changes)) == [
        "set stream_usage: false", 'set extra_body: {"a": null}', "set model: a b",
    ]  # fmt: skip
    assert list(set_options(changes)) == [
        "set --no-stream-usage", "set --extra-body '{\"a\": null}'", "set --model 'a b'",
    ]  # fmt: skip


def test_the_document_counts_the_requests():
    found = document([WHOLE, Finding("Other", problem="down", place=1)])

    assert found["requests"] == 3
    assert [each["verdict"] for each in found["endpoints"]] == ["usable", "fails"]
    assert "place" not in found["endpoints"][1]
