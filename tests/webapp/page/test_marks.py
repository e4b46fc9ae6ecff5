import pytest

from webapp.page.marks import HEIGHT, WIDTH, Scale, sparkline
from webapp.page.text import NONE, duration, figure, percentage


@pytest.mark.parametrize("values", [[1, 2, 3], [5], [0, 0], [0, None, 7], [1e-6, 2e-6], [1e6, 3e6]])
def test_the_scale_holds_all_values_and_its_ticks(values):
    scale = Scale.over(values)

    assert scale.low >= 0
    assert all(0 < scale.at(value) < 1 or value == scale.low == 0 for value in values if value is not None)
    assert 1 <= len(scale.ticks()) <= 5
    assert all(0 <= scale.at(tick) <= 1 for tick in scale.ticks())


def test_a_sparkline_fits_its_picture_and_rises_with_its_values():
    line = sparkline([(0, 1.0), (5, 2.0), (10, 3.0)])

    xs, ys = zip(*(map(float, point.split(",")) for point in line.points.split()), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    assert 0 < min(xs) < max(xs) < WIDTH
    assert 0 < min(ys) < max(ys) < HEIGHT
    assert sparkline([]) is None
    assert sparkline([(0, 1.0)]).last_y == HEIGHT / 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05034, "0.0503"), (1.069, "1.07"), (12.345, "12.3"), (1234.5, "1,234"), (0, "0.00"), (None, NONE)],
)
def test_a_value_has_three_significant_digits(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0421, "42 ms"), (2, "2.0 s"), (600, "10 min"), (None, NONE)]
)
def test_a_duration_has_its_unit(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(0, "0 %"), (0.00123, "0.12 %"), (0.096, "9.6 %"), (0.126, "13 %"), (1.0, "100 %")]
)
def test_percentages_have_two_digits_or_more_and_no_exponent(ratio, text):
    assert percentage(ratio) == text
