import pytest

from llm_measure.text import csv_cell, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünï, 模型, 🙂", "plain, ünï, 模型, 🙂"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\rc\td\0", r"a\nb\rc\td\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066\u200f\u2028\ud800", r"\u2066\u200f\u2028\ud800"),
    ],
)
def test_nothing_that_controls_a_terminal_is_printed(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A1"],
)
def test_a_text_that_a_spreadsheet_takes_for_a_formula_is_preceded_by_an_apostrophe(text):
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "GPT-4o", "a=b", "'=1"])
def test_any_other_text_is_a_cell_as_it_is(text):
    assert csv_cell(text) == text
