"""Distributions: what a text describes, and that draws follow it."""

import math
from statistics import fmean, pstdev

import pytest

from llm_measure.distributions import HIGHEST_DRAW, draw, parse

DRAWS = [draw(20, index, "input") for index in range(20_000)]


def test_draws_are_spread_evenly_and_repeat_with_the_seed():
    assert math.isclose(fmean(DRAWS), 0.5, abs_tol=0.01)
    assert [draw(20, index, "input") for index in range(5)] == DRAWS[:5]
    assert draw(21, 0, "input") != DRAWS[0]
    assert draw(20, 0, "output") != DRAWS[0]


@pytest.mark.parametrize(
    ("text", "mean", "deviation"),
    [
        (128, 128, 0),
        ("128..512", 320, 111.1),
        ("normal:500,100", 500, 100),
        ("lognormal:500,400", 500, 400),
        ("normal:10,30", 27.95, 19.95),  # without what is below 0
    ],
)
def test_values_have_the_mean_and_the_deviation_of_the_distribution(text, mean, deviation):
    values = [parse(text).real(each) for each in DRAWS]
    assert math.isclose(fmean(values), mean, rel_tol=0.03)
    assert math.isclose(pstdev(values), deviation, rel_tol=0.06, abs_tol=1e-9)
    assert math.isclose(parse(text).mean, mean, rel_tol=0.03)
    assert parse(text).least <= min(values)
    assert max(values) <= parse(text).most


def test_whole_numbers_include_both_ends():
    values = {parse("1..3").whole(each) for each in DRAWS}
    assert values == {1, 2, 3}
    assert parse("2..5").whole(HIGHEST_DRAW) == 5


def test_a_file_has_a_number_per_line(tmp_path):
    file = tmp_path / "lengths.txt"
    file.write_text("30\n\n10\n20\n")
    values = [parse(f"file:{file}").whole(each) for each in DRAWS]
    assert set(values) == {10, 20, 30}
    assert math.isclose(fmean(values), parse(f"file:{file}").mean, rel_tol=0.03)


def test_a_file_that_changes_is_read_again(tmp_path):
    file = tmp_path / "lengths.txt"
    file.write_text("30\n")
    assert parse(f"file:{file}").mean == 30
    file.write_text("300\n")
    assert parse(f"file:{file}").mean == 300


def test_a_faulty_file_is_refused_with_its_line(tmp_path):
    file = tmp_path / "lengths.txt"
    file.write_text("30\nmany\n")
    with pytest.raises(ValueError, match=r"lengths.txt:2: must be a number"):
        parse(f"file:{file}")


@pytest.mark.parametrize(
    "text",
    ["", "a", "-5..3", "-1", "nan", "normal:5", "normal:0,1", "normal:1,1e-9", "1e12", "gamma:1,2", "1...2"],
)
def test_a_text_that_describes_no_distribution_is_refused(text):
    with pytest.raises(ValueError, match="must be one of N, A\\.\\.B"):
        parse(text)


def test_ends_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match=r"must be A\.\.B with A at most B, such as 128\.\.512"):
        parse("512..128")
