"""The size of a badge, and the contrast of its texts."""

from xml.etree import ElementTree

import pytest

from webapp.page.badges.drawing import COLORS, Badge, svg
from webapp.page.badges.text_width import text_width

SVG = "{http://www.w3.org/2000/svg}"


def drawn(app, badge):
    with app.app_context():
        return ElementTree.fromstring(svg(badge))


def test_holds_its_texts_one_after_the_other(app):
    badge = drawn(app, Badge("Claude 3.5 Sonnet TTFT", "1.05 s", "blue"))
    spans = [
        (float(text.get("x")), float(text.get("x")) + float(text.get("textLength")))
        for text in badge.iter(f"{SVG}text")
    ]

    assert spans[0][0] > 0
    assert spans[0][1] < spans[1][0]
    assert spans[1][1] < float(badge.get("width"))


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("i", 4), ("W", 11), ("GPT-4o", 41), ("模", 11), ("e\u0301", 7)]
)
def test_a_text_is_as_wide_as_in_verdana(text, width):
    assert text_width(text, 11) == width


@pytest.mark.parametrize("color", COLORS.values())
def test_white_on_each_colour_has_enough_contrast(color):
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert 1.05 / (luminance + 0.05) >= 4.5
